from dataclasses import replace

import pytest

from domain.facts import PUBLISHER, Detail, Fact
from domain.merge import fold
from domain.states import AttemptState, EventType, Phase, Status
from tests.facts import NODE, TASK_ID, after, from_backend, ours, told

SUBMITTED, DISPATCHED, CANCEL_REQUESTED = EventType.SUBMITTED, EventType.DISPATCHED, EventType.CANCEL_REQUESTED
RECEIVED, STARTED, RETRIED, REVOKED = EventType.RECEIVED, EventType.STARTED, EventType.RETRIED, EventType.REVOKED
SUCCEEDED, FAILED, REJECTED, LOST = EventType.SUCCEEDED, EventType.FAILED, EventType.REJECTED, EventType.LOST

SENT = ours(SUBMITTED, source=PUBLISHER)
HERE = ours(SUBMITTED, scheduled=False)
LATER = ours(SUBMITTED, scheduled=True)
FIRST_DISPATCH = ours(DISPATCHED, at=1, dispatch_no=1)
FIRST_LOSS = ours(LOST, at=2, dispatch_no=1)
SECOND_DISPATCH = ours(DISPATCHED, at=3, dispatch_no=2)


@pytest.mark.parametrize(
    ("facts", "phase"),
    [
        ([], Phase.QUEUED),
        ([SENT], Phase.QUEUED),
        ([HERE], Phase.DISPATCHING),
        ([LATER], Phase.SCHEDULED),
        ([HERE, FIRST_DISPATCH], Phase.QUEUED),
        ([LATER, FIRST_DISPATCH], Phase.QUEUED),
        ([HERE, FIRST_DISPATCH, FIRST_LOSS], Phase.DISPATCHING),
        ([LATER, FIRST_DISPATCH, FIRST_LOSS], Phase.DISPATCHING),
        ([HERE, FIRST_DISPATCH, FIRST_LOSS, SECOND_DISPATCH], Phase.QUEUED),
        ([HERE, told(RECEIVED, 1)], Phase.RESERVED),
        ([HERE, told(RECEIVED, 1), told(REJECTED, 2)], Phase.QUEUED),
        ([HERE, told(RECEIVED, 1), told(RETRIED, 2)], Phase.RETRYING),
        ([HERE, told(RECEIVED, 1), told(RETRIED, 2), told(RECEIVED, 3, retries=1)], Phase.RESERVED),
    ],
)
def test_a_pending_task_stands_where_its_latest_facts_put_it(facts: list[Fact], phase: Phase) -> None:
    state = fold(facts)
    assert (state.status, state.phase, state.completed_at) == (Status.PENDING, phase, None)


def test_a_started_task_is_running_where_it_was_started() -> None:
    state = fold([HERE, told(RECEIVED, 1), told(STARTED, 2)])
    assert (state.status, state.phase, state.node) == (Status.RUNNING, Phase.RUNNING, "celery@one")
    assert (state.started_at, state.first_started_at) == (after(2), after(2))


@pytest.mark.parametrize(
    ("end", "status"), [(SUCCEEDED, Status.COMPLETED), (FAILED, Status.FAILED), (REVOKED, Status.CANCELLED)]
)
def test_an_end_finishes_the_task(end: EventType, status: Status) -> None:
    state = fold([told(RECEIVED, 1), told(STARTED, 2), told(end, 5, runtime=2.5)])
    assert (state.status, state.phase, state.completed_at) == (status, Phase.FINISHED, after(5))
    assert state.duration_seconds == 3
    assert state.attempts[0].runtime_seconds == 2.5


def test_of_two_deliveries_of_one_attempt_the_one_that_came_furthest_tells_the_phase() -> None:
    state = fold([told(RECEIVED, 1), told(STARTED, 2), told(RECEIVED, 3, pid=2)])
    assert state.phase is Phase.RUNNING


def test_a_retry_asked_for_after_a_redelivery_stands_even_where_the_first_nodes_clock_is_ahead() -> None:
    given_back = [told(RECEIVED, 1, at=3600), told(REJECTED, 2, at=3601)]
    again = [
        told(RECEIVED, 1, node="celery@two"),
        told(STARTED, 2, node="celery@two"),
        told(RETRIED, 3, node="celery@two"),
    ]
    assert fold([*given_back, *again]).phase is Phase.RETRYING


@pytest.mark.parametrize("end", [FAILED, REVOKED, RETRIED, REJECTED])
def test_a_success_wins_over_any_other_end(end: EventType) -> None:
    state = fold([HERE, told(STARTED, 1), told(SUCCEEDED, 2), told(STARTED, 5, pid=2), told(end, 6, pid=2)])
    assert (state.status, state.completed_at, state.started_at) == (Status.COMPLETED, after(2), after(1))


def test_the_first_of_two_successes_decides() -> None:
    facts = [told(STARTED, 1), told(SUCCEEDED, 2), told(STARTED, 1, at=3, pid=2), told(SUCCEEDED, 2, at=4, pid=2)]
    state = fold([HERE, *facts])
    assert (state.completed_at, len(state.attempts)) == (after(2), 2)


def test_a_success_after_a_cancel_request_is_a_success() -> None:
    state = fold([HERE, ours(CANCEL_REQUESTED, at=2), told(STARTED, 1), told(SUCCEEDED, 3)])
    assert (state.status, state.cancel_requested_at) == (Status.COMPLETED, after(2))


def test_an_end_yields_to_the_end_of_a_later_attempt() -> None:
    facts = [told(STARTED, 1), told(RETRIED, 2), told(RECEIVED, 3, retries=1), told(STARTED, 4), told(REVOKED, 5)]
    state = fold([*facts, from_backend(FAILED, at=2, retries=0)])
    assert (state.status, state.retry_count) == (Status.CANCELLED, 1)


def test_an_end_does_not_yield_to_a_later_attempt_that_still_runs() -> None:
    state = fold([HERE, told(RECEIVED, 1), told(FAILED, 2), told(RECEIVED, 3), told(STARTED, 4)])
    assert (state.status, state.phase) == (Status.FAILED, Phase.FINISHED)


def test_a_late_retried_does_not_undo_a_success_of_the_same_run() -> None:
    state = fold([told(RECEIVED, 1), told(STARTED, 2), told(SUCCEEDED, 3), told(RETRIED, 4)])
    assert (state.status, len(state.attempts)) == (Status.COMPLETED, 1)


def test_a_revoke_and_a_failure_of_one_run_make_a_failure() -> None:
    state = fold([told(STARTED, 1), told(REVOKED, 2), told(FAILED, 3)])
    assert (state.status, state.attempts[0].state) == (Status.FAILED, AttemptState.FAILED)


def test_a_task_withdrawn_before_any_worker_had_it_is_cancelled() -> None:
    state = fold([LATER, ours(CANCEL_REQUESTED, at=2), ours(REVOKED, at=2)])
    assert (state.status, state.phase, state.completed_at) == (Status.CANCELLED, Phase.FINISHED, after(2))
    assert (state.attempts, state.node, state.duration_seconds) == ((), None, None)


def test_a_withdrawn_task_that_ran_all_the_same_shows_it() -> None:
    state = fold([HERE, ours(REVOKED, at=2), told(STARTED, 3), told(SUCCEEDED, 4)])
    assert state.status is Status.COMPLETED


def test_an_attempt_followed_by_the_next_was_retried_even_if_nobody_told() -> None:
    state = fold([told(RECEIVED, 1), told(STARTED, 2), told(RECEIVED, 9, pid=2, retries=1)])
    assert [attempt.state for attempt in state.attempts] == [AttemptState.RETRIED, AttemptState.RECEIVED]
    assert state.attempts[0].finished_at is None
    assert state.phase is Phase.RESERVED


def test_attempts_are_numbered_over_the_task_and_their_deliveries_within_each() -> None:
    facts = [
        told(RECEIVED, 1),
        told(RECEIVED, 2, pid=2),
        told(RECEIVED, 3, pid=3, retries=1),
        told(RECEIVED, 4, pid=4, retries=1),
    ]
    numbers = [(attempt.number, attempt.retries, attempt.delivery, attempt.pid) for attempt in fold(facts).attempts]
    assert numbers == [(1, 0, 1, 1), (2, 0, 2, 2), (3, 1, 1, 3), (4, 1, 2, 4)]


def test_an_attempt_tells_its_times_and_its_error() -> None:
    facts = [told(RECEIVED, 1), told(STARTED, 2), told(FAILED, 4, exception="ValueError('x')", traceback="Trace")]
    state = fold(facts)
    attempt = state.attempts[0]
    assert (attempt.received_at, attempt.started_at, attempt.finished_at) == (after(1), after(2), after(4))
    assert (attempt.exception, attempt.traceback) == ("ValueError('x')", "Trace")
    assert (state.exception, state.traceback) == ("ValueError('x')", "Trace")


def test_the_backend_knows_the_exception_better_than_the_events_repr() -> None:
    event = told(FAILED, 4, exception="ExceptionWithTraceback()")
    known = from_backend(FAILED, at=4, node="celery@one", exception="TimeLimitExceeded: 5")
    state = fold([told(RECEIVED, 1), event, known])
    assert (state.exception, state.reconstructed) == ("TimeLimitExceeded: 5", False)


def test_only_the_deciding_kind_of_fact_tells_the_exception() -> None:
    assert fold([told(STARTED, 1), told(RETRIED, 2, exception="once"), told(SUCCEEDED, 3, pid=1)]).exception is None


def test_an_end_known_only_from_the_backend_is_reconstructed() -> None:
    state = fold([told(RECEIVED, 1, node="celery@a"), from_backend(SUCCEEDED, at=5)])
    assert (state.status, state.reconstructed, state.completed_at) == (Status.COMPLETED, True, after(5))
    assert (state.node, state.duration_seconds) == ("celery@a", None)


def test_a_task_known_only_from_the_backend_ran_on_the_worker_that_it_names() -> None:
    state = fold([from_backend(FAILED, at=5, node=None), from_backend(FAILED, at=5, retries=1, node="celery@b")])
    assert (state.status, state.node, state.retry_count) == (Status.FAILED, "celery@b", 1)


def test_a_duration_is_never_negative() -> None:
    assert fold([told(STARTED, 1, at=50), told(SUCCEEDED, 2, at=40)]).duration_seconds == 0


def test_a_runtime_that_is_not_a_number_is_none() -> None:
    assert fold([told(SUCCEEDED, 2, runtime="fast")]).attempts[0].runtime_seconds is None


def test_started_at_is_that_of_the_deciding_run_and_first_started_at_the_earliest() -> None:
    facts = [told(STARTED, 1), told(RETRIED, 2), told(RECEIVED, 3, retries=1), told(STARTED, 5), told(SUCCEEDED, 6)]
    state = fold(facts)
    assert (state.started_at, state.first_started_at, state.duration_seconds) == (after(5), after(1), 1)


def test_while_nothing_is_decided_started_at_is_that_of_the_latest_run() -> None:
    facts = [told(STARTED, 1), told(RETRIED, 2), told(RECEIVED, 3, retries=1)]
    assert fold(facts).started_at == after(1)


def test_dispatched_at_is_the_first_dispatch() -> None:
    assert fold([HERE, FIRST_DISPATCH, FIRST_LOSS, SECOND_DISPATCH]).dispatched_at == after(1)


def test_of_one_fact_told_twice_the_earliest_telling_counts() -> None:
    fact = from_backend(SUCCEEDED, at=5)
    later = replace(fact, at=after(9))
    assert fold([fact, later]) == fold([later, fact]) == fold([fact])


def lost(*, retries: int = 0, **details: Detail) -> Fact:
    return Fact(TASK_ID, LOST, after(30), "lost:1", NODE, 1, retries=retries, details=details)


def test_an_attempt_that_died_with_its_worker_is_lost_and_its_task_waits_again() -> None:
    state = fold([told(RECEIVED, 1), told(STARTED, 2), lost()])
    assert (state.status, state.phase, state.attempts[0].state) == (Status.PENDING, Phase.QUEUED, AttemptState.LOST)


def test_where_the_message_is_gone_too_the_task_has_failed_and_the_attempt_is_lost() -> None:
    state = fold([told(RECEIVED, 1), told(STARTED, 2), lost(final=True, exception="WorkerLost: gone")])
    assert (state.status, state.attempts[0].state, state.exception) == (
        Status.FAILED,
        AttemptState.LOST,
        "WorkerLost: gone",
    )
    assert state.completed_at == after(30)


def test_a_success_told_late_by_the_worker_thought_dead_wins() -> None:
    state = fold([told(RECEIVED, 1), told(STARTED, 2), lost(final=True), told(SUCCEEDED, 3)])
    assert (state.status, state.attempts[0].state) == (Status.COMPLETED, AttemptState.SUCCEEDED)
