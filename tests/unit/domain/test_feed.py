import json
from datetime import UTC, datetime

import pytest

from domain.feed import (
    MAX_ERROR,
    MAX_NUMBER,
    MAX_PLACE,
    ChangeType,
    Place,
    Told,
    Wanted,
    flaw_of_own_type,
    flaw_of_type,
    is_seen,
    read_cursor,
    task_data,
    told_data,
    type_of_task_change,
    write_cursor,
)
from domain.sight import EVERYTHING, Limits, Sight
from domain.states import Phase, Status

EPOCH = "0123456789ab"


def told(kind: str = "task.failed", *, queue: str | None = "etl", name: str | None = "shop.charge") -> Told:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Told(Place(7, 1), at, kind, "one", name, queue, status="FAILED", previous="RUNNING", data={})


@pytest.mark.parametrize(
    ("status", "phase", "expected"),
    [
        (Status.RUNNING, Phase.RUNNING, ChangeType.TASK_STARTED),
        (Status.COMPLETED, Phase.FINISHED, ChangeType.TASK_COMPLETED),
        (Status.FAILED, Phase.FINISHED, ChangeType.TASK_FAILED),
        (Status.CANCELLED, Phase.FINISHED, ChangeType.TASK_CANCELLED),
        (Status.PENDING, Phase.RETRYING, ChangeType.TASK_RETRYING),
        (Status.PENDING, Phase.QUEUED, ChangeType.TASK_REQUEUED),
    ],
)
def test_every_status_has_a_type(status: Status, phase: Phase, expected: ChangeType) -> None:
    assert type_of_task_change(status, phase) is expected


def test_a_cursor_is_read_as_it_was_written() -> None:
    place = Place(MAX_NUMBER, MAX_NUMBER)
    text = write_cursor(EPOCH, place)
    assert read_cursor(text) == (EPOCH, place)
    assert len(text) <= MAX_PLACE


@pytest.mark.parametrize(
    "text",
    [
        "",
        *(f"{EPOCH}{rest}" for rest in ("", ".1", ".1.2.3", ".-1.2", ".1.\u0663", ".1.2\n")),
        f"x{EPOCH}.1.2",
        f"{EPOCH}.{MAX_NUMBER + 1}.1",
        f"{EPOCH}.1.{MAX_NUMBER + 1}",
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no cursor of the feed"):
        read_cursor(text)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Wanted(), True),
        (Wanted(("task.failed",)), True),
        (Wanted(("task.*",)), True),
        (Wanted(("*",)), True),
        (Wanted(("alert.*", "task.completed")), False),
        (Wanted(task_name="shop.charge", queue_name="etl", status="FAILED"), True),
        (Wanted(task_name="shop"), False),
        (Wanted(queue_name="celery"), False),
        (Wanted(status="COMPLETED"), False),
    ],
)
def test_all_that_is_wanted_must_hold(wanted: Wanted, *, matches: bool) -> None:
    assert wanted.matches(told()) is matches


@pytest.mark.parametrize(
    ("sight", "change", "seen"),
    [
        (EVERYTHING, told("alert.raised", queue=None, name=None), True),
        (Sight(Limits(queues=("etl",))), told(), True),
        (Sight(Limits(queues=("etl",), task_names=("shop.*",))), told(), True),
        (Sight(Limits(queues=("etl",))), told(queue="celery"), False),
        (Sight(Limits(queues=("etl",))), told(queue=None), False),
        (Sight(Limits(queues=("etl",))), told("alert.raised"), False),
        (Sight(submitted_by="api_key:one"), told(), False),
    ],
)
def test_who_is_limited_sees_tasks_within_his_limits(sight: Sight, change: Told, *, seen: bool) -> None:
    assert is_seen(change, sight) is seen


@pytest.mark.parametrize("pattern", ["*", "task.*", "task.failed", "wor*"])
def test_a_type_or_the_beginning_of_some_may_be_wanted(pattern: str) -> None:
    assert flaw_of_type(pattern) is None


@pytest.mark.parametrize("pattern", ["", "task", "task.failedx", "task.x*", "shop", "*.failed"])
def test_what_is_never_told_may_not_be_wanted(pattern: str) -> None:
    assert "task.failed" in str(flaw_of_type(pattern))


def test_what_is_said_of_a_task_is_bounded() -> None:
    whole = task_data(attempt=2**31, error="\x01" * 9_999, duration_seconds=1 / 3, status=Status.FAILED)
    assert len(whole["exception"]) == MAX_ERROR
    assert len(json.dumps(whole)) <= 4_096


def test_a_task_that_goes_on_has_no_duration() -> None:
    assert task_data(attempt=1, error=None, duration_seconds=1.0, status=Status.PENDING) == {"attempt": 1}


@pytest.mark.parametrize("pattern", ["shop.order.paid", "shop.*", "shop.order.*", "shop.order*", "*"])
def test_events_of_ones_own_may_be_wanted(pattern: str) -> None:
    assert flaw_of_type(pattern) is None


@pytest.mark.parametrize("name", ["shop.paid", "a.b.c", "Shop_1.order-paid"])
def test_an_event_of_ones_own_has_any_dotted_name(name: str) -> None:
    assert flaw_of_own_type(name) is None


@pytest.mark.parametrize(
    "name", ["shop", "shop.", ".paid", "shop..paid", "shop.b\u00e4", "shop.paid\n", "a." + "b" * 99]
)
def test_what_is_no_dotted_name_is_refused(name: str) -> None:
    assert "words with dots" in str(flaw_of_own_type(name))


@pytest.mark.parametrize("name", ["task.failed", "webhook.test", "schedule.fired", "celeriac.x"])
def test_no_event_of_ones_own_begins_as_ours(name: str) -> None:
    assert "begins as one of ours" in str(flaw_of_own_type(name))


def test_the_id_of_what_changed_is_told_under_the_name_of_its_kind() -> None:
    assert told_data(told())["task_id"] == "one"
    assert told_data(told("shop.order.paid")) == {
        "task_name": "shop.charge",
        "queue_name": "etl",
        "status": "FAILED",
        "previous": "RUNNING",
    }
