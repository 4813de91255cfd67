"""The examples of docs/workflows.md as they stand there, and workflows on a whole stack by REST and command line."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, chord

from tests.acceptance.stack import REPOSITORY, Stack
from tests.celery_apps import close_app
from tests.patience import wait_for

PAGE = (REPOSITORY / "docs" / "workflows.md").read_text()
EXAMPLES = dict(re.findall(r"```(json|yaml|toml)\n(.*?)```", PAGE, re.DOTALL))

Json = dict[str, Any]


def celeriac(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "workflow", *arguments, "--url", stack.url]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def run_example(stack: Stack, kind: str, *, folder: Path) -> tuple[int, dict[str, Json]]:
    """The exit code, and the steps by id once the workflow has ended."""
    file = folder / f"example.{kind}"
    file.write_text(EXAMPLES[kind])
    done = celeriac(stack, "run", str(file), "--wait", "--json")
    assert done.returncode in (0, 1), done.stderr
    workflow = json.loads(done.stdout)
    return done.returncode, {step["id"]: step for step in workflow["steps"]} | {"": workflow}


def test_the_first_example_passes_results_from_step_to_step(stack: Stack, tmp_path: Path) -> None:
    code, steps = run_example(stack, "json", folder=tmp_path)
    assert (code, steps[""]["status"]) == (0, "COMPLETED")
    words = {"to": 2, "be": 2, "or": 1, "not": 1}
    assert steps["report"]["result"] == {"args": [], "kwargs": {"words": words, "to_and_be": 4}}
    assert f"`{json.dumps(steps['report']['result'])}`" in PAGE


def test_the_second_example_runs_steps_side_by_side_and_brings_them_together(stack: Stack, tmp_path: Path) -> None:
    code, steps = run_example(stack, "yaml", folder=tmp_path)
    assert code == 0
    assert steps["totals"]["depends_on"] == ["ada", "grace", "alan"]
    assert steps["totals"]["result"]["columns"]["minor_units"] == {"count": 3, "min": 1210, "max": 1912, "mean": 1676}
    ends = [steps[step_id]["completed_at"] for step_id in ("ada", "grace", "alan")]
    assert steps["begin"]["completed_at"] <= min(steps[step_id]["started_at"] for step_id in ("ada", "grace", "alan"))
    assert max(ends) <= steps["totals"]["started_at"]


def test_the_third_example_fails_in_one_branch_and_is_retried(stack: Stack, tmp_path: Path) -> None:
    code, steps = run_example(stack, "toml", folder=tmp_path)
    expected = {"good": "COMPLETED", "thank": "COMPLETED", "bad": "FAILED", "ship": "SKIPPED", "": "FAILED"}
    assert (code, {step_id: step["status"] for step_id, step in steps.items()}) == (1, expected)
    assert "the amount must be positive" in steps["bad"]["error"]
    assert steps["thank"]["result"]["args"] == ["thank you", "10.00"]
    done = celeriac(stack, "retry", steps[""]["workflow_id"], "--wait")
    assert (done.returncode, "FAILED" in done.stdout) == (1, True)
    again = {step["id"]: step["task_id"] for step in stack.workflow(steps[""]["workflow_id"])["steps"]}
    assert [step_id for step_id, task_id in again.items() if task_id != steps[step_id]["task_id"]] == ["bad"]


def test_a_workflow_is_shown_as_a_tree_and_can_be_cancelled(stack: Stack) -> None:
    steps = [
        {"id": "long", "task_name": "celeriac.sleep", "task_args": [60]},
        {"id": "behind", "task_name": "celeriac.add", "task_args": [1, 1], "depends_on": ["long"]},
    ]
    workflow_id = stack.start_workflow(steps, name="shown")
    wait_for(lambda: stack.workflow(workflow_id)["status"] == "RUNNING")
    shown = celeriac(stack, "show", workflow_id, "--once").stdout
    assert re.search(rf"▶ shown RUNNING 0/2  {workflow_id}\n├── ▶ long .*\n└── · behind ", shown)
    done = celeriac(stack, "cancel", workflow_id)
    assert (done.returncode, done.stdout) == (0, "Workflow cancelled successfully\n")
    ended = stack.wait_for_workflow(workflow_id)
    assert [step["status"] for step in ended["steps"]] == ["CANCELLED", "SKIPPED"]


def test_a_fan_out_of_a_hundred_and_back_completes(stack: Stack) -> None:
    middle = [str(n) for n in range(100)]
    steps = [{"id": "first", "task_name": "celeriac.echo", "task_args": [1]}]
    part = {"$result": "first", "pointer": "/args/0"}
    steps += [{"id": n, "task_name": "celeriac.add", "task_args": [part, int(n)]} for n in middle]
    steps += [{"id": "last", "task_name": "celeriac.echo", "task_args": [{"$result": n} for n in middle]}]
    ended = stack.wait_for_workflow(stack.start_workflow(steps))
    assert ended["status"] == "COMPLETED"
    assert ended["steps"][-1]["result"]["args"] == list(range(1, 101))


@pytest.fixture
def canvas_app(stack: Stack) -> Iterator[Celery]:
    """Another program on the same broker."""
    app = Celery("other", broker=stack.addresses.broker_url, backend=stack.addresses.result_url, set_as_current=False)
    yield app
    close_app(app)


def test_chains_and_chords_of_others_are_shown_as_trees(stack: Stack, canvas_app: Celery) -> None:
    add = canvas_app.signature("celeriac.add", args=(1, 1), immutable=True)
    last = chain(add.clone(), chord([add.clone(), add.clone()], add.clone()), add.clone()).apply_async()
    last.get(timeout=30)
    first: Any = last
    while first.parent is not None:
        first = first.parent

    def tree() -> Json | None:
        answer: Json = stack.client.get(f"/tasks/{last.id}/tree").json()
        return answer if answer.get("total") == 5 else None

    found = wait_for(tree)
    assert (found["root_id"], found["data"][0]["task_id"]) == (first.id, first.id)
    depths = {task["task_id"]: task["depth"] for task in found["data"]}
    assert all(depths[task["parent_id"]] == task["depth"] - 1 for task in found["data"][1:])
    assert last.id in depths


def test_a_task_of_ours_is_a_tree_of_its_own(stack: Stack) -> None:
    task_id = stack.submit("celeriac.add", 1, 2)
    found = stack.client.get(f"/tasks/{task_id}/tree").json()
    assert ([task["task_id"] for task in found["data"]], found["root_id"]) == ([task_id], task_id)
    assert stack.client.get("/tasks/nobody/tree").status_code == 404
