"""What a node says of itself is taken only so far."""

from typing import Any

import msgspec
import pytest

from domain.broker_options import STOCK_PRIORITY_STEPS, BrokerOptions
from gateway.descriptions import MAX_QUEUES, MAX_REGISTERED, NodeDescription, describe_node
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


def describe(stats: dict[str, Any], registered: Any = (), *, queues: Any = ()) -> NodeDescription:
    return describe_node("celery@one", (stats, list(registered), list(queues)))


@pytest.mark.parametrize(
    ("implementation", "pool"),
    [
        ("celery.concurrency.prefork:TaskPool", "prefork"),
        ("celery.concurrency.gevent:TaskPool", "gevent"),
        ("celery_aio_pool.pool:AsyncIOPool", "pool"),
        ("mine", "mine"),
    ],
)
def test_a_pool_is_called_as_its_module_is(implementation: str, pool: str) -> None:
    assert describe({"pool": {"implementation": implementation}}).pool == pool


@pytest.mark.parametrize(
    ("pool", "concurrency"),
    [
        ({"processes": [1, 2, 3], "max-concurrency": 8}, 3),
        ({"processes": [], "max-concurrency": 8}, 8),
        ({"processes": None, "max-concurrency": None}, 0),
        ({}, 0),
    ],
)
def test_as_many_run_at_once_as_there_are_processes_or_else_may_be(pool: dict[str, Any], concurrency: int) -> None:
    assert describe({"pool": pool}).concurrency == concurrency


@pytest.mark.parametrize(
    ("stats", "options"),
    [
        ({}, None),
        ({"broker": None}, None),
        ({"broker": "redis://:s3cret@h"}, None),
        ({"broker": {}}, BrokerOptions(priority_steps=STOCK_PRIORITY_STEPS)),
        ({"broker": {"transport_options": {"sep": ":"}}}, BrokerOptions(":", STOCK_PRIORITY_STEPS)),
        ({"broker": {"transport_options": {"priority_steps": [5, 0, 5]}}}, BrokerOptions(priority_steps=(0, 5))),
        ({"broker": {"transport_options": {"sep": 7}}}, None),
        ({"broker": {"transport_options": {"sep": 7}}, "celeriac": {"priority_steps": [3, 0, 3]}}, (0, 3)),
        ({"celeriac": {"priority_steps": [3, 0]}}, (0, 3)),
    ],
)
def test_what_a_node_says_of_its_broker_goes_before_what_its_plugin_says_of_steps(
    stats: dict[str, Any], options: Any
) -> None:
    expected = BrokerOptions(priority_steps=options) if isinstance(options, tuple) else options
    assert describe(stats).options == expected


@pytest.mark.parametrize(
    ("limit", "is_kept"), [("0", True), ("999999999", True), ("1234567890", False), ("-1", False), ("\xb2", False)]
)
def test_a_limit_of_retries_is_kept_only_where_postgres_can_have_it(limit: str, is_kept: bool) -> None:
    told = describe({}, [f"shop.pay [max_retries={limit}]"])
    assert told.registered == ("shop.pay",)
    assert (told.retry_limits == {"shop.pay": int(limit)}) if is_kept else (told.retry_limits == {})


def test_only_tasks_that_say_so_acknowledge_late() -> None:
    told = describe({}, ["a [acks_late=True]", "b [acks_late=False]", "c", "d [acks_late=true]"])
    assert told.acks_late == {"a"}


def test_a_stock_worker_says_nothing_that_only_our_plugin_knows() -> None:
    told = describe({"pid": 7, "prefetch_count": None})
    assert (told.plugin, told.protocol, told.capabilities, told.paused, told.tells_ids) == (None, None, (), None, False)
    assert (told.pid, told.prefetch_count, told.autoscales, told.started) == (7, 0, False, 0)


def test_what_it_has_started_is_the_sum_over_its_tasks() -> None:
    assert describe({"total": {"a": 2, "b": 2**53 - 1}, "autoscaler": {"max": 3}}).started == 2**53 + 1


@pytest.mark.parametrize(
    "stats",
    [
        {"pid": -1},
        {"pid": 2**32},
        {"pid": "7"},
        {"total": {"a": -1}},
        {"total": {"a": 2**53}},
        {"pool": {"processes": [0] * 10_001}},
        {"pool": {"max-concurrency": 2**31}},
        {"celeriac": {"version": "x" * 256}},
        {"celeriac": {"capabilities": ["x"] * 101}},
        {"celeriac": {"version": "a\0b"}},
        {"celeriac": {"version": "\ud800"}},
    ],
)
def test_stats_that_postgres_could_not_keep_are_refused_whole(stats: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        describe(stats)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a\n\0"])
def test_a_name_that_postgres_could_not_keep_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        describe({}, [name])
    with pytest.raises(msgspec.ValidationError):
        describe({}, queues=[{"name": name}])
