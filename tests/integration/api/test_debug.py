"""Replays and comparisons."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from domain.states import EventType
from settings import Settings
from tests.integration.api.ends import finish, tell
from tests.integration.api.serving import serving

PAYMENT = {
    "task_name": "process_payment",
    "task_args": [1234, 0.1, 12345678901234567890],
    "task_kwargs": {"currency": "USD", "ü": "\U0001f600"},
    "priority": 8,
    "queue_name": "payments",
    "max_retries": 1,
    "timeout_seconds": 300,
}
AS_SUBMITTED = tuple(PAYMENT)


def submitted(api: httpx.Client, **fields: Any) -> str:
    answer = api.post("/tasks", json=PAYMENT | fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["task_id"])


def finished(api: httpx.Client, settings: Settings, *, end: EventType = EventType.FAILED, **fields: Any) -> str:
    task_id = submitted(api, **fields)
    finish(settings.database_url or "", task_id, end=end)
    return task_id


def task(api: httpx.Client, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/tasks/{task_id}").json()
    return found


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("end", [EventType.FAILED, EventType.SUCCEEDED, EventType.REVOKED])
def test_a_replay_is_a_new_task_like_the_old_one(api: httpx.Client, settings: Settings, end: EventType) -> None:
    task_id = finished(api, settings, end=end, scheduled_at="2026-01-25T14:30:00Z")
    before = task(api, task_id)
    answer = api.post(f"/tasks/{task_id}/replay")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], body["original_task_id"]) == ("PENDING", task_id)
    new = task(api, body["task_id"])
    assert {name: new[name] for name in AS_SUBMITTED} == PAYMENT
    assert (new["original_task_id"], new["scheduled_at"], new["phase"]) == (task_id, None, "dispatching")
    assert task(api, task_id) == before


def test_the_originals_timeline_names_the_new_task_and_the_new_ones_begins_anew(
    api: httpx.Client, settings: Settings
) -> None:
    task_id = finished(api, settings)
    new_id = api.post(f"/tasks/{task_id}/replay").json()["task_id"]
    events = api.get(f"/tasks/{task_id}/timeline").json()["events"]
    assert [event["event_type"] for event in events] == ["submitted", "received", "started", "failed", "replayed"]
    assert events[-1]["details"] == {"new_task_id": new_id}
    anew = api.get(f"/tasks/{new_id}/timeline").json()["events"]
    assert [event["event_type"] for event in anew] == ["submitted"]


def test_a_replay_of_a_replay_names_the_one_that_was_replayed(api: httpx.Client, settings: Settings) -> None:
    first = finished(api, settings)
    second = api.post(f"/tasks/{first}/replay").json()["task_id"]
    finish(settings.database_url or "", second)
    third = api.post(f"/tasks/{second}/replay").json()
    assert third["original_task_id"] == second
    assert api.post(f"/tasks/{first}/replay").status_code == 201, "as often as one likes"


def test_replays_are_listed_as_such_and_told_of_those_that_were_replayed(api: httpx.Client, settings: Settings) -> None:
    once, twice, never = (finished(api, settings) for _ in range(3))
    made = [api.post(f"/tasks/{task_id}/replay").json() for task_id in (once, twice, twice)]
    listed = api.get("/tasks", params={"is_replay": True}).json()["data"]
    assert [row["task_id"] for row in listed] == [replay["task_id"] for replay in reversed(made)]
    told = api.get("/tasks/replays", params={"ids": [never, twice, "nobody", once]}).json()["data"]
    assert told == [
        {"task_id": twice, "replays": 2, "last_replayed_at": made[2]["created_at"]},
        {"task_id": once, "replays": 1, "last_replayed_at": made[0]["created_at"]},
    ]
    assert api.get("/tasks/replays").json() == {"data": []}


def test_a_replay_may_differ_in_what_its_body_says(api: httpx.Client, settings: Settings) -> None:
    task_id = finished(api, settings)
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    changes = {
        "task_args": [],
        "task_kwargs": {"currency": "EUR"},
        "priority": 1,
        "queue_name": "slow",
        "max_retries": 0,
        "timeout_seconds": None,
        "scheduled_at": due,
    }
    new = task(api, api.post(f"/tasks/{task_id}/replay", json=changes).json()["task_id"])
    assert {name: new[name] for name in changes} == changes
    assert (new["task_name"], new["phase"]) == ("process_payment", "scheduled")
    half = task(api, api.post(f"/tasks/{task_id}/replay", json={"priority": 2}).json()["task_id"])
    assert {name: half[name] for name in AS_SUBMITTED} == PAYMENT | {"priority": 2}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"priority": 11}, "priority"),
        ({"priority": None}, "priority"),
        ({"task_args": {}}, "task_args"),
        ({"task_kwargs": {"a": "\x00"}}, "task_kwargs"),
        ({"task_args": ["x" * 1_050_000]}, "task_args"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"scheduled_at": "2026-01-25T14:30:00"}, "scheduled_at"),
        ({"queue_name": "unacked"}, "queue_name"),
        ({"task_name": "other"}, "task_name"),
    ],
)
def test_an_invalid_change_is_refused_and_nothing_is_submitted(
    api: httpx.Client, settings: Settings, body: dict[str, Any], field: str
) -> None:
    task_id = finished(api, settings)
    answer = api.post(f"/tasks/{task_id}/replay", json=body)
    assert refusal(answer) == (400, "VALIDATION_ERROR")
    assert {error["field"] for error in answer.json()["errors"]} == {field}
    assert api.get("/tasks").json()["total"] == 1
    assert "replayed" not in api.get(f"/tasks/{task_id}/timeline").text


def test_a_task_that_has_not_finished_is_not_replayed(api: httpx.Client, settings: Settings) -> None:
    task_id = submitted(api)
    assert refusal(api.post(f"/tasks/{task_id}/replay")) == (409, "TASK_NOT_FINISHED")
    tell(settings.database_url or "", task_id, EventType.RECEIVED, EventType.STARTED)
    answer = api.post(f"/tasks/{task_id}/replay")
    assert refusal(answer) == (409, "TASK_NOT_FINISHED")
    assert "RUNNING" in answer.json()["detail"]
    assert api.get("/tasks").json()["total"] == 1


def test_arguments_that_only_celerys_text_tells_must_be_given(api: httpx.Client, settings: Settings) -> None:
    finish(settings.database_url or "", "foreign/1", end=EventType.FAILED)
    finish(settings.database_url or "", "foreign", end=EventType.FAILED)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("update tasks set task_name = 'add'")
        connection.execute("insert into task_arguments values ('foreign', null, null, '(1, 2)', '{}')")
    assert refusal(api.post("/tasks/foreign/replay")) == (409, "ARGUMENTS_NOT_RECORDED")
    assert refusal(api.post("/tasks/foreign/replay", json={"task_args": [1]})) == (409, "ARGUMENTS_NOT_RECORDED")
    given = api.post("/tasks/foreign/replay", json={"task_args": [1, 2], "task_kwargs": {}}).json()
    new = task(api, given["task_id"])
    assert (new["task_name"], new["task_args"], new["queue_name"], new["priority"]) == ("add", [1, 2], "celery", 5)


def test_what_is_not_there_is_neither_replayed_nor_compared(api: httpx.Client) -> None:
    task_id = submitted(api)
    for answer in (
        api.post("/tasks/nowhere/replay"),
        api.get(f"/tasks/{task_id}/compare/nowhere"),
        api.get(f"/tasks/nowhere/compare/{task_id}"),
    ):
        assert refusal(answer) == (404, "TASK_NOT_FOUND")


def test_a_name_that_no_worker_knows_any_more_is_not_replayed(api: httpx.Client, settings: Settings) -> None:
    task_id = finished(api, settings)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("insert into registered_tasks values ('celery@one', 'process_payments', now())")
        # Nor has one run a task of it lately.
        connection.execute("update tasks set created_at = created_at - interval '8 days'")
    with serving(settings.model_copy(update={"check_task_names": True})) as url:
        answer = httpx.post(f"{url}/api/v1/tasks/{task_id}/replay")
    assert refusal(answer) == (400, "UNKNOWN_TASK_NAME")
    assert "process_payments" in answer.json()["detail"]
    assert api.get("/tasks").json()["total"] == 1
    assert "replayed" not in api.get(f"/tasks/{task_id}/timeline").text


def compared(api: httpx.Client, one: str, *, other: str) -> dict[str, Any]:
    answer = api.get(f"/tasks/{one}/compare/{other}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_two_runs_are_compared_in_all_that_is_known(api: httpx.Client, settings: Settings) -> None:
    one, other = submitted(api), submitted(api, task_args=[1235], priority=8, queue_name="other")
    finish(settings.database_url or "", one, end=EventType.SUCCEEDED, seconds=30)
    finish(settings.database_url or "", other, end=EventType.FAILED, seconds=45)
    found = compared(api, one, other=other)
    alike = {name: value for name, value in found.items() if name.startswith("same_")}
    assert alike == {
        "same_function": True,
        "same_args": False,
        "same_kwargs": True,
        "same_priority": True,
        "same_queue": False,
        "same_status": False,
        "same_worker": True,
    }
    timing = found["timing"]
    assert (timing["task1_duration"], timing["task2_duration"], timing["difference_seconds"]) == (30, 45, 15)
    for number, task_id in ((1, one), (2, other)):
        told = task(api, task_id)
        started, created = (datetime.fromisoformat(told[name]) for name in ("started_at", "created_at"))
        assert timing[f"task{number}_wait"] == pytest.approx((started - created).total_seconds(), abs=1e-6)
    assert compared(api, other, other=one)["timing"]["difference_seconds"] == -15
    assert found["arguments"] == [
        {"op": "replace", "path": "/task_args/0", "value": 1235, "old_value": 1234},
        {"op": "remove", "path": "/task_args/2", "value": None, "old_value": 12345678901234567890},
        {"op": "remove", "path": "/task_args/1", "value": None, "old_value": 0.1},
    ]
    assert found["arguments_truncated"] is False
    assert found["events"] == {
        "task1": api.get(f"/tasks/{one}/timeline").json()["events"],
        "task2": api.get(f"/tasks/{other}/timeline").json()["events"],
    }


def test_what_has_not_happened_is_null(api: httpx.Client, settings: Settings) -> None:
    waiting, running = submitted(api), submitted(api)
    tell(settings.database_url or "", running, EventType.RECEIVED, EventType.STARTED)
    found = compared(api, waiting, other=running)
    timing = found["timing"]
    assert (timing.pop("task2_wait") > 0, set(timing.values())) == (True, {None})
    assert (found["same_worker"], found["same_status"], found["same_args"]) == (None, False, True)
    assert found["arguments"] == []


def test_what_is_not_known_of_anothers_task_is_null(api: httpx.Client, settings: Settings) -> None:
    finish(settings.database_url or "", "foreign")
    found = compared(api, "foreign", other=submitted(api))
    unknown = [name for name, value in found.items() if name.startswith("same_") and value is None]
    assert unknown == ["same_function", "same_args", "same_kwargs", "same_priority", "same_queue", "same_worker"]
    assert found["arguments"] is None


def test_a_task_is_like_itself(api: httpx.Client, settings: Settings) -> None:
    task_id = finished(api, settings)
    found = compared(api, task_id, other=task_id)
    assert all(value for name, value in found.items() if name.startswith("same_"))
    assert found["timing"]["difference_seconds"] == 0


def test_differences_are_bounded(api: httpx.Client) -> None:
    one, other = submitted(api, task_args=list(range(3_000))), submitted(api, task_args=list(range(1, 3_001)))
    found = compared(api, one, other=other)
    assert (len(found["arguments"]), found["arguments_truncated"], found["same_args"]) == (1_000, True, False)


def test_an_end_of_which_nobody_told_is_neither_a_failure_nor_a_cancel(api: httpx.Client, settings: Settings) -> None:
    task_id = submitted(api)
    tell(settings.database_url or "", task_id, EventType.RECEIVED, EventType.STARTED, EventType.ENDED)
    found = task(api, task_id)
    assert (found["status"], found["outcome"], found["error"]) == ("CANCELLED", "unknown", None)
    assert "nobody told how it went" in found["message"]
    [row] = api.get("/tasks", params={"task_id": task_id}).json()["data"]
    assert row["outcome"] == "unknown"
    assert api.get("/dashboard/stats").json()["tasks_failed"] == 0
    assert refusal(api.post(f"/tasks/{task_id}/cancel")) == (409, "TASK_ALREADY_FINISHED")
    assert api.post(f"/tasks/{task_id}/replay").status_code == 201
