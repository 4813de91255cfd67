"""Whom a round orders anew, and whom it leaves alone for a while; Postgres is a list, the broker a fake."""

from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from domain.errors import BrokerUnavailable
from gateway.descriptions import NodeDescription
from loops.workers import control as module
from loops.workers.control import KEYS_SECONDS, MAX_WORKERS, PATIENCE_SECONDS, ControlRound
from loops.workers.drains import Drains
from services.workers.orders import WorkerOrders
from store.queries.workers.nodes import WorkerRow
from tests.fakes.engine import FakeEngine
from tests.fakes.gateway import FakeBroker, FakeControl
from tests.unit.loops.workers.rows import worker


class World:
    """The queries, the orders and the drains of a round, and what was done in which order."""

    def __init__(self) -> None:
        self.engine, self.broker = FakeEngine(), FakeBroker()
        self.now = 100.0
        self.diverged: list[WorkerRow] = []
        self.known: dict[str, WorkerRow] = {}
        self.held_nodes = ["held"]
        self.claims: dict[str, int] = {}
        self.steered_to: NodeDescription | None = None
        self.done: list[tuple[Any, ...]] = []
        self.round = ControlRound(
            self.engine.as_engine(),
            FakeControl(self.broker),
            orders=cast(WorkerOrders, self),
            drains=cast(Drains, self),
        )

    def add(self, *nodes: str) -> None:
        for node in nodes:
            self.broker.nodes[node] = cast(NodeDescription, SimpleNamespace(node=node))
            self.known[node] = worker(node)

    # What stands in for `wishes`, `requests` and the descriptions.

    async def list_diverged(self, _: Any, *, limit: int) -> list[WorkerRow]:
        assert limit == MAX_WORKERS
        return self.diverged

    async def list_held_nodes(self, _: Any) -> list[str]:
        return self.held_nodes

    async def lock_node(self, _: Any, node: str) -> WorkerRow | None:
        return self.known.get(node)

    async def claim_resize(self, _: Any, description: NodeDescription) -> int:
        return self.claims.get(description.node, 0)

    async def save_descriptions(self, _: Any, told: Iterable[NodeDescription]) -> None:
        self.done += [("saved", each.node) for each in told]

    async def resize_claimed(self, _: Any, __: Any, *, description: NodeDescription, by: int) -> int:
        self.done.append(("resized", description.node, by))
        return by - 1

    # What stands in for `WorkerOrders` and `Drains`.

    async def hold_keys(self, nodes: Collection[str]) -> None:
        self.done.append(("keys", *nodes))

    async def steer(self, row: WorkerRow, description: NodeDescription) -> NodeDescription:
        self.done.append(("steered", row.node))
        return self.steered_to or description

    async def move_on(self) -> None:
        self.done.append(("drains",))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(module, "wishes", world)
    monkeypatch.setattr(module, "requests", world)
    monkeypatch.setattr(module, "save_descriptions", world.save_descriptions)
    monkeypatch.setattr(module, "resize", world.resize_claimed)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: world.now))
    return world


async def test_where_all_is_as_wanted_nobody_is_asked_and_drains_move_on(world: World) -> None:
    world.broker.available = False  # a question would fail
    assert await world.round.run_once() == 0.5
    assert world.done == [("keys", "held"), ("drains",)]


async def test_pause_keys_are_renewed_every_few_seconds_and_not_every_round(world: World) -> None:
    for seconds in (0, KEYS_SECONDS - 0.1, 0.1):
        world.now += seconds
        await world.round.run_once()
    assert world.done.count(("keys", "held")) == 2


async def test_who_is_not_as_wanted_is_asked_and_steered(world: World) -> None:
    world.add("a")
    world.diverged = [worker("a")]
    await world.round.run_once()
    assert world.done[1:] == [("saved", "a"), ("steered", "a"), ("drains",)]


async def test_what_a_worker_says_after_an_order_is_stored(world: World) -> None:
    world.add("a")
    world.diverged = [worker("a", want_paused=True)]
    world.known["a"] = world.diverged[0]
    world.steered_to = cast(NodeDescription, SimpleNamespace(node="a"))
    with capture_logs() as logs:
        await world.round.run_once()
    assert world.done[1:] == [("saved", "a"), ("steered", "a"), ("saved", "a"), ("drains",)]
    (event,) = [event for event in logs if event["event"] == "worker_steered"]
    assert (event["node"], event["held"]) == ("a", True)


async def test_a_claimed_resize_is_carried_out_before_the_steering(world: World) -> None:
    world.add("a")
    world.diverged, world.claims = [worker("a")], {"a": 3}
    with capture_logs() as logs:
        await world.round.run_once()
    assert world.done[1:] == [("saved", "a"), ("resized", "a", 3), ("steered", "a"), ("drains",)]
    (event,) = [event for event in logs if event["event"] == "worker_resized"]
    assert (event["asked"], event["reached"]) == (3, 2)


async def test_a_worker_that_was_forgotten_meanwhile_is_left_alone(world: World) -> None:
    world.add("a")
    world.diverged = [worker("a")]
    world.known.clear()
    await world.round.run_once()
    assert world.done[1:] == [("saved", "a"), ("drains",)]


@pytest.mark.parametrize("is_there", [True, False])
async def test_who_was_told_or_is_silent_is_left_alone_for_a_while(world: World, is_there: bool) -> None:
    if is_there:
        world.add("a")
    world.diverged = [worker("a")]
    await world.round.run_once()
    world.add("a")
    world.done.clear()
    world.now += PATIENCE_SECONDS - 0.1
    await world.round.run_once()
    assert world.done == [("drains",)]
    world.done.clear()
    world.now += 0.2
    await world.round.run_once()
    assert world.done == [("saved", "a"), ("steered", "a"), ("drains",)]


async def test_one_that_is_left_alone_does_not_keep_others_waiting(world: World) -> None:
    world.add("a", "b")
    world.diverged = [worker("a")]
    await world.round.run_once()
    world.done.clear()
    world.diverged = [worker("a"), worker("b")]
    await world.round.run_once()
    assert [each for each in world.done if each[0] == "steered"] == [("steered", "b")]


async def test_a_broker_that_is_away_ends_the_round(world: World) -> None:
    world.broker.available = False
    world.diverged = [worker("a")]
    with pytest.raises(BrokerUnavailable):
        await world.round.run_once()
    assert world.engine.open == 0


async def test_no_connection_is_held_while_a_worker_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []

    async def steer(_: WorkerRow, description: NodeDescription) -> NodeDescription:
        held.append(world.engine.open)
        return description

    monkeypatch.setattr(world, "steer", steer)
    world.add("a")
    world.diverged = [worker("a")]
    await world.round.run_once()
    assert held == [0]
