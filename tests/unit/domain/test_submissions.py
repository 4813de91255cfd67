from datetime import datetime, timedelta

import pytest

from domain.errors import InvalidRequest
from domain.states import Phase, Status
from domain.submissions import MAX_ARGUMENT_BYTES, check_size, wait_until_start
from tests.facts import NOON, after
from tests.submissions import make_submission


@pytest.mark.parametrize(
    ("scheduled_at", "is_scheduled", "due_at"),
    [(None, False, NOON), (after(-60), False, NOON), (NOON, False, NOON), (after(60), True, after(60))],
)
def test_a_task_waits_only_for_a_time_still_to_come(
    scheduled_at: datetime | None, is_scheduled: bool, due_at: datetime
) -> None:
    submission = make_submission(created_at=NOON, scheduled_at=scheduled_at)
    assert (submission.is_scheduled, submission.due_at) == (is_scheduled, due_at)


def test_what_was_just_submitted_is_pending_even_when_it_must_wait() -> None:
    assert {make_submission(scheduled_at=at).status for at in (None, after(60))} == {Status.PENDING}


def test_arguments_count_together() -> None:
    half = "x" * (MAX_ARGUMENT_BYTES // 2)
    check_size(half, half)
    with pytest.raises(InvalidRequest) as refusal:
        check_size(half, half + "x")
    assert [field for field, _ in refusal.value.errors] == ["task_args"]


@pytest.mark.parametrize(
    ("scheduled_at", "started_at", "seconds"),
    [
        (None, after(3), 3),
        (after(10), after(12), 2),
        (NOON - timedelta(days=1), after(3), 3),
        pytest.param(None, after(-1), 0, id="the worker's clock is behind ours"),
    ],
)
def test_a_wait_begins_when_the_task_was_due_and_is_never_negative(
    scheduled_at: datetime | None, started_at: datetime, seconds: int
) -> None:
    waited = wait_until_start(started_at, created_at=NOON, scheduled_at=scheduled_at)
    assert waited == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("scheduled_at", "phase"),
    [(None, Phase.DISPATCHING), (after(-60), Phase.DISPATCHING), (after(60), Phase.SCHEDULED)],
)
def test_a_task_goes_out_at_once_or_waits_for_its_time(scheduled_at: datetime | None, phase: Phase) -> None:
    assert make_submission(created_at=NOON, scheduled_at=scheduled_at).phase is phase


def test_both_kinds_of_arguments_make_its_size() -> None:
    assert make_submission(args="[1, 2]", kwargs='{"a": 3}').argument_bytes == 14
