"""What a node says of itself is taken only so far."""

from gateway.control import MAX_QUEUES, MAX_REGISTERED, _description


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
