"""What a node says of itself is taken only so far."""

from typing import Any

import pytest

from gateway.control import MAX_QUEUES, MAX_REGISTERED, _description
from services.nodes import is_paused


def test_names_beyond_the_bounds_are_passed_over() -> None:
    registered = ["x" * 1_001, *(f"task{n} [max_retries={n}]" for n in range(MAX_REGISTERED + 5))]
    queues = [{"name": "q" * 256}, *({"name": f"q{n}"} for n in range(MAX_QUEUES + 5))]
    told = _description("celery@one", ({}, registered, queues))
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
    assert _description("celery@one", ({"pool": told}, [], [])).pool == pool


def test_a_worker_that_consumes_only_broadcasts_is_paused() -> None:
    queues = [{"name": "bcast.1", "exchange": {"type": "fanout"}}, {"name": "celery", "exchange": {"type": "direct"}}]
    assert is_paused(_description("celery@one", ({}, [], queues[:1])))
    assert not is_paused(_description("celery@one", ({}, [], queues)))
