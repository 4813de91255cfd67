"""A workflow of 200 steps while the processes that carry it are killed in turn."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.stack import Stack, running
from tests.patience import wait_for

WIDTH = 9
LAYERS = 20
KILLED = ("loops", "mirror", "api")


def diamonds() -> list[dict[str, Any]]:
    """200 steps: layers of a step that fans out to nine, which the first step of the next layer brings together."""
    steps: list[dict[str, Any]] = []
    for layer in range(LAYERS):
        before = [f"{layer - 1}-{n}" for n in range(WIDTH)] if layer else []
        steps.append(_step(f"{layer}", before))
        steps += [_step(f"{layer}-{n}", [f"{layer}"]) for n in range(WIDTH)]
    return steps


def _step(step_id: str, needs: list[str]) -> dict[str, Any]:
    return {"id": step_id, "task_name": "celeriac.sleep", "task_args": [0.02], "depends_on": needs}


def test_a_workflow_completes_with_every_step_run_once_while_processes_are_killed(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        workflow_id = stack.start_workflow(diamonds())
        for name in KILLED:
            _wait_for_progress(stack, workflow_id)
            victim = stack.child(name)
            victim.kill()
            wait_for(partial(_is_back, stack, name, old_pid=victim.pid))
        wait_for(stack.is_healthy)
        workflow = stack.wait_for_workflow(workflow_id)
        assert workflow["status"] == "COMPLETED"
        assert Counter(step["status"] for step in workflow["steps"]) == {"COMPLETED": WIDTH * LAYERS + LAYERS}
        tasks = stack.client.get("/tasks", params={"workflow_id": workflow_id, "limit": 1000}).json()["data"]
        assert {task["task_id"] for task in tasks} == {step["task_id"] for step in workflow["steps"]}
        twice = [task["task_id"] for task in tasks if stack.events(task["task_id"]).count("started") > 1]
        assert twice == []


def _wait_for_progress(stack: Stack, workflow_id: str) -> None:
    """Until some more steps have ended."""

    def unfinished() -> int:
        wait_for(stack.is_healthy)
        left: int = stack.workflow(workflow_id)["unfinished_steps"]
        return left

    before = unfinished()
    wait_for(lambda: unfinished() < before - WIDTH)


def _is_back(stack: Stack, name: str, *, old_pid: int) -> bool:
    try:
        return stack.child(name).pid != old_pid
    except (LookupError, psutil.Error):
        return False
