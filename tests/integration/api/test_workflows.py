"""The REST API of workflows on a real database; what workers would do is told."""

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from domain.results import StoredResult
from domain.states import EventType
from domain.workflows.dag import MAX_EDGES
from domain.workflows.references import MAX_REFERENCES
from loops.workflows import WorkflowsRound
from services.record import News, record
from services.workflows.lifecycle import start as start_workflow
from settings import Settings
from store.engine import open_engine
from store.queries.outbox import withdraw
from store.queries.workflows.documents import SHOWN_RESULTS_BYTES
from store.queries.workflows.retries import KEPT_TRIES
from tests.fakes.gateway import FakeBroker, FakeResultReader
from tests.integration.api.ends import finish, tell
from tests.workflows import make_workflow

Json = dict[str, Any]


def step(step_id: str, *needs: str, **fields: Any) -> Json:
    return {"id": step_id, "task_name": "celeriac.add", "task_args": [2, 3], "depends_on": list(needs)} | fields


DIAMOND = [step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")]


def start(api: httpx.Client, steps: Sequence[Json], **fields: Any) -> Json:
    answer = api.post("/workflows", json={"name": "test", "steps": steps} | fields)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


def get(api: httpx.Client, path: str, **params: Any) -> Json:
    answer = api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def advance(settings: Settings) -> None:
    """What the loops would do."""

    async def rounds() -> None:
        engine = open_engine(settings.database_url or "", pool_size=2)
        round_ = WorkflowsRound(engine, FakeResultReader(FakeBroker()))
        while await round_.run_once() == 0:
            pass
        await engine.dispose()

    asyncio.run(rounds())


def end(settings: Settings, workflow: Json, *, step_id: str, how: EventType = EventType.SUCCEEDED) -> None:
    """Let the task of a step end, and take the workflow further."""
    task_ids = {found["id"]: found["task_id"] for found in workflow["steps"]}
    finish(settings.database_url or "", task_ids[step_id], end=how)
    advance(settings)


def statuses(workflow: Json) -> dict[str, str]:
    return {found["id"]: found["status"] for found in workflow["steps"]}


def errors(api: httpx.Client, steps: Sequence[Json], **fields: Any) -> list[tuple[str, str]]:
    """What is wrong with this submission, which changes nothing."""
    answer = api.post("/workflows", json={"name": "test", "steps": steps} | fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), answer.text
    assert get(api, "/workflows")["total"] == get(api, "/tasks")["total"] == 0
    return [(error["field"], error["message"]) for error in answer.json()["errors"]]


def test_the_answer_names_the_workflow_and_every_step_with_its_task(api: httpx.Client) -> None:
    workflow = start(api, DIAMOND, name="nightly-report")
    assert (workflow["name"], workflow["status"]) == ("nightly-report", "PENDING")
    assert statuses(workflow) == {"a": "PENDING", "b": "WAITING", "c": "WAITING", "d": "WAITING"}
    assert len({found["task_id"] for found in workflow["steps"]}) == 4
    (task,) = get(api, "/tasks", workflow_id=workflow["workflow_id"])["data"]
    assert (task["task_id"], task["workflow_id"]) == (workflow["steps"][0]["task_id"], workflow["workflow_id"])


def test_a_workflow_is_read_with_how_its_steps_went(api: httpx.Client, settings: Settings) -> None:
    fields = {"queue_name": "etl", "priority": 9, "max_retries": 1, "timeout_seconds": 60}
    workflow = start(api, [step("a", **fields), step("b", "a")], on_failure="continue")
    end(settings, workflow, step_id="a")
    found = get(api, f"/workflows/{workflow['workflow_id']}")
    assert (found["status"], found["on_failure"], found["step_count"], found["unfinished_steps"]) == (
        "RUNNING",
        "continue",
        2,
        1,
    )
    first, second = found["steps"]
    assert {name: first[name] for name in fields} == fields
    assert (first["status"], first["duration_seconds"], first["worker_hostname"]) == ("COMPLETED", 1.0, "one")
    assert (second["status"], second["depends_on"], second["started_at"]) == ("PENDING", ["a"], None)


def test_a_reference_implies_the_dependency(api: httpx.Client) -> None:
    steps = [step("a"), step("b", task_kwargs={"x": [{"$result": "a", "pointer": "/rows/0"}]})]
    workflow = start(api, steps)
    assert get(api, f"/workflows/{workflow['workflow_id']}")["steps"][1]["depends_on"] == ["a"]


def test_everything_that_is_wrong_is_said_with_its_step(api: httpx.Client) -> None:
    bad = step("b", "nobody", task_args=[{"$result": "elsewhere"}])
    assert errors(api, [step("a"), bad, step("a")]) == [
        ("steps.2.id", "step 'a' is there twice"),
        ("steps.1.depends_on.0", "step 'b' needs 'nobody', and there is no such step"),
        ("steps.1.task_args.0", "step 'b' needs 'elsewhere', and there is no such step"),
    ]


def test_a_cycle_is_named(api: httpx.Client) -> None:
    found = errors(api, [step("a", "c"), step("b", "a"), step("c", task_args=[{"$result": "b"}])])
    assert found == [("steps.0.depends_on.0", "the steps wait for each other in a circle: a -> b -> c -> a")]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"priority": 11}, "steps.0.priority"),
        ({"task_args": [{"$result": "a", "pointer": "x"}]}, "steps.0.task_args.0"),
        ({"task_args": ["x" * 1_100_000]}, "steps.0.task_args"),
        ({"unknown": 1}, "steps.0.unknown"),
        ({"id": ""}, "steps.0.id"),
        ({"id": "\x00"}, "steps.0.id"),
        ({"task_name": ""}, "steps.0.task_name"),
    ],
)
def test_a_step_is_checked_as_tasks_are(api: httpx.Client, wrong: Json, field: str) -> None:
    assert [found for found, _ in errors(api, [step("a") | wrong])] == [field]


def test_the_number_of_steps_has_bounds(api: httpx.Client) -> None:
    assert errors(api, [])[0][0] == "steps"
    assert errors(api, [step(str(n)) for n in range(1001)])[0][0] == "steps"
    assert errors(api, [step("a")], on_failure="ignore")[0][0] == "on_failure"


def dense(edges: int) -> list[Json]:
    """A thousand steps that wait for others so many times together: the last ones for up to a thousand each."""
    ids = [str(n) for n in range(1000)]
    steps: list[Json] = []
    for number in reversed(range(1000)):
        needed = ids[: min(number, edges)]
        edges -= len(needed)
        steps.append({"id": ids[number], "task_name": "celeriac.add", "depends_on": needed})
    return steps[::-1]


def test_a_thousand_steps_with_as_many_edges_as_may_be_are_taken_and_drawn(api: httpx.Client) -> None:
    workflow = start(api, dense(MAX_EDGES))
    assert list(statuses(workflow).values()).count("WAITING") == 21
    graph = get(api, f"/workflows/{workflow['workflow_id']}/graph")
    assert (len(graph["edges"]), graph["edges_truncated"], graph["mermaid"].count("-->")) == (
        MAX_EDGES,
        False,
        MAX_EDGES,
    )


def test_one_edge_more_is_refused_where_it_stands(api: httpx.Client) -> None:
    ((field, message),) = errors(api, dense(MAX_EDGES + 1))
    assert (field, "more than 20,000 times" in message) == ("steps.999.depends_on", True)


def test_the_same_step_named_again_and_again_is_one_edge(api: httpx.Client) -> None:
    steps = [step("a"), *(step(f"b{n}", *["a"] * 1000) for n in range(30))]
    graph = get(api, f"/workflows/{start(api, steps)['workflow_id']}/graph")
    assert len(graph["edges"]) == 30


def test_more_references_in_one_step_than_it_may_hold_are_refused(api: httpx.Client) -> None:
    many = [{"$result": "a"}] * (MAX_REFERENCES + 1)
    assert errors(api, [step("a"), step("b", task_args=many)]) == [
        ("steps.1.task_args", "may refer to results at most 1,000 times")
    ]


def test_a_workflow_from_before_the_bound_is_still_drawn_as_far_as_that(api: httpx.Client, settings: Settings) -> None:
    ids = [str(n) for n in range(300)]
    old = make_workflow({ids[n]: ids[:n] for n in range(300)})

    async def store() -> None:
        engine = open_engine(settings.database_url or "", pool_size=1)
        async with engine.begin() as connection:
            await start_workflow(connection, old)
        await engine.dispose()

    asyncio.run(store())
    graph = get(api, f"/workflows/{old.workflow_id}/graph")
    assert (len(graph["edges"]), graph["edges_truncated"]) == (MAX_EDGES, True)
    assert graph["critical_path"] == ids
    assert len(get(api, f"/workflows/{old.workflow_id}")["steps"][299]["depends_on"]) == 299


def test_the_same_key_starts_one_workflow(api: httpx.Client) -> None:
    body, headers = {"name": "test", "steps": DIAMOND}, {"Idempotency-Key": "k"}
    first, second = (api.post("/workflows", json=body, headers=headers) for _ in range(2))
    assert (first.json(), second.headers["Idempotent-Replayed"]) == (second.json(), "true")
    assert get(api, "/workflows")["total"] == 1


def test_the_list_is_filtered_and_paged_newest_first(api: httpx.Client, settings: Settings) -> None:
    workflows = [start(api, [step("a")], name=name) for name in ("x", "y", "x")]
    end(settings, workflows[0], step_id="a")
    assert [row["name"] for row in get(api, "/workflows")["data"]] == ["x", "y", "x"]
    assert [row["workflow_id"] for row in get(api, "/workflows", name="x", status="COMPLETED")["data"]] == [
        workflows[0]["workflow_id"]
    ]
    page = get(api, "/workflows", limit=1, offset=1)
    assert ([row["name"] for row in page["data"]], page["total"], page["limit"]) == (["y"], 3, 1)
    assert get(api, "/workflows", name="nobody")["data"] == []
    wanted = workflows[1]["workflow_id"]
    for beginning in (wanted, wanted.replace("-", "").upper(), wanted[:-1]):
        assert wanted in [row["workflow_id"] for row in get(api, "/workflows", id_prefix=beginning)["data"]]
    assert get(api, "/workflows", id_prefix="f" * 32)["data"] == []
    for other in ("", "xyz", wanted + "0", "-"):
        assert api.get("/workflows", params={"id_prefix": other}).status_code == 400


def test_a_walk_by_cursor_meets_every_workflow_once_whatever_is_started_meanwhile(
    api: httpx.Client, settings: Settings
) -> None:
    names = ("x", "y", "x", "x", "x")
    started = [start(api, [step("a")], name=name)["workflow_id"] for name in names]
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("update workflows set created_at = (select min(created_at) from workflows)")
    seen: list[str] = []
    found = get(api, "/workflows", name="x", limit=2)
    while found["data"]:
        seen += [row["workflow_id"] for row in found["data"]]
        start(api, [step("a")], name="x")
        found = get(api, "/workflows", name="x", limit=2, cursor=found["next_cursor"])
    assert seen == [workflow_id for workflow_id, name in zip(started, names, strict=True) if name == "x"][::-1]
    assert (found["total"], found["next_cursor"]) == (6, None)


def test_a_cursor_that_no_list_of_workflows_gave_is_refused(api: httpx.Client) -> None:
    start(api, [step("a")])
    with_any_id = base64.urlsafe_b64encode(b'["2026-01-01T00:00:00+00:00", "no-uuid"]').decode()
    for cursor in ("nonsense", "W10", with_any_id):
        answer = api.get("/workflows", params={"cursor": cursor})
        assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, ["cursor"])


def test_the_graph_shows_edges_the_critical_path_and_a_drawing(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, DIAMOND)
    end(settings, workflow, step_id="a")
    finish(settings.database_url or "", workflow["steps"][2]["task_id"], seconds=5.0)
    end(settings, workflow, step_id="b")
    graph = get(api, f"/workflows/{workflow['workflow_id']}/graph")
    assert graph["edges"] == [
        {"source": "a", "target": "b"},
        {"source": "a", "target": "c"},
        {"source": "b", "target": "d"},
        {"source": "c", "target": "d"},
    ]
    assert (graph["critical_path"], graph["critical_path_seconds"]) == (["a", "c", "d"], 6.0)
    assert [node["id"] for node in graph["nodes"] if not node["critical"]] == ["b"]
    assert graph["mermaid"].startswith('flowchart LR\n    s0["a"]:::COMPLETED\n')


def test_the_critical_path_leads_to_what_runs_and_to_the_failure_and_never_past_it(
    api: httpx.Client, settings: Settings
) -> None:
    workflow = start(api, [*DIAMOND, step("e", "d")])
    path = f"/workflows/{workflow['workflow_id']}/graph"

    def told() -> tuple[list[str], str]:
        graph = get(api, path)
        assert [node["id"] for node in graph["nodes"] if node["critical"]] == graph["critical_path"]
        return graph["critical_path"], graph["critical_path_leads_to"]

    assert told() == (["a", "c", "d", "e"], "nothing_yet")
    end(settings, workflow, step_id="a")
    assert told() == (["a", "b"], "now")
    end(settings, workflow, step_id="c", how=EventType.FAILED)
    assert told() == (["a", "c"], "failure")


def test_the_timeline_tells_of_the_workflow_and_of_its_tasks(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, [step("a"), step("b", "a")])
    end(settings, workflow, step_id="a", how=EventType.FAILED)
    timeline = get(api, f"/workflows/{workflow['workflow_id']}/timeline")
    told = [(event["step_id"], event["event_type"]) for event in timeline["events"]]
    assert told[0] == (None, "submitted")
    assert [kind for where, kind in told if where == "a"] == ["submitted", "received", "started", "failed"]
    assert {(None, "failed"), ("b", "skipped")} <= set(told)
    assert (timeline["total"], timeline["status"]) == (len(told), "FAILED")
    page = get(api, f"/workflows/{workflow['workflow_id']}/timeline", limit=2, offset=1)
    assert page["events"] == timeline["events"][1:3]
    chosen = get(api, f"/workflows/{workflow['workflow_id']}/timeline", event_type=["failed", "skipped"], limit=2)
    of_these = [event for event in timeline["events"] if event["event_type"] in ("failed", "skipped")]
    assert (chosen["events"], chosen["total"]) == (of_these[:2], len(of_these))
    assert len(of_these) == 3


def test_a_cancel_before_anything_has_started_is_certain(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, DIAMOND)
    path = f"/workflows/{workflow['workflow_id']}"
    answers = [api.post(f"{path}/cancel") for _ in range(2)]
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "CANCELLED")] * 2
    assert statuses(get(api, path)) == {"a": "CANCELLED", "b": "SKIPPED", "c": "SKIPPED", "d": "SKIPPED"}
    assert get(api, f"/tasks/{workflow['steps'][0]['task_id']}")["status"] == "CANCELLED"


def test_a_cancel_that_is_not_proven_answers_202(
    api: httpx.Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cancels.sequence.PROOF_SECONDS", 0.2)
    workflow = start(api, DIAMOND)
    task_id = workflow["steps"][0]["task_id"]
    _take_from_outbox(settings, task_id)
    tell(settings.database_url or "", task_id, EventType.RECEIVED, EventType.STARTED)
    advance(settings)
    answer = api.post(f"/workflows/{workflow['workflow_id']}/cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["cancel_requested"]) == (202, "RUNNING", True)
    assert get(api, f"/tasks/{task_id}")["cancel_requested"] is True
    tell(settings.database_url or "", task_id, EventType.RECEIVED, EventType.STARTED, EventType.REVOKED)
    advance(settings)
    assert get(api, f"/workflows/{workflow['workflow_id']}")["status"] == "CANCELLED"


def _take_from_outbox(settings: Settings, task_id: str) -> None:
    """As a dispatcher would."""

    async def take() -> None:
        engine = open_engine(settings.database_url or "", pool_size=1)
        async with engine.begin() as connection:
            await withdraw(connection, [task_id])
        await engine.dispose()

    asyncio.run(take())


def test_a_retry_keeps_what_has_completed(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, DIAMOND)
    path = f"/workflows/{workflow['workflow_id']}"
    end(settings, workflow, step_id="a")
    _take_from_outbox(settings, workflow["steps"][2]["task_id"])
    end(settings, workflow, step_id="b", how=EventType.FAILED)
    assert api.post(f"{path}/retry").json()["code"] == "WORKFLOW_NOT_FINISHED"
    end(settings, workflow, step_id="c")
    assert get(api, path)["status"] == "FAILED"
    answer = api.post(f"{path}/retry")
    assert (answer.status_code, answer.json()["status"]) == (200, "RUNNING")
    advance(settings)
    again = get(api, path)
    assert statuses(again) == {"a": "COMPLETED", "b": "PENDING", "c": "COMPLETED", "d": "WAITING"}
    assert again["completed_at"] is None
    for step_id in ("b", "d"):
        end(settings, again, step_id=step_id)
    assert get(api, path)["status"] == "COMPLETED"
    kept = [old["task_id"] == new["task_id"] for old, new in zip(workflow["steps"], again["steps"], strict=True)]
    assert kept == [True, False, True, True]
    assert get(api, "/tasks", workflow_id=workflow["workflow_id"])["total"] == 5
    told = get(api, f"{path}/timeline")["events"]
    assert {event["step_id"] for event in told if event["task_id"] == workflow["steps"][1]["task_id"]} == {"b"}
    assert api.post(f"{path}/retry").json()["code"] == "WORKFLOW_ALREADY_FINISHED"


def test_the_time_until_a_retry_is_told_apart(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, [step("a"), step("b", "a")])
    path = f"/workflows/{workflow['workflow_id']}"
    end(settings, workflow, step_id="a")
    end(settings, workflow, step_id="b", how=EventType.FAILED)
    assert (get(api, path)["retry_pause_seconds"], get(api, "/workflows")["data"][0]["retry_pause_seconds"]) == (0, 0)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute(
            "update workflow_events set occurred_at = occurred_at - interval '1 hour' where event_type = 'failed'"
        )
        connection.execute("update tasks set completed_at = completed_at - interval '2 hours'")
    api.post(f"{path}/retry").raise_for_status()
    advance(settings)
    end(settings, get(api, path), step_id="b")
    told, graph = get(api, path), get(api, f"{path}/graph")
    assert told["retry_pause_seconds"] >= 3600
    assert get(api, "/workflows")["data"][0]["retry_pause_seconds"] == told["retry_pause_seconds"]
    assert graph["critical_path_retry_pause_seconds"] == pytest.approx(told["retry_pause_seconds"])


def test_a_step_keeps_its_latest_tries_and_no_more(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, [step("a")])
    first = workflow["steps"][0]["task_id"]
    tries = [f"try-{number}" for number in range(KEPT_TRIES)]
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("update workflow_steps set earlier_task_ids = %s", [tries])
    end(settings, workflow, step_id="a", how=EventType.FAILED)
    api.post(f"/workflows/{workflow['workflow_id']}/retry").raise_for_status()
    with psycopg.connect(settings.database_url or "") as connection:
        kept = connection.execute("select earlier_task_ids from workflow_steps").fetchone()
    assert kept == ([*tries[1:], first],)


def test_a_cancelled_workflow_can_be_retried(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, [step("a"), step("b", "a")])
    path = f"/workflows/{workflow['workflow_id']}"
    assert api.post(f"{path}/cancel").status_code == 200
    assert api.post(f"{path}/retry").json()["cancel_requested"] is False
    advance(settings)
    for step_id in ("a", "b"):
        end(settings, get(api, path), step_id=step_id)
    assert get(api, path)["status"] == "COMPLETED"


def test_a_replay_is_a_new_workflow_from_the_start(api: httpx.Client, settings: Settings) -> None:
    reference = {"$result": "a"}
    workflow = start(
        api, [step("a", priority=9), step("b", task_args=[reference])], name="again", on_failure="continue"
    )
    path = f"/workflows/{workflow['workflow_id']}"
    assert api.post(f"{path}/replay").json()["code"] == "WORKFLOW_NOT_FINISHED"
    assert api.post(f"{path}/cancel").status_code == 200
    answer = api.post(f"{path}/replay", headers={"Idempotency-Key": "r"})
    new = answer.json()
    assert (answer.status_code, new["original_workflow_id"]) == (201, workflow["workflow_id"])
    assert api.post(f"{path}/replay", headers={"Idempotency-Key": "r"}).json() == new
    found = get(api, f"/workflows/{new['workflow_id']}")
    assert (found["name"], found["on_failure"], statuses(found)) == (
        "again",
        "continue",
        {"a": "PENDING", "b": "WAITING"},
    )
    assert (found["steps"][0]["priority"], found["steps"][1]["depends_on"]) == (9, ["a"])
    assert {s["task_id"] for s in found["steps"]}.isdisjoint(s["task_id"] for s in workflow["steps"])


@pytest.mark.parametrize("path", ["", "/graph", "/timeline"])
@pytest.mark.parametrize("workflow_id", ["01985a2c-7d1e-7c3a-b2f0-5d2f7c1e9a44", "no-uuid"])
def test_an_unknown_workflow_is_not_found(api: httpx.Client, workflow_id: str, path: str) -> None:
    answer = api.get(f"/workflows/{workflow_id}{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "WORKFLOW_NOT_FOUND")


@pytest.mark.parametrize("verb", ["cancel", "retry", "replay"])
def test_nothing_can_be_done_with_an_unknown_workflow(api: httpx.Client, verb: str) -> None:
    answer = api.post(f"/workflows/{uuid4()}/{verb}")
    assert (answer.status_code, answer.json()["code"]) == (404, "WORKFLOW_NOT_FOUND")


def test_a_completed_workflow_cannot_be_cancelled(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, [step("a")])
    end(settings, workflow, step_id="a")
    answer = api.post(f"/workflows/{workflow['workflow_id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "WORKFLOW_ALREADY_FINISHED")


def test_results_that_are_large_together_are_left_out_of_the_whole(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, [step(str(n)) for n in range(40)])
    result = "x" * 60_000
    _store_results(settings, [found["task_id"] for found in workflow["steps"]], results=[result] * 40)
    steps = get(api, f"/workflows/{workflow['workflow_id']}")["steps"]
    few = SHOWN_RESULTS_BYTES // 60_002
    assert [found["result"] == result for found in steps] == [True] * few + [False] * (40 - few)
    assert [found["result_omitted"] for found in steps] == [False] * few + [True] * (40 - few)


def test_large_results_are_left_out_of_the_whole(api: httpx.Client, settings: Settings) -> None:
    workflow = start(api, [step("a"), step("b")])
    _store_results(settings, [found["task_id"] for found in workflow["steps"]], results=["x" * 70_000, {"n": 1}])
    large, small = get(api, f"/workflows/{workflow['workflow_id']}")["steps"]
    assert (large["result"], large["result_omitted"]) == (None, True)
    assert (small["result"], small["result_omitted"]) == ({"n": 1}, False)


def _store_results(settings: Settings, task_ids: Sequence[str], *, results: Sequence[Any]) -> None:
    async def store() -> None:
        engine = open_engine(settings.database_url or "", pool_size=1)
        stored = [
            StoredResult(task_id, "SUCCESS", result_json=json.dumps(result), retries=0)
            for task_id, result in zip(task_ids, results, strict=True)
        ]
        async with engine.begin() as connection:
            await record(connection, News(results=stored))
        await engine.dispose()

    asyncio.run(store())
