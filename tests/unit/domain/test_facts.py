from dataclasses import replace

from domain.facts import PUBLISHER, distinct, worker_event_key
from domain.states import EventType
from tests.facts import after, from_backend, ours, told

SUCCEEDED = EventType.SUCCEEDED


def test_each_fact_comes_once_in_the_order_of_time() -> None:
    early, late = told(EventType.STARTED, 1), told(SUCCEEDED, 2)
    assert distinct([late, early, late]) == [early, late]


def test_of_one_fact_told_twice_the_earliest_telling_is_kept() -> None:
    fact = from_backend(SUCCEEDED, at=5)
    assert distinct([replace(fact, at=after(9)), fact]) == [fact]


def test_a_workers_event_is_known_by_type_process_and_logical_clock() -> None:
    keys = {
        worker_event_key(SUCCEEDED, "celery@a", pid=1, clock=7),
        worker_event_key(EventType.FAILED, "celery@a", pid=1, clock=7),
        worker_event_key(SUCCEEDED, "celery@b", pid=1, clock=7),
        worker_event_key(SUCCEEDED, "celery@a", pid=2, clock=7),
        worker_event_key(SUCCEEDED, "celery@a", pid=1, clock=8),
    }
    assert len(keys) == 5


def test_a_fact_tells_its_source_where_that_is_not_a_worker_or_ourselves() -> None:
    assert ours(EventType.SUBMITTED, source=PUBLISHER).source == PUBLISHER
    assert told(SUCCEEDED, 1).source is None
