import pytest

from domain.workflows.steps import EndedStep, OnFailure, StepStatus, outcome, resume, settle, stops

COMPLETED, FAILED, CANCELLED, SKIPPED = (
    StepStatus.COMPLETED,
    StepStatus.FAILED,
    StepStatus.CANCELLED,
    StepStatus.SKIPPED,
)


def test_a_step_with_two_parents_waits_for_both() -> None:
    one = settle([EndedStep(0, COMPLETED, [2])], {2: 2})
    assert (one.waiting_for, one.skipped) == ({2: 1}, frozenset())
    both = settle([EndedStep(0, COMPLETED, [2]), EndedStep(1, COMPLETED, [2])], {2: 2})
    assert both.waiting_for == {2: 0}


@pytest.mark.parametrize("end", [FAILED, CANCELLED, SKIPPED])
def test_what_needs_a_step_that_did_not_complete_is_skipped(end: StepStatus) -> None:
    moves = settle([EndedStep(0, COMPLETED, [2, 3]), EndedStep(1, end, [3])], {2: 1, 3: 2})
    assert (moves.waiting_for, moves.skipped) == ({2: 0}, frozenset({3}))


def test_steps_that_do_not_wait_any_more_are_left_alone() -> None:
    moves = settle([EndedStep(0, COMPLETED, [1]), EndedStep(2, FAILED, [1])], {})
    assert (moves.waiting_for, moves.skipped) == ({}, frozenset())


def test_only_stop_stops_and_only_for_what_did_not_complete() -> None:
    completed, failed = EndedStep(0, COMPLETED, []), EndedStep(1, FAILED, [])
    assert stops([completed, failed], OnFailure.STOP)
    assert not stops([completed], OnFailure.STOP)
    assert not stops([completed, failed], OnFailure.CONTINUE)


@pytest.mark.parametrize(
    ("statuses", "cancel_requested", "expected"),
    [
        ([COMPLETED], False, "COMPLETED"),
        ([COMPLETED], True, "COMPLETED"),
        ([COMPLETED, FAILED], False, "FAILED"),
        ([COMPLETED, CANCELLED], False, "FAILED"),
        ([COMPLETED, SKIPPED], True, "CANCELLED"),
        ([FAILED, SKIPPED], True, "CANCELLED"),
    ],
)
def test_the_outcome_follows_from_the_ends(statuses: list[StepStatus], cancel_requested: bool, expected: str) -> None:
    assert outcome(statuses, cancel_requested=cancel_requested).value == expected


def test_a_retry_begins_again_with_all_that_has_not_completed() -> None:
    parents = [(), (0,), (0, 1), (2,)]
    again = resume([COMPLETED, FAILED, SKIPPED, SKIPPED], parents)
    assert again.waiting_for == {1: 0, 2: 1, 3: 1}
    assert again.renewed == {1}, "what was skipped had no task"


def test_a_retry_gives_a_cancelled_step_another_task_and_leaves_completed_ones_alone() -> None:
    again = resume([CANCELLED, COMPLETED, COMPLETED], [(), (), (0, 1)])
    assert (again.waiting_for, again.renewed) == ({0: 0}, frozenset({0}))
