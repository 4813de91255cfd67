from dataclasses import replace
from typing import Any

import pytest

from domain.errors import ArgumentsNotRecorded, InvalidRequest
from domain.replays import Original, Replay, replay_of
from domain.submissions import MAX_ARGUMENT_BYTES, Submission
from tests.facts import NOON, after

ORIGINAL = Original(
    task_id="the-original",
    task_name="process_payment",
    args="[1234]",
    kwargs='{"currency": "USD"}',
    queue_name="payments",
    priority=8,
    max_retries=0,
    timeout_seconds=300,
)
UNTOLD = Original("foreign", "add", None, None, None, None, None, None)


def replayed(original: Original, **changes: Any) -> Submission:
    return replay_of(original, Replay(task_id="the-new", created_at=NOON, default_queue="celery", changes=changes))


def test_a_replay_is_as_the_original_and_runs_at_once() -> None:
    assert replayed(ORIGINAL) == Submission(
        task_id="the-new",
        task_name="process_payment",
        args="[1234]",
        kwargs='{"currency": "USD"}',
        queue_name="payments",
        priority=8,
        max_retries=0,
        timeout_seconds=300,
        scheduled_at=None,
        created_at=NOON,
        original_task_id="the-original",
    )


def test_what_is_changed_differs_and_nothing_else() -> None:
    changes: dict[str, Any] = {"args": "[1]", "priority": 1, "timeout_seconds": None, "scheduled_at": after(60)}
    assert replayed(ORIGINAL, **changes) == replace(replayed(ORIGINAL), **changes)


def test_what_others_did_not_tell_is_as_in_a_submission_that_leaves_it_out() -> None:
    replay = replayed(UNTOLD, args="[2, 3]", kwargs="{}")
    assert (replay.queue_name, replay.priority, replay.max_retries, replay.timeout_seconds) == ("celery", 5, 3, None)


@pytest.mark.parametrize("changes", [{}, {"args": "[]"}, {"kwargs": "{}"}])
def test_arguments_that_nobody_recorded_must_be_given_both(changes: dict[str, str]) -> None:
    with pytest.raises(ArgumentsNotRecorded):
        replayed(UNTOLD, **changes)


def test_a_task_without_a_name_cannot_be_replayed() -> None:
    with pytest.raises(ArgumentsNotRecorded):
        replayed(replace(ORIGINAL, task_name=None))


def test_arguments_are_bounded_as_in_a_submission() -> None:
    longest = "x" * (MAX_ARGUMENT_BYTES - len("[1234]"))
    assert replayed(ORIGINAL, kwargs=longest).kwargs == longest
    with pytest.raises(InvalidRequest) as refusal:
        replayed(ORIGINAL, kwargs=longest + "x")
    assert refusal.value.errors[0][0] == "task_args"


def test_a_queue_that_no_task_may_be_sent_to_is_not_used_again() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        replayed(replace(ORIGINAL, queue_name="unacked"))
    assert refusal.value.errors[0][0] == "queue_name"
    assert replayed(replace(ORIGINAL, queue_name="unacked"), queue_name="payments").queue_name == "payments"
