"""Who is looked for, who counts as found, and how often that is done."""

from collections.abc import Collection
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from domain.errors import BrokerUnavailable
from gateway.descriptions import NodeDescription
from loops.workers import presence as module
from loops.workers.presence import MAX_NODES, RARE_SECONDS, ROUND_SECONDS, PresenceRound
from tests.fakes.engine import FakeEngine
from tests.fakes.gateway import FakeBroker, FakeControl, FakePresence


class World:
    """The queries of the round, and the fakes around it."""

    PRESENCE = 7

    def __init__(self) -> None:
        self.broker, self.engine = FakeBroker(), FakeEngine()
        self.presence = FakePresence(self.broker)
        self.leads = True
        self.fading: frozenset[str] = frozenset()
        self.seen: dict[str, datetime] = {}
        self.somebody_is_silent = False

    async def take(self, _: Any, lock: int) -> bool:
        assert lock == self.PRESENCE
        return self.leads

    async def list_fading(self, _: Any, *, limit: int) -> frozenset[str]:
        return self.fading

    async def see(self, _: Any, seen: dict[str, datetime]) -> None:
        self.seen |= seen

    async def is_somebody_silent(self, _: Any) -> bool:
        return self.somebody_is_silent

    def add(self, *nodes: str) -> None:
        self.broker.nodes |= {node: cast(NodeDescription, SimpleNamespace(node=node)) for node in nodes}

    async def run(self, *, any_can_read: bool = True) -> float:
        control = FakeControl(self.broker)
        return await PresenceRound(
            self.engine.as_engine(), control, presence=self.presence, any_can_read=any_can_read
        ).run_once()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    for name in ("leadership", "signs"):
        monkeypatch.setattr(module, name, world)
    return world


async def test_who_answers_is_seen_now(world: World) -> None:
    world.add("a", "b")
    before = datetime.now(UTC)
    await world.run()
    assert world.seen.keys() == {"a", "b"}
    assert all(before <= at <= datetime.now(UTC) for at in world.seen.values())


async def test_who_answers_in_a_form_that_cannot_be_read_is_there_too(world: World) -> None:
    world.broker.unreadable = {"old": "yaml"}
    await world.run()
    assert world.seen.keys() == {"old"}


async def test_of_those_that_fade_and_do_not_answer_the_connections_are_looked_at(world: World) -> None:
    world.add("a")
    world.fading = frozenset({"a", "busy", "gone"})
    world.presence.connected = {"busy", "a stranger"}
    await world.run()
    assert world.seen.keys() == {"a", "busy"}


async def test_connections_are_not_asked_for_while_nobody_fades(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def find_connected(nodes: Collection[str]) -> frozenset[str]:
        raise AssertionError("asked")

    monkeypatch.setattr(world.presence, "find_connected", find_connected)
    world.add("a")
    world.fading = frozenset({"a"})
    await world.run()
    assert world.seen.keys() == {"a"}


async def test_one_process_at_a_time_asks(world: World) -> None:
    world.leads, world.broker.available = False, False
    assert await world.run() == ROUND_SECONDS
    assert world.seen == {}


async def test_a_broker_that_is_away_rolls_back_and_gives_the_lead_to_others(world: World) -> None:
    world.broker.available = False
    with pytest.raises(BrokerUnavailable):
        await world.run()
    assert world.engine.ends == ["rolled back"]


async def test_a_fleet_of_any_size_is_noted_up_to_a_bound(world: World) -> None:
    world.broker.unreadable = {f"n{number}": "yaml" for number in range(MAX_NODES + 1)}
    await world.run()
    assert len(world.seen) == MAX_NODES


@pytest.mark.parametrize(
    ("any_can_read", "silent", "pause"),
    [
        (True, True, ROUND_SECONDS),
        (True, False, ROUND_SECONDS),
        (False, False, ROUND_SECONDS),
        (False, True, RARE_SECONDS),
    ],
)
async def test_a_worker_that_may_not_be_able_to_read_us_is_troubled_rarely(
    world: World, any_can_read: bool, silent: bool, pause: float
) -> None:
    world.somebody_is_silent = silent
    assert await world.run(any_can_read=any_can_read) == pause
