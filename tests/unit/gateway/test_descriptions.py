"""What a node says of itself is taken only so far."""

from typing import Any

import pytest

from gateway.descriptions import MAX_QUEUES, MAX_REGISTERED, describe_node
from services.workers.descriptions import is_paused


def test_names_beyond_the_bounds_are_passed_over() -> None:
    registered = ["x" * 1_001, *(f"task{n} [max_retries={n}]" for n in range(MAX_REGISTERED + 5))]
    queues = [{"name": "q" * 256}, *({"name": f"q{n}"} for n in range(MAX_QUEUES + 5))]
    told = describe_node("celery@one", ({}, registered, queues))
    assert (len(told.registered), len(told.retry_limits), len(told.queues)) == (
        MAX_REGISTERED,
        MAX_REGISTERED,
        MAX_QUEUES,
    )
    assert max(map(len, (*told.registered, *told.queues))) < 20


@pytest.mark.parametrize(
    ("told", "pool"),
    [
        ({"implementation": "celery.concurrency.thread:TaskPool"}, "threads"),
        ({"max-concurrency": 2, "processes": [1, 2], "writes": {"total": 0}}, "prefork"),
        ({"max-concurrency": 3, "threads": 1}, "threads"),
        ({"max-concurrency": 1, "processes": [1], "put-guarded-by-semaphore": True}, "solo"),
        ({"max-concurrency": 5}, "gevent"),
    ],
)
def test_a_pool_that_does_not_say_what_it_is_is_known_by_what_it_says(told: dict[str, Any], pool: str) -> None:
    """Before Celery 5.3 none did."""
    assert describe_node("celery@one", ({"pool": told}, [], [])).pool == pool


def test_a_worker_that_consumes_only_broadcasts_is_paused() -> None:
    queues = [{"name": "bcast.1", "exchange": {"type": "fanout"}}, {"name": "celery", "exchange": {"type": "direct"}}]
    assert is_paused(describe_node("celery@one", ({}, [], queues[:1])))
    assert not is_paused(describe_node("celery@one", ({}, [], queues)))


@pytest.mark.parametrize(
    ("told", "name", "limit"),
    [
        ("shop.pay [acks_late=False max_retries=7]", "shop.pay", 7),
        ("report [daily] [acks_late=False max_retries=3]", "report [daily]", 3),
        ("report [max_retries=7 acks_late=True] [acks_late=False]", "report [max_retries=7 acks_late=True]", None),
        ("report [daily]", "report [daily]", None),
        ("new\nline [x [acks_late=True max_retries=0]", "new\nline [x", 0),
        ("plain", "plain", None),
    ],
)
def test_a_name_may_hold_what_stands_around_its_options(told: str, name: str, limit: int | None) -> None:
    found = describe_node("celery@one", ({}, [told], []))
    assert (found.registered, found.retry_limits) == ((name,), {} if limit is None else {name: limit})


def test_a_name_that_is_too_long_is_not_taken_for_another() -> None:
    told = ["n" * 300 + " [acks_late=True]", "n" * 255 + " [acks_late=True]"]
    assert describe_node("celery@one", ({}, told, [])).registered == ("n" * 255,)
