import pytest

from domain.facts import Fact
from domain.states import EventType
from domain.timeline import names_of, timeline, without_names
from tests.facts import NODE, TASK_ID, after, from_backend, ours, told

SUBMITTED, DISPATCHED, CANCEL_REQUESTED = EventType.SUBMITTED, EventType.DISPATCHED, EventType.CANCEL_REQUESTED
RECEIVED, STARTED, RETRIED, REVOKED = EventType.RECEIVED, EventType.STARTED, EventType.RETRIED, EventType.REVOKED
SUCCEEDED, FAILED, REJECTED, LOST = EventType.SUCCEEDED, EventType.FAILED, EventType.REJECTED, EventType.LOST
REDELIVERED = EventType.REDELIVERED


def types(facts: list[Fact]) -> list[EventType]:
    """The lines of a timeline, from facts told in the wrong order."""
    return [entry.type for entry in timeline(reversed(facts))]


def test_a_run_reads_from_cause_to_effect_whatever_the_clocks_say() -> None:
    facts = [
        ours(SUBMITTED, at=100),
        ours(DISPATCHED, at=90, dispatch_no=1),
        told(RECEIVED, 1, at=80),
        told(STARTED, 2, at=70),
        told(SUCCEEDED, 3, at=60),
    ]
    assert types(facts) == [SUBMITTED, DISPATCHED, RECEIVED, STARTED, SUCCEEDED]


def test_an_attempt_stands_before_the_next_whatever_the_clocks_say() -> None:
    facts = [
        told(RECEIVED, 1, at=50),
        told(STARTED, 2, at=51),
        told(RETRIED, 3, at=52),
        told(RECEIVED, 1, at=10, node="celery@two", retries=1),
        told(STARTED, 2, at=11, node="celery@two"),
        told(SUCCEEDED, 3, at=12, node="celery@two"),
    ]
    assert types(facts) == [RECEIVED, STARTED, RETRIED, RECEIVED, STARTED, SUCCEEDED]
    assert [entry.attempt for entry in timeline(facts)] == [1, 1, 1, 2, 2, 2]


def test_a_second_received_of_one_attempt_shows_as_redelivered() -> None:
    facts = [told(RECEIVED, 1), told(REJECTED, 2), told(RECEIVED, 3), told(STARTED, 4)]
    assert types(facts) == [RECEIVED, REJECTED, REDELIVERED, STARTED]


def test_a_fact_told_twice_is_one_line() -> None:
    assert types([told(RECEIVED, 1), told(RECEIVED, 1)]) == [RECEIVED]


def test_a_line_tells_when_where_and_what_else_is_known() -> None:
    (entry,) = timeline([told(FAILED, 4, exception="ValueError('x')")])
    assert (entry.at, entry.type, entry.node, entry.attempt) == (after(4), FAILED, NODE, 1)
    assert entry.details == {"exception": "ValueError('x')"}


def test_what_the_backend_tells_is_left_out_where_the_event_was_heard() -> None:
    assert types([told(STARTED, 1), told(SUCCEEDED, 2), from_backend(SUCCEEDED, at=2)]) == [STARTED, SUCCEEDED]


def test_what_only_the_backend_tells_is_a_line_of_its_attempt() -> None:
    entries = timeline([told(STARTED, 1), from_backend(SUCCEEDED, at=2)])
    assert [(entry.type, entry.attempt) for entry in entries] == [(STARTED, 1), (SUCCEEDED, 1)]


def test_a_withdrawn_task_was_cancelled_after_it_was_submitted() -> None:
    facts = [ours(SUBMITTED), ours(CANCEL_REQUESTED, at=2), ours(REVOKED, at=2)]
    assert types(facts) == [SUBMITTED, CANCEL_REQUESTED, REVOKED]


def test_a_cancel_of_a_queued_task_stands_behind_its_dispatch() -> None:
    facts = [ours(SUBMITTED), ours(DISPATCHED, at=1, dispatch_no=1), ours(CANCEL_REQUESTED, at=2)]
    assert types(facts) == [SUBMITTED, DISPATCHED, CANCEL_REQUESTED]


def test_each_lost_dispatch_stands_before_the_next() -> None:
    facts = [
        ours(SUBMITTED),
        ours(DISPATCHED, at=1, dispatch_no=1),
        ours(LOST, at=61, dispatch_no=1),
        ours(DISPATCHED, at=62, dispatch_no=2),
        told(RECEIVED, 1, at=30),
    ]
    assert types(facts) == [SUBMITTED, DISPATCHED, LOST, DISPATCHED, RECEIVED]


def test_a_task_withdrawn_after_a_lost_dispatch_ends_behind_that_loss() -> None:
    facts = [
        ours(SUBMITTED),
        ours(DISPATCHED, at=1, dispatch_no=1),
        ours(LOST, at=61, dispatch_no=1),
        ours(CANCEL_REQUESTED, at=62),
        ours(REVOKED, at=62),
    ]
    assert types(facts) == [SUBMITTED, DISPATCHED, LOST, CANCEL_REQUESTED, REVOKED]


def test_a_cancel_stands_in_the_attempt_during_which_it_was_asked_for() -> None:
    facts = [
        ours(DISPATCHED, at=0, dispatch_no=1),
        told(RECEIVED, 1),
        told(STARTED, 2),
        told(RETRIED, 3),
        told(RECEIVED, 10, retries=1),
        told(STARTED, 11),
        ours(CANCEL_REQUESTED, at=12),
        told(REVOKED, 13),
    ]
    assert types(facts) == [
        DISPATCHED,
        RECEIVED,
        STARTED,
        RETRIED,
        RECEIVED,
        STARTED,
        CANCEL_REQUESTED,
        REVOKED,
    ]


def test_a_task_without_facts_has_no_lines() -> None:
    assert timeline([]) == []


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ([FAILED, FAILED], FAILED),
        ([FAILED, REJECTED], FAILED),
        ([REJECTED, FAILED], FAILED),
        ([REVOKED, FAILED], FAILED),
    ],
)
def test_one_end_is_shown_of_an_attempt_however_many_celery_tells(ends: list[EventType], shown: EventType) -> None:
    begun = [told(RECEIVED, 1), told(STARTED, 2)]
    facts = begun + [told(end, 3 + nth, exception=f"{nth}") for nth, end in enumerate(ends)]
    *_, entry = found = timeline(facts)
    assert [entry.type for entry in found] == [RECEIVED, STARTED, shown]
    assert entry.details["exception"] == str(ends.index(shown)), "the first of those that are true"


def test_each_attempt_has_an_end_of_its_own() -> None:
    facts = [told(RECEIVED, 1, retries=0), told(STARTED, 2), told(RETRIED, 3), told(RECEIVED, 4, retries=1)]
    facts += [told(STARTED, 5), told(FAILED, 6), told(FAILED, 7)]
    assert types(facts) == [RECEIVED, STARTED, RETRIED, RECEIVED, STARTED, FAILED]


def test_a_run_that_another_task_replaced_has_no_end_of_its_own() -> None:
    """Its node told that it was over, and nothing more: what went on under the id tells the end."""
    first = [told(RECEIVED, 1), told(STARTED, 2)]
    over = Fact(
        TASK_ID, EventType.ENDED, after(2.5), f"ended:{first[0].key}", NODE, retries=0, details={"source": "node"}
    )
    successor = [told(RECEIVED, 3, parent_id=TASK_ID), told(STARTED, 4), told(SUCCEEDED, 5)]
    assert types([ours(SUBMITTED), *first, over, *successor]) == [
        SUBMITTED,
        RECEIVED,
        STARTED,
        REDELIVERED,
        STARTED,
        SUCCEEDED,
    ]


def test_an_entry_names_other_tasks_and_can_be_shown_without_them() -> None:
    received, replayed = timeline(
        [told(RECEIVED, 1, at=1, parent_id="p", exception="no"), ours(EventType.REPLAYED, at=2, new_task_id="n")]
    )
    assert (names_of(received), names_of(replayed)) == (["p"], ["n"])
    assert without_names(received, {"n"}) is received
    assert without_names(received, {"n", "p"}).details == {"exception": "no"}
    assert without_names(replayed, {"n", "p"}).details == {}
