"""A workflow as a tree on the terminal, live while it runs. On stderr while it changes, once on stdout at its end."""

import time
from collections import Counter, defaultdict
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from cli.client import Client, NotReachable
from cli.progress import FINAL, PATIENCE_SECONDS
from cli.terminal import line_of
from domain.sentences import some_of

ASK_AGAIN_SECONDS = 0.5  # 120 requests a minute, of the 1,000 that the rate limit grants
SIGNS = {
    "WAITING": ("·", "dim"),
    "PENDING": ("○", "yellow"),
    "RUNNING": ("▶", "blue"),
    "COMPLETED": ("✓", "green"),
    "FAILED": ("✗", "red"),
    "CANCELLED": ("■", "magenta"),
    "SKIPPED": ("-", "dim"),
}

Workflow = dict[str, Any]


def follow(client: Client, workflow_id: str, *, quiet: bool = False) -> Workflow:
    """Return the workflow at its end. An API that restarts meanwhile is waited for, 30 s at a time."""
    console = Console(stderr=True, quiet=quiet)
    answered_at = time.monotonic()
    # Higher than the terminal it is cut off below: the whole stands on stdout at the end.
    with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="ellipsis") as live:
        while True:
            try:
                workflow = client.workflow(workflow_id)
            except NotReachable:
                if time.monotonic() - answered_at > PATIENCE_SECONDS:
                    raise
            else:
                answered_at = time.monotonic()
                live.update(as_tree(workflow), refresh=True)
                if workflow["status"] in FINAL:
                    return workflow
            time.sleep(ASK_AGAIN_SECONDS)


def show_tree(workflow: Workflow) -> None:
    """Print the tree as it is, on stdout."""
    Console(soft_wrap=True).print(as_tree(workflow))


def as_tree(workflow: Workflow) -> Tree:
    """Show every step once, behind that one of those it waits for which is furthest from the beginning.

    A step is set in only where several follow the same one: a chain stays a column, however long.
    """
    done = workflow["step_count"] - workflow["unfinished_steps"]
    sign, style = SIGNS[workflow["status"]]
    title = f"{sign} {workflow['name']} {workflow['status']} {done}/{workflow['step_count']}  {workflow['workflow_id']}"
    tree = Tree(line_of(title, style=style))
    depths = _depths(workflow["steps"])
    above = {step["id"]: max(step["depends_on"], key=depths.__getitem__, default=None) for step in workflow["steps"]}
    followers = Counter(above.values())
    branches: dict[str | None, Tree] = {None: tree}
    columns: dict[str | None, Tree] = {None: tree}
    for step in sorted(workflow["steps"], key=lambda step: depths[step["id"]]):
        before = above[step["id"]]
        in_a_row = before is not None and followers[before] == followers[above[before]] == 1
        column = columns[step["id"]] = columns[before] if in_a_row else branches[before]
        branches[step["id"]] = column.add(_line(step, also=[other for other in step["depends_on"] if other != before]))
    return tree


def _depths(steps: list[dict[str, Any]]) -> dict[str, int]:
    """Return the length of the longest way to each step."""
    waiting = {step["id"]: set(step["depends_on"]) for step in steps}
    children: dict[str, list[str]] = defaultdict(list)
    for step in steps:
        for parent in step["depends_on"]:
            children[parent].append(step["id"])
    depths = {step_id: 0 for step_id, parents in waiting.items() if not parents}
    free = list(depths)
    for step_id in free:
        for child in children[step_id]:
            depths[child] = max(depths.get(child, 0), depths[step_id] + 1)
            waiting[child].discard(step_id)
            if not waiting[child]:
                free.append(child)
    return depths


def _line(step: dict[str, Any], *, also: list[str]) -> Text:
    sign, style = SIGNS[step["status"]]
    line = line_of(f"{sign} {step['id']} ", style=style)
    line.append(line_of(step["task_name"], style="dim"))
    if step["duration_seconds"] is not None:
        line.append(f" {step['duration_seconds']:.2f} s", style="dim")
    if also:
        line.append(line_of(f" (also after {some_of(also, most=3)})", style="dim"))
    if step["error"]:
        line.append(line_of(f" {step['error'].splitlines()[0][:200]}", style="red"))
    return line
