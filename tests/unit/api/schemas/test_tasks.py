"""Tasks as clients see them: what is derived, what is cut, and why a result is not shown."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from api.schemas.tasks import (
    NO_RESULT,
    DispatchRefusal,
    SubmittedTask,
    TaskDetail,
    TaskRow,
    TimelineEvent,
)
from domain.json_values import MAX_ANSWER_DEPTH
from domain.states import EventType
from domain.timeline import TimelineEntry
from store.queries.tasks.documents import SHOWN_ERROR
from tests.facts import NOON
from tests.unit.services.tasks import whole_task

SOON = datetime.now(UTC) + timedelta(days=1)


def detail(**said: Any) -> TaskDetail:
    return TaskDetail.from_whole(whole_task(**said))


def entry(**said: Any) -> TimelineEntry:
    plain: dict[str, Any] = {
        "at": NOON,
        "type": EventType.FAILED,
        "node": None,
        "attempt": None,
        "details": {},
    }
    return TimelineEntry(**(plain | said))


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("phase", "scheduled_at", "shown"),
    [
        ("scheduled", SOON, "scheduled"),
        ("scheduled", NOON, "dispatching"),
        ("scheduled", None, "dispatching"),
        ("running", NOON, "running"),
        ("queued", SOON, "queued"),
    ],
)
def test_a_task_whose_time_has_come_is_not_shown_as_scheduled(
    phase: str, scheduled_at: datetime | None, shown: str
) -> None:
    row = TaskRow.from_task(whole_task(status="PENDING", phase=phase, scheduled_at=scheduled_at))
    assert row.phase == shown


def test_a_worker_is_shown_by_its_host_and_a_cancel_by_whether_it_was_asked_for() -> None:
    row = TaskRow.from_task(whole_task(node="celery@compute-1", cancel_requested_at=NOON))
    assert (row.worker_hostname, row.cancel_requested) == ("compute-1", True)
    row = TaskRow.from_task(whole_task())
    assert (row.worker_hostname, row.cancel_requested) == (None, False)


def test_times_are_written_in_utc_with_a_z() -> None:
    assert json.loads(TaskRow.from_task(whole_task()).model_dump_json())["created_at"] == "2026-01-25T14:00:00Z"


@pytest.mark.parametrize("result", [0, False, "", [], {}, None])
def test_a_result_that_is_empty_or_null_is_a_result(result: Any) -> None:
    shown = detail(result=result, result_repr="None")
    assert (shown.result, shown.result_repr, shown.message) == (result, None, None)


@pytest.mark.parametrize(("depth", "is_cut"), [(MAX_ANSWER_DEPTH, False), (MAX_ANSWER_DEPTH + 1, True)])
def test_a_result_that_is_nested_too_deeply_is_not_shown(depth: int, is_cut: bool) -> None:
    shown = detail(result=nested(depth))
    assert shown.result_truncated is is_cut
    assert (shown.result is None) is is_cut


def test_a_result_that_was_too_large_is_told_as_cut_and_its_text_is_shown() -> None:
    shown = detail(result=None, has_result=False, result_truncated=True, result_repr="[1, 2, ...")
    assert (shown.result_truncated, shown.result_repr, shown.message) == (True, "[1, 2, ...", None)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, NO_RESULT),
        ({"unreadable": "is pickled"}, "The result is pickled."),
        ({"result_pending": True}, None),
        ({"status": "FAILED"}, None),
        ({"status": "RUNNING"}, None),
    ],
)
def test_why_no_result_is_shown_is_said_of_tasks_that_should_have_one(
    said: dict[str, Any], message: str | None
) -> None:
    assert detail(result=None, has_result=False, **said).message == message


def test_a_backend_that_tells_no_results_says_why_behind_what_else_is_amiss() -> None:
    task = whole_task(result=None, has_result=False)
    shown = TaskDetail.from_whole(task, message="No time limit holds.", no_result="No result backend is configured.")
    assert shown.message == "No time limit holds. No result backend is configured."


@pytest.mark.parametrize(("count", "is_cut"), [(1, False), (2, True)])
def test_attempts_that_are_not_shown_are_told_of(count: int, is_cut: bool) -> None:
    assert detail(attempt_count=count, attempts=[attempt()]).attempts_truncated is is_cut


def attempt(**said: Any) -> dict[str, Any]:
    plain = {
        "number": 1,
        "retries": 0,
        "delivery": 1,
        "state": "FAILED",
        "node": "celery@compute-1",
        "worker_id": None,
        "received_at": None,
        "started_at": "2026-01-25T14:00:00+00:00",
        "finished_at": None,
        "runtime_seconds": None,
        "exception": "ValueError",
        "traceback": "of the attempt",
    }
    return plain | said


def test_the_traceback_is_the_tasks_or_that_of_its_last_attempt() -> None:
    attempts = [attempt(traceback="first"), attempt(number=2, traceback="last")]
    assert detail(traceback="told", attempts=attempts, attempt_count=2).traceback == "told"
    assert detail(attempts=attempts, attempt_count=2).traceback == "last"
    assert detail().traceback is None


def test_each_attempt_names_the_host_it_ran_on() -> None:
    shown = detail(attempts=[attempt(), attempt(node=None)], attempt_count=2)
    assert [each.worker_hostname for each in shown.attempts] == ["compute-1", None]


@pytest.mark.parametrize("refusals", [None, 0])
def test_a_task_that_the_broker_takes_has_no_refusal(refusals: int | None) -> None:
    assert DispatchRefusal.from_task(whole_task(refusals=refusals, refusal="of old")) is None


def test_a_refusal_says_how_often_and_why() -> None:
    refused = DispatchRefusal.from_task(whole_task(refusals=3, refusal=None, next_try_at=NOON, parked_at=NOON))
    assert refused is not None
    assert (refused.refusals, refused.reason, refused.parked_at, refused.next_try_at) == (3, "", NOON, NOON)


def test_an_accepted_task_has_its_message_and_says_nothing_of_its_arguments() -> None:
    task = whole_task(status="PENDING", args=["s3cret"])
    shown = SubmittedTask.model_validate(task).model_copy(update={"message": "m"}).model_dump_json()
    assert "s3cret" not in shown


def test_an_event_of_a_worker_names_it_and_the_attempt() -> None:
    worker_id = uuid4()
    shown = TimelineEvent.from_entry(entry(node="celery@compute-1", attempt=2), {"celery@compute-1": worker_id})
    assert shown.details == {"worker_id": str(worker_id), "worker_hostname": "compute-1", "attempt": 2}


def test_a_worker_that_is_forgotten_has_a_host_and_no_id() -> None:
    shown = TimelineEvent.from_entry(entry(node="celery@gone"), {})
    assert shown.details == {"worker_id": None, "worker_hostname": "gone"}


def test_what_its_own_fields_show_or_only_we_need_is_left_out_of_the_details() -> None:
    details = {"exception": "ValueError", "traceback": "T", "scheduled": True, "broker": "life-1", "runtime": 0.5}
    assert TimelineEvent.from_entry(entry(details=details), {}).details == {"exception": "ValueError", "runtime": 0.5}


@pytest.mark.parametrize(("length", "is_cut"), [(SHOWN_ERROR, False), (SHOWN_ERROR + 1, True)])
def test_a_long_text_of_an_event_is_cut_as_lists_cut_it(length: int, is_cut: bool) -> None:
    shown = TimelineEvent.from_entry(entry(details={"exception": "x" * length}), {}).details["exception"]
    assert isinstance(shown, str)
    assert len(shown) == SHOWN_ERROR
    assert shown.endswith("…") is is_cut
