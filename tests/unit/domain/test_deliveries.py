import pytest

from domain.deliveries import Delivery, deliveries
from domain.facts import Fact
from domain.states import AttemptState, EventType
from tests.facts import NODE, TASK_ID, after, from_backend, told

RECEIVED, STARTED, RETRIED = EventType.RECEIVED, EventType.STARTED, EventType.RETRIED
SUCCEEDED, FAILED, REJECTED, LOST = EventType.SUCCEEDED, EventType.FAILED, EventType.REJECTED, EventType.LOST


def shape(found: list[Delivery]) -> list[tuple[int | None, list[EventType]]]:
    """Each delivery as its retries and the types of its facts."""
    return [(delivery.retries, [fact.type for fact in delivery.facts]) for delivery in found]


def test_a_run_is_one_delivery() -> None:
    assert shape(deliveries([told(RECEIVED, 1), told(STARTED, 2), told(SUCCEEDED, 3)])) == [
        (0, [RECEIVED, STARTED, SUCCEEDED])
    ]


def test_the_logical_clock_orders_a_process_even_where_its_wall_clock_jumps_back() -> None:
    facts = [told(RECEIVED, 1, at=50), told(STARTED, 2, at=40), told(SUCCEEDED, 3, at=30)]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, STARTED, SUCCEEDED])]


def test_processes_are_told_apart_by_node_and_pid() -> None:
    facts = [told(RECEIVED, 1), told(RECEIVED, 2, pid=2), told(RECEIVED, 3, node="celery@two"), told(STARTED, 4)]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, STARTED]), (0, [RECEIVED]), (0, [RECEIVED])]


def test_a_retry_received_before_the_retried_of_its_run_stays_apart() -> None:
    facts = [
        told(RECEIVED, 1),
        told(STARTED, 2),
        told(RECEIVED, 3, retries=1),
        told(RETRIED, 4),
        told(STARTED, 5),
        told(SUCCEEDED, 6),
    ]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, STARTED, RETRIED]), (1, [RECEIVED, STARTED, SUCCEEDED])]


def test_a_retry_that_finishes_before_the_retried_of_its_run_stays_apart() -> None:
    facts = [
        told(RECEIVED, 1),
        told(STARTED, 2),
        told(RECEIVED, 3, retries=1),
        told(STARTED, 4),
        told(SUCCEEDED, 5),
        told(RETRIED, 6),
    ]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, STARTED, RETRIED]), (1, [RECEIVED, STARTED, SUCCEEDED])]


def test_an_end_is_not_given_to_a_run_whose_missed_retried_a_later_attempt_proves() -> None:
    facts = [told(RECEIVED, 1), told(STARTED, 2), told(RECEIVED, 4, retries=1), told(STARTED, 5), told(SUCCEEDED, 6)]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, STARTED]), (1, [RECEIVED, STARTED, SUCCEEDED])]


def test_the_later_attempt_may_be_received_by_another_process() -> None:
    facts = [told(RECEIVED, 1), told(STARTED, 2), told(RECEIVED, 5, pid=2, retries=1), told(RETRIED, 4)]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, STARTED, RETRIED]), (1, [RECEIVED])]


def test_an_end_without_a_start_belongs_to_the_run_that_was_received() -> None:
    assert shape(deliveries([told(RECEIVED, 1), told(FAILED, 3)])) == [(0, [RECEIVED, FAILED])]


def test_one_end_told_twice_is_one_delivery() -> None:
    facts = [told(RECEIVED, 1), told(STARTED, 2), told(FAILED, 3), told(FAILED, 4), told(REJECTED, 5)]
    found = deliveries(facts)
    assert shape(found) == [(0, [RECEIVED, STARTED, FAILED, FAILED, REJECTED])]
    assert found[0].state is AttemptState.FAILED


def test_a_redelivery_to_the_same_process_is_another_delivery() -> None:
    facts = [told(RECEIVED, 1), told(STARTED, 2), told(REJECTED, 3), told(RECEIVED, 4), told(STARTED, 5)]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, STARTED, REJECTED]), (0, [RECEIVED, STARTED])]


@pytest.mark.parametrize("end", [STARTED, SUCCEEDED])
def test_what_follows_a_retried_implies_an_attempt_whose_received_was_missed(end: EventType) -> None:
    facts = [told(RECEIVED, 1), told(STARTED, 2), told(RETRIED, 3), told(end, 6)]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, STARTED, RETRIED]), (1, [end])]


def test_retried_told_twice_is_one_end() -> None:
    assert shape(deliveries([told(STARTED, 2), told(RETRIED, 3), told(RETRIED, 4)])) == [
        (0, [STARTED, RETRIED, RETRIED])
    ]


def test_a_start_after_an_end_implies_another_delivery() -> None:
    assert shape(deliveries([told(STARTED, 2), told(FAILED, 3), told(STARTED, 4)])) == [
        (0, [STARTED, FAILED]),
        (0, [STARTED]),
    ]


def test_attempts_without_received_are_numbered_by_the_retries_before_them() -> None:
    facts = [
        told(STARTED, 1, pid=1),
        told(RETRIED, 2, pid=1),
        told(STARTED, 3, pid=2),
        told(RETRIED, 4, pid=2),
        told(STARTED, 5, pid=3),
    ]
    assert [delivery.retries for delivery in deliveries(facts)] == [0, 1, 2]


def test_an_attempt_without_received_goes_on_from_the_number_of_the_one_that_asked_for_it() -> None:
    facts = [told(RECEIVED, 1, retries=3), told(STARTED, 2), told(RETRIED, 3), told(STARTED, 4, pid=2)]
    assert [delivery.retries for delivery in deliveries(facts)] == [3, 4]


def test_two_deliveries_of_one_attempt_that_both_ask_for_a_retry_imply_one() -> None:
    facts = [
        *(told(kind, clock) for kind, clock in ((RECEIVED, 1), (STARTED, 2), (RETRIED, 3))),
        *(told(kind, clock, pid=2) for kind, clock in ((RECEIVED, 1), (STARTED, 2), (RETRIED, 3))),
        told(STARTED, 5, pid=3),
    ]
    assert [delivery.retries for delivery in deliveries(facts)] == [0, 0, 1]


def test_a_run_is_not_counted_as_the_one_that_asked_for_itself() -> None:
    assert [delivery.retries for delivery in deliveries([told(STARTED, 1, at=5), told(RETRIED, 2, at=5)])] == [0]


def test_what_the_backend_tells_joins_the_delivery_of_its_attempt() -> None:
    facts = [
        told(RECEIVED, 1),
        told(RETRIED, 2),
        told(RECEIVED, 3, retries=1),
        from_backend(SUCCEEDED, at=2, retries=1),
    ]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, RETRIED]), (1, [RECEIVED, SUCCEEDED])]


def test_of_several_deliveries_the_backend_tells_of_the_one_on_its_node_then_of_the_latest() -> None:
    facts = [told(RECEIVED, 1, node="celery@a"), told(RECEIVED, 2, node="celery@b"), told(RECEIVED, 3, node="celery@b")]
    on_a = deliveries([*facts, from_backend(SUCCEEDED, at=9, node="celery@a")])
    nowhere = deliveries([*facts, from_backend(SUCCEEDED, at=9, node="celery@z")])
    assert [delivery.state is AttemptState.SUCCEEDED for delivery in on_a] == [True, False, False]
    assert [delivery.state is AttemptState.SUCCEEDED for delivery in nowhere] == [False, False, True]


def test_a_backend_that_does_not_know_the_attempt_tells_of_the_latest() -> None:
    facts = [told(RECEIVED, 1), told(RECEIVED, 2, retries=1), from_backend(SUCCEEDED, at=9, retries=None)]
    assert shape(deliveries(facts)) == [(0, [RECEIVED]), (1, [RECEIVED, SUCCEEDED])]


def test_an_end_of_an_attempt_that_nobody_told_of_is_a_delivery_of_its_own() -> None:
    assert shape(deliveries([told(RECEIVED, 1), from_backend(SUCCEEDED, at=9, retries=2)])) == [
        (0, [RECEIVED]),
        (2, [SUCCEEDED]),
    ]


def test_a_loss_on_one_node_is_not_blamed_on_another() -> None:
    loss = Fact("t", LOST, after(9), "lost:celery@two", node="celery@two")
    found = deliveries([told(RECEIVED, 1), loss])
    assert [(delivery.node, delivery.state) for delivery in found] == [
        ("celery@one", AttemptState.RECEIVED),
        ("celery@two", AttemptState.LOST),
    ]


def test_a_loss_is_that_of_the_process_that_died_not_of_its_successor() -> None:
    loss = Fact("t", LOST, after(9), "lost", node=NODE, pid=1, retries=0)
    found = deliveries([told(RECEIVED, 5), told(RECEIVED, 2, pid=2, at=20), loss])
    assert [(delivery.pid, delivery.state) for delivery in found] == [
        (1, AttemptState.LOST),
        (2, AttemptState.RECEIVED),
    ]


def test_a_task_that_came_back_thousands_of_times_is_still_folded_at_once() -> None:
    kinds = (RECEIVED, STARTED, REJECTED)
    facts = [told(kinds[clock % 3], clock) for clock in range(6_000)]
    assert len(deliveries(facts)) == 2_000


def test_of_three_that_replaced_each_other_the_last_ends_and_the_others_never_do() -> None:
    facts = [
        *(told(kind, clock) for kind, clock in ((RECEIVED, 1), (STARTED, 2))),
        told(RECEIVED, 3, parent_id=TASK_ID),
        told(STARTED, 4),
        told(RECEIVED, 5, parent_id=TASK_ID),
        told(STARTED, 6),
        told(SUCCEEDED, 7),
    ]
    assert shape(deliveries(facts)) == [
        (0, [RECEIVED, STARTED]),
        (0, [RECEIVED, STARTED]),
        (0, [RECEIVED, STARTED, SUCCEEDED]),
    ]


def test_a_retry_is_no_successor_of_the_run_before_it_though_only_one_told_its_parent() -> None:
    facts = [
        told(RECEIVED, 1),
        told(STARTED, 2),
        told(RECEIVED, 3, retries=2, parent_id="p"),
        told(STARTED, 4),
        told(FAILED, 5),
    ]
    assert shape(deliveries(facts)) == [(0, [RECEIVED, STARTED, FAILED]), (2, [RECEIVED, STARTED])]
