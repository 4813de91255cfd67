"""Canaries: secrets go in by every form, tasks end well and badly with them, and no way out shows one."""

from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import redis

from bench.fuzzing.operations import is_stream
from tests.acceptance.stack import Stack
from tests.patience import wait_for

GIVEN = f"g{uuid4().hex[:13]}"
"""Stands in arguments, and no task repeats it: nobody tells it, no worker's log, no event, not Flower either."""
REPEATED = f"r{uuid4().hex[:13]}"
"""Is raised and returned by tasks. Workers log that, and Flower hears it of them; we tell it nobody.

Both are drawn: other tests of this stack submit the files of the repository, this one with them.
"""
ROWS = [{"amount": 1, "api_key": GIVEN}, {"amount": 2, "nested": {"Authorization": f"Bearer {GIVEN}"}}]
BATCH = {"tasks": [{"task_name": "celeriac.fail", "task_args": [{"private_key": REPEATED}]}]}
AS_GIVEN = {"task_arguments", "task_results", "workflow_submissions"}
"""The tables that hold what workers and replays need."""


@pytest.fixture(scope="module")
def tasks(stack: Stack) -> list[str]:
    """The ids of tasks that have ended, and that search knows."""
    ids = [
        stack.submit("process_data", ROWS),
        stack.submit("celeriac.sleep", {"password": GIVEN}),
        stack.submit("celeriac.echo", {"client_secret": REPEATED}, task_kwargs={"token": [REPEATED], "n": 1}),
        stack.submit("celeriac.flaky", {"passwd": REPEATED}, 1),
        stack.client.post("/tasks/batch", json=BATCH).json()["task_ids"][0],
    ]
    for task_id in ids:
        stack.wait_for_end(task_id)
    ids.append(str(stack.client.post(f"/tasks/{ids[-1]}/replay").json()["task_id"]))
    stack.wait_for_end(ids[-1])
    for task_id in ids:
        wait_for(partial(found, stack, search=task_id))
    return ids


@pytest.fixture(scope="module")
def workflow(stack: Stack) -> str:
    first = {"id": "first", "task_name": "celeriac.echo", "task_kwargs": {"token": REPEATED}}
    second = {"id": "second", "task_name": "celeriac.fail", "task_args": [{"$result": "first", "pointer": "/kwargs"}]}
    workflow_id = stack.start_workflow([first, second])
    assert stack.wait_for_workflow(workflow_id)["status"] == "FAILED"
    return workflow_id


def found(stack: Stack, **filters: str) -> int:
    return int(stack.client.get("/search/tasks", params=filters).json()["total"])


def canaries(text: str) -> list[str]:
    return [canary for canary in (GIVEN, REPEATED) if canary.lower() in text.lower()]


def paths(stack: Stack, ids: dict[str, list[str]]) -> Iterator[str]:
    """Every GET route whose answer ends, with each of our ids; one of another thing is what a stranger would ask."""
    document = httpx.get(f"{stack.url}/openapi.json").json()
    reads = ((path, verbs["get"]) for path, verbs in document["paths"].items() if "get" in verbs)
    for path in (path for path, operation in reads if not is_stream(operation)):
        names = [name.split("}")[0] for name in path.split("{")[1:]]
        values = [ids.get(name, ids["task_id"][:1]) for name in names]
        for number in range(max(map(len, values), default=1)):
            yield path.format(**{name: given[number % len(given)] for name, given in zip(names, values, strict=True)})


def test_no_answer_tells_a_secret(stack: Stack, tasks: list[str], workflow: str) -> None:
    steps = [step["task_id"] for step in stack.workflow(workflow)["steps"]]
    ids = {name: [*tasks, *steps] for name in ("task_id", "task_id1")}
    ids |= {"task_id2": [*tasks[1:], *steps, tasks[0]], "workflow_id": [workflow]}
    asked = [*paths(stack, ids), "/api/v1/tasks?limit=1000", "/api/v1/search/tasks?limit=1000&status=FAILED"]
    assert len(asked) > 50
    answers = {path: httpx.get(f"{stack.url}{path}", timeout=30) for path in asked}
    assert {path: canaries(answer.text) for path, answer in answers.items() if canaries(answer.text)} == {}
    shown = "".join(answer.text for answer in answers.values())
    assert shown.count("[masked]") > 20
    assert stack.task(tasks[3])["attempts"][0]["exception"].startswith("RuntimeError")


def test_nothing_is_found_by_a_secret(stack: Stack, tasks: list[str]) -> None:
    for canary in (GIVEN, REPEATED):
        for part in (canary, canary[:6]):
            assert (found(stack, search=part), found(stack, error=part)) == (0, 0), part
    assert found(stack, search="masked") >= len(tasks)


def test_a_submission_that_waits_is_answered_with_the_mask(stack: Stack) -> None:
    body = {"task_name": "celeriac.echo", "task_kwargs": {"token": REPEATED}}
    answer = stack.client.post("/tasks", json=body, params={"async": "false"})
    assert (answer.json()["status"], canaries(answer.text)) == ("COMPLETED", [])


def test_nothing_is_written_where_it_need_not_be(stack: Stack, tasks: list[str], workflow: str) -> None:
    with psycopg.connect(stack.database_url) as database:
        names = [name for (name,) in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        held = {
            name
            for name in names
            for (row,) in database.execute(f'SELECT whole::text FROM "{name}" AS whole')
            if canaries(row)
        }
        texts = database.execute("SELECT concat(exception_message, traceback) FROM task_results").fetchall()
    assert held == AS_GIVEN
    assert canaries("".join(text for (text,) in texts)) == []


def test_logs_kept_answers_and_flower_tell_no_secret_that_tasks_do_not_tell(
    stack: Stack, tasks: list[str], workflow: str
) -> None:
    logs = {log.name: log.read_text(errors="replace") for log in (stack.data / "logs").iterdir()}
    told = {name for name, text in logs.items() if canaries(text)}
    assert (told, GIVEN in stack.errors(), GIVEN in logs["worker-1.log"]) == ({"worker-1.log"}, False, False)
    with redis.Redis.from_url(stack.addresses.redis_url) as ours:
        stack.task(tasks[0])
        kept = wait_for(lambda: repr(ours.hgetall("{celeriac:answers}:bodies")))
        assert ("[masked]" in kept, canaries(kept)) == (True, [])
        assert GIVEN not in repr(ours.xrange("celeriac:events", count=10_000))


def test_flower_shows_arguments_with_the_mask(stack: Stack, tasks: list[str]) -> None:
    url = stack.flower_url

    def shown() -> str | None:
        # A new one each time: what ended before Flower listened it never hears of.
        task_id = stack.submit("process_data", ROWS)
        stack.wait_for_end(task_id)
        answer = httpx.get(f"{url}/api/task/info/{task_id}")
        return answer.text if answer.status_code == 200 else None

    assert "'api_key': '[masked]'" in wait_for(shown)
    assert GIVEN not in httpx.get(f"{url}/api/tasks?limit=1000").text


def test_an_administrator_sees_the_values_and_says_why(stack: Stack, tasks: list[str]) -> None:
    url = f"/tasks/{tasks[2]}/reveal"
    shown: dict[str, Any] = stack.client.post(url, json={"reason": "INC-17"}).json()
    assert shown["task_args"] == [{"client_secret": REPEATED}]
    assert shown["result"] == {"args": [{"client_secret": REPEATED}], "kwargs": {"token": [REPEATED], "n": 1}}
    wait_for(lambda: "payload_revealed" in stack.errors())
