"""What a worker is told, and what becomes of it while the broker or Redis is away."""

from collections.abc import Collection
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.errors import BrokerUnavailable, Unavailable
from gateway.control import Work
from gateway.descriptions import NodeDescription
from services.workers import orders as module
from services.workers.orders import WorkerOrders
from tests.facts import NOON
from tests.fakes.gateway import FakeBroker, FakeControl, FakePauseKeys
from tests.unit.loops.workers.rows import worker

NODE = "celery@one"
PLUGIN: dict[str, Any] = {
    "plugin": "0.1.0",
    "protocol": 1,
    "capabilities": ("pause", "drain", "resize"),
    "paused": False,
}


def describe(**said: Any) -> NodeDescription:
    plain: dict[str, Any] = {
        "node": NODE,
        "pid": 1,
        "pool": "prefork",
        "concurrency": 4,
        "queues": ("a", "b"),
        "registered": (),
        "prefetch_count": 4,
        "plugin": None,
        "priority_steps": (),
    }
    return NodeDescription(**(plain | said))


class AwayKeys(FakePauseKeys):
    """Keys in a Redis that is away."""

    async def hold(self, nodes: Collection[str]) -> None:
        raise Unavailable

    async def release(self, node: str) -> None:
        raise Unavailable


class World:
    """One worker and its orders."""

    def __init__(self) -> None:
        self.broker, self.keys = FakeBroker(), FakePauseKeys()
        self.orders = WorkerOrders(FakeControl(self.broker), self.keys)

    def answer(self, **said: Any) -> NodeDescription:
        self.broker.nodes[NODE] = describe(**said)
        return self.broker.nodes[NODE]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0)
    return World()


async def test_a_worker_with_our_plugin_is_paused_by_one_order(world: World) -> None:
    world.answer(**PLUGIN)
    told = await world.orders.fetch_as_desired(worker(queues=["a", "b"], want_paused=True))
    assert told is not None
    assert told.paused is True
    assert world.broker.orders == [("pause", NODE)]
    assert world.keys.held == {NODE}, "its next start begins paused too"


async def test_a_drain_stands_still_as_a_pause_does(world: World) -> None:
    world.answer(**PLUGIN)
    await world.orders.fetch_as_desired(worker(queues=["a", "b"], drain_started_at=NOON))
    assert world.broker.orders == [("pause", NODE)]


async def test_a_resumed_worker_fetches_again_and_its_next_start_is_ordinary(world: World) -> None:
    world.answer(**(PLUGIN | {"paused": True, "queues": ()}))
    world.broker.fetched_from[NODE] = ("a", "b")
    world.keys.held = {NODE}
    told = await world.orders.fetch_as_desired(worker(queues=["a", "b"], want_paused=False))
    assert told is not None
    assert (told.paused, told.queues) == (False, ("a", "b"))
    assert world.keys.held == set()


async def test_a_stock_worker_lets_go_of_each_queue_but_its_copies_of_broadcasts(world: World) -> None:
    world.answer(queues=("a", "b", "mine"), broadcasts=frozenset({"mine"}))
    await world.orders.fetch_as_desired(worker(queues=["a", "b"], want_paused=True))
    assert world.broker.orders == [("cancel_consumer", "a", NODE), ("cancel_consumer", "b", NODE)]


async def test_a_stock_worker_takes_up_all_its_queues_again(world: World) -> None:
    world.answer(queues=("b",))
    told = await world.orders.fetch_as_desired(worker(queues=["a", "b"], want_paused=False))
    assert told is not None
    assert told.queues == ("a", "b")


@pytest.mark.parametrize("want_paused", [None, False])
async def test_one_that_is_as_wanted_is_told_nothing(world: World, want_paused: bool | None) -> None:
    described = world.answer(**PLUGIN)
    assert await world.orders.fetch_as_desired(worker(queues=["a", "b"], want_paused=want_paused)) is described
    assert world.broker.orders == []


async def test_one_that_is_offline_is_not_asked_and_begins_paused_when_it_comes(world: World) -> None:
    world.broker.available = False  # a question would fail
    assert await world.orders.fetch_as_desired(worker(online=False, want_paused=True)) is None
    assert world.keys.held == {NODE}


async def test_one_that_does_not_answer_is_told_nothing(world: World) -> None:
    assert await world.orders.fetch_as_desired(worker(want_paused=True)) is None
    assert world.broker.orders == []


async def test_a_broker_that_is_away_is_a_log_line_and_no_error(world: World) -> None:
    world.broker.available = False
    with capture_logs() as logs:
        assert await world.orders.fetch_as_desired(worker(want_paused=True)) is None
    assert logs == [{"event": "worker_not_asked", "log_level": "warning", "node": NODE}]


async def test_a_broker_that_goes_away_between_leaves_what_was_last_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pause(_: FakeControl, node: str) -> bool:
        raise BrokerUnavailable

    monkeypatch.setattr(FakeControl, "pause", pause)
    described = world.answer(**PLUGIN)
    with capture_logs() as logs:
        assert await world.orders.fetch_as_desired(worker(queues=["a", "b"], want_paused=True)) is described
    assert [event["event"] for event in logs] == ["worker_not_told"]


async def test_a_redis_that_is_away_does_not_keep_a_worker_from_being_told(world: World) -> None:
    world.answer(**PLUGIN)
    orders = WorkerOrders(FakeControl(world.broker), AwayKeys())
    with capture_logs() as logs:
        await orders.fetch_as_desired(worker(queues=["a", "b"], want_paused=True))
        await orders.release_key(NODE)
    assert world.broker.orders == [("pause", NODE)]
    assert [(event["event"], event["count"]) for event in logs] == [("pause_keys_not_written", 1)] * 2


@pytest.mark.parametrize(
    ("by", "busy", "changed"),
    [(3, 4, 3), (-3, 0, -3), (-3, 2, -2), (-3, 4, 0), (-1, 9, 0), (0, 0, 0)],
)
async def test_of_prefork_only_idle_processes_are_ended(world: World, by: int, busy: int, changed: int) -> None:
    described = world.answer()
    world.broker.work[NODE] = Work(tuple(f"t{number}" for number in range(busy)))
    assert await world.orders.resize(described, by) == changed
    assert world.broker.orders == ([("resize", str(changed), NODE)] if changed else [])


async def test_a_pool_that_ends_no_process_shrinks_as_asked(world: World) -> None:
    described = world.answer(pool="gevent")
    world.broker.work[NODE] = Work(("t1", "t2", "t3", "t4"))
    assert await world.orders.resize(described, -3) == -3


async def test_a_worker_that_is_silent_changes_by_nothing(world: World) -> None:
    described = describe()
    assert await world.orders.resize(described, -1) == 0
    assert await world.orders.resize(described, 1) == 0
    world.broker.available = False
    with capture_logs() as logs:
        assert await world.orders.resize(described, 1) == 0
    assert [event["event"] for event in logs] == ["worker_not_told"]
