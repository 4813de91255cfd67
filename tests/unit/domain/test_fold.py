from dataclasses import replace

import pytest

from domain.facts import PUBLISHER, Detail, Fact
from domain.fold import fold
from domain.states import AttemptState, EventType, Outcome, Phase, Status
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
    state = fold([told(RECEIVED, 1), told(STARTED, 2), told(end, 5)])
    assert (state.status, state.phase, state.completed_at) == (status, Phase.FINISHED, after(5))
    assert (state.duration_seconds, state.attempts[0].runtime_seconds) == (3, None)


def test_the_runtime_that_a_worker_tells_is_the_duration_everywhere() -> None:
    state = fold(
        [told(RECEIVED, 1), told(STARTED, 2), from_backend(SUCCEEDED, at=1.9), told(SUCCEEDED, 5, runtime=2.5)]
    )
    assert (state.started_at, state.completed_at, state.duration_seconds) == (after(2), after(4.5), 2.5)
    [attempt] = state.attempts
    assert (attempt.started_at, attempt.finished_at, attempt.runtime_seconds) == (after(2), after(4.5), 2.5)


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


def test_a_task_that_replaces_itself_has_the_result_of_its_successor() -> None:
    """By one task, in the same process; the successor's message has the task's own id for its parent."""
    first = [told(RECEIVED, 1), told(STARTED, 2)]
    successor = [told(RECEIVED, 3, parent_id=TASK_ID), told(STARTED, 4), told(FAILED, 5, exception="no row")]
    state = fold([HERE, *first, *successor])
    assert [attempt.state for attempt in state.attempts] == [AttemptState.REPLACED, AttemptState.FAILED]
    assert (state.status, state.exception, state.started_at, state.retry_count) == (
        Status.FAILED,
        "no row",
        after(4),
        0,
    )


def test_between_a_task_and_its_successor_it_waits() -> None:
    facts = [told(RECEIVED, 1), told(STARTED, 2), told(RECEIVED, 1, at=9, pid=2, parent_id="the last of a group")]
    state = fold([HERE, *facts])
    assert [attempt.state for attempt in state.attempts] == [AttemptState.REPLACED, AttemptState.RECEIVED]
    assert (state.status, state.phase) == (Status.PENDING, Phase.RESERVED)


def test_a_successor_of_a_retried_run_stands_behind_it_and_may_be_retried_itself() -> None:
    facts = [
        *(told(kind, clock) for kind, clock in ((RECEIVED, 1), (STARTED, 2), (RETRIED, 3))),
        *(told(kind, clock, retries=1) for kind, clock in ((RECEIVED, 4), (STARTED, 5))),
        *(told(kind, clock, parent_id=TASK_ID) for kind, clock in ((RECEIVED, 6), (STARTED, 7), (RETRIED, 8))),
        *(told(kind, clock, retries=1, parent_id=TASK_ID) for kind, clock in ((RECEIVED, 9), (STARTED, 10))),
    ]
    state = fold([HERE, *facts])
    assert [attempt.state for attempt in state.attempts] == [
        AttemptState.RETRIED,
        AttemptState.REPLACED,
        AttemptState.RETRIED,
        AttemptState.STARTED,
    ]
    assert state.phase is Phase.RUNNING


def test_a_message_that_is_delivered_again_is_no_successor() -> None:
    """Nor is the first one once more, after its successor."""
    copies = [told(RECEIVED, 1, parent_id="p"), told(STARTED, 2), told(RECEIVED, 1, pid=2, parent_id="p")]
    assert [attempt.state for attempt in fold([HERE, *copies]).attempts] == [
        AttemptState.STARTED,
        AttemptState.RECEIVED,
    ]
    successor = [told(RECEIVED, 3, parent_id=TASK_ID), told(STARTED, 4)]
    again = [told(RECEIVED, 9, pid=3, parent_id="p")]
    assert [attempt.state for attempt in fold([HERE, *copies[:2], *successor, *again]).attempts] == [
        AttemptState.REPLACED,
        AttemptState.STARTED,
        AttemptState.RECEIVED,
    ]


def broadcast(*ends: EventType | None) -> list[Fact]:
    """A copy on each of so many nodes."""
    facts = []
    for nth, end in enumerate(ends):
        node = f"celery@{nth}"
        facts += [told(RECEIVED, 1, at=nth, node=node), told(STARTED, 2, at=nth, node=node)]
        if end is LOST:
            facts.append(Fact(TASK_ID, LOST, after(60), f"lost:{node}", node, 1, retries=0, details={"final": True}))
        elif end is not None:
            facts.append(told(end, 3, at=nth + 0.1, node=node, exception="on one of them"))
    return facts


def test_a_broadcast_has_an_attempt_on_each_node_and_shows_the_failure_of_one() -> None:
    state = fold(broadcast(SUCCEEDED, FAILED, SUCCEEDED))
    assert [(attempt.node, attempt.state) for attempt in state.attempts] == [
        ("celery@0", AttemptState.SUCCEEDED),
        ("celery@1", AttemptState.FAILED),
        ("celery@2", AttemptState.SUCCEEDED),
    ]
    assert (state.attempts[1].exception, state.story) == ("on one of them", 0)


def test_a_copy_that_died_with_its_worker_is_not_the_death_of_the_task() -> None:
    assert fold(broadcast(LOST, None)).status is Status.RUNNING
    assert fold(broadcast(LOST, SUCCEEDED)).status is Status.COMPLETED
    assert fold(broadcast(LOST, LOST)).status is Status.FAILED


def ended(*, at: float = 90, of: Fact) -> Fact:
    return Fact(
        TASK_ID, EventType.ENDED, after(at), f"node:ended:{of.key}", NODE, retries=0, details={"source": "node"}
    )


def test_a_run_of_which_nobody_told_the_end_is_over_and_has_neither_failed_nor_a_duration() -> None:
    run = [told(RECEIVED, 1), told(STARTED, 2)]
    state = fold([*run, ended(of=run[0])])
    assert (state.status, state.outcome, state.exception) == (Status.CANCELLED, Outcome.UNKNOWN, None)
    assert (state.duration_seconds, state.completed_at) == (None, after(90))


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED, REVOKED])
def test_an_unknown_end_gives_way_to_what_is_told_after_all(end: EventType) -> None:
    run = [told(RECEIVED, 1), told(STARTED, 2)]
    state = fold([*run, ended(of=run[0]), told(end, 3)])
    assert (state.phase, state.outcome, state.completed_at) == (Phase.FINISHED, None, after(3))


def test_an_unknown_end_gives_way_to_a_run_that_goes_on_elsewhere() -> None:
    run = [told(RECEIVED, 1), told(STARTED, 2)]
    more = [told(RECEIVED, 1, at=100, node="celery@two"), told(STARTED, 2, at=101, node="celery@two")]
    assert fold([HERE, *run, ended(of=run[0]), *more]).phase is Phase.RUNNING
    retried = [told(RECEIVED, 1, at=100, node="celery@two", retries=1)]
    assert [attempt.state for attempt in fold([HERE, *run, ended(of=run[0]), *retried]).attempts] == [
        AttemptState.RETRIED,
        AttemptState.RECEIVED,
    ]


MONDAY = [told(RECEIVED, 1), told(STARTED, 2), told(SUCCEEDED, 3)]


def test_the_failure_of_today_is_not_hidden_by_the_success_of_yesterday() -> None:
    today = [told(RECEIVED, 4, at=500), told(STARTED, 5, at=501), told(FAILED, 6, at=502, exception="on fire")]
    state = fold([*MONDAY, *today])
    assert (state.status, state.exception, state.completed_at, state.story) == (
        Status.FAILED,
        "on fire",
        after(502),
        1,
    )
    assert [attempt.state for attempt in state.attempts] == [AttemptState.SUCCEEDED, AttemptState.FAILED]
    assert fold([*MONDAY, *today[:1]]).phase is Phase.RESERVED


def test_of_a_task_of_ours_what_is_received_after_its_end_is_the_same_message_once_more() -> None:
    assert fold([HERE, *MONDAY, told(RECEIVED, 4, at=500), told(STARTED, 5, at=501)]).status is Status.COMPLETED


def test_a_copy_on_another_node_right_after_the_end_is_no_other_use_of_the_id() -> None:
    state = fold([*MONDAY, told(RECEIVED, 1, at=8, node="celery@two"), told(FAILED, 2, at=9, node="celery@two")])
    assert (state.status, state.story) == (Status.COMPLETED, 0)


def test_while_a_copy_runs_what_is_received_is_another_copy() -> None:
    copy = [told(RECEIVED, 1, at=2, pid=2), told(STARTED, 2, at=2, pid=2)]
    assert fold([*MONDAY, *copy, told(RECEIVED, 4, at=500), told(STARTED, 5, at=501)]).status is Status.COMPLETED


def test_what_the_backend_still_has_of_yesterday_does_not_end_the_run_of_today() -> None:
    today = [told(RECEIVED, 4, at=9_000), told(STARTED, 5, at=9_001)]
    assert fold([*MONDAY, from_backend(SUCCEEDED, at=3), *today]).phase is Phase.RUNNING
    assert fold([from_backend(SUCCEEDED, at=3), *today]).phase is Phase.RUNNING
    assert fold([*MONDAY, from_backend(SUCCEEDED, at=9_002), *today]).completed_at == after(9_002)


def test_a_success_that_the_backend_keeps_is_that_of_the_use_that_told_it_however_soon_the_next_came() -> None:
    again = [told(RECEIVED, 6), told(STARTED, 7), told(FAILED, 8)]
    state = fold([*MONDAY, *again, from_backend(SUCCEEDED, at=2.9)])
    assert (state.status, state.last_use_ended_at) == (Status.FAILED, after(2.9))


def test_an_end_that_is_told_another_day_is_that_of_another_use() -> None:
    """A worker that remembers a revoke tells of nothing but the end."""
    state = fold([*MONDAY, told(REVOKED, 4, at=9_000)])
    assert (state.status, [attempt.state for attempt in state.attempts]) == (
        Status.CANCELLED,
        [AttemptState.SUCCEEDED, AttemptState.REVOKED],
    )


def test_the_wish_to_cancel_one_use_of_an_id_is_none_to_cancel_the_next() -> None:
    cancelled = [ours(CANCEL_REQUESTED, at=1), told(RECEIVED, 1), told(REVOKED, 3)]
    state = fold([*cancelled, told(RECEIVED, 4, at=500), told(STARTED, 5, at=501)])
    assert (state.status, state.cancel_requested_at, state.cancel_signal) == (Status.RUNNING, None, None)
    taken_back = [ours(CANCEL_REQUESTED, at=1), ours(REVOKED, at=2)]
    assert fold([*taken_back, told(RECEIVED, 4, at=500)]).status is Status.CANCELLED
    state = fold([*taken_back, told(RECEIVED, 4, at=500), told(STARTED, 5, at=501)])
    assert (state.status, state.cancel_requested_at) == (Status.RUNNING, None)


@pytest.mark.parametrize(
    ("facts", "leaves"),
    [
        ([told(STARTED, 1), told(SUCCEEDED, 2)], True),
        ([told(STARTED, 1), told(FAILED, 2)], True),
        ([told(STARTED, 1), told(REVOKED, 2)], False),
        ([told(RECEIVED, 1), told(STARTED, 2), lost(final=True)], False),
        ([told(STARTED, 1)], False),
        ([], False),
    ],
)
def test_a_worker_that_died_of_a_task_has_stored_no_result_of_it(facts: list[Fact], *, leaves: bool) -> None:
    assert fold(facts).leaves_result is leaves
