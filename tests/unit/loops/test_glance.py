"""How loops rest while there is nothing for them, and what brings them back."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from loops import glance as module
from loops.glance import GlanceRound, Rest, with_rests
from loops.loop import Loop
from store.queries.glance import Waiting
from tests.patience import PATIENCE_SECONDS, until

LONG = 3600.0


class Bell:
    """Counts how often it was rung."""

    def __init__(self) -> None:
        self.rung = 0

    def wake(self) -> None:
        self.rung += 1


class World:
    """A look whose answers a test gives, and who is woken by it."""

    def __init__(self) -> None:
        self.waiting: set[Waiting] = set()
        self.told = (1, None)
        self.error: Exception | None = None
        self.due, self.refused, self.nodes = Bell(), Bell(), Bell()
        self.round = GlanceRound(
            self,
            {Waiting.DUE: self.due, Waiting.REFUSED_DUE: self.refused, Waiting.UNDESCRIBED_NODES: self.nodes},
        )

    async def ask(self) -> Sequence[Any]:
        if self.error:
            raise self.error
        return (*(each in self.waiting for each in Waiting), *self.told)

    async def rings(self) -> tuple[int, int, int]:
        """Look once; how often each was woken by that."""
        before = (self.due.rung, self.refused.rung, self.nodes.rung)
        assert await self.round.run_once() == module.ROUND_SECONDS
        return (self.due.rung - before[0], self.refused.rung - before[1], self.nodes.rung - before[2])


@pytest.fixture
async def world() -> World:
    world = World()
    await world.rings()
    return world


async def test_only_those_are_woken_for_whom_there_is_something(world: World) -> None:
    assert await world.rings() == (0, 0, 0)
    world.waiting = {Waiting.DUE, Waiting.WORDS}
    assert await world.rings() == (1, 0, 0)


async def test_who_knows_the_nodes_is_woken_when_they_have_changed(world: World) -> None:
    world.told = (2, None)
    assert [await world.rings(), await world.rings()] == [(0, 0, 1), (0, 0, 0)]


async def test_a_process_without_the_loop_that_knows_the_nodes_looks_for_its_others(world: World) -> None:
    world.waiting, followed = {Waiting.FOLLOWERS}, Bell()
    assert await GlanceRound(world, {Waiting.FOLLOWERS: followed}).run_once() == module.ROUND_SECONDS
    assert followed.rung == 1


async def test_where_nobody_can_look_all_look_by_themselves(world: World) -> None:
    world.error = ConnectionError("gone")
    with pytest.raises(ConnectionError):
        await world.round.run_once()
    assert (world.due.rung, world.refused.rung) == (1, 1)


async def ended(waiting: "asyncio.Task[None]") -> bool:
    await asyncio.sleep(0)
    return waiting.done()


async def test_who_rests_comes_back_when_he_is_woken() -> None:
    rest = Rest(longest_seconds=LONG)
    waiting = asyncio.create_task(rest.wait(0))
    for _ in range(5):
        assert not await ended(waiting)
    rest.wake()
    await until(lambda: waiting.done())


async def test_what_came_up_during_the_pause_is_not_forgotten_and_nothing_is_looked_at_twice() -> None:
    rest = Rest(longest_seconds=LONG)
    rest.wake()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await rest.wait(0)
    again = asyncio.create_task(rest.wait(0))
    for _ in range(5):
        assert not await ended(again)
    again.cancel()


async def test_who_is_woken_early_waits_for_the_end_of_his_pause() -> None:
    rest = Rest(longest_seconds=LONG)
    rest.wake()
    waiting = asyncio.create_task(rest.wait(LONG))
    for _ in range(5):
        assert not await ended(waiting)
    waiting.cancel()


async def test_nobody_rests_for_ever() -> None:
    waiting = asyncio.create_task(Rest(longest_seconds=0.01).wait(0))
    await until(lambda: waiting.done())
    assert waiting.exception() is None


class Idle:
    async def run_once(self) -> float:
        return LONG


def test_loops_for_which_something_may_wait_rest() -> None:
    loops = [Loop("refused", Idle()), Loop("sweep", Idle())]
    [refused, sweep], _ = with_rests(loops, notified={Waiting.DUE: Bell()})
    assert (refused.wait == asyncio.sleep, sweep.wait) == (False, asyncio.sleep)


def test_everything_that_may_wait_has_somebody_who_is_woken() -> None:
    notified = dict.fromkeys((Waiting.DUE, Waiting.WORKFLOWS, Waiting.FOLLOWERS, Waiting.DELIVERIES), Bell())
    _, wakes = with_rests([], notified=notified)
    assert set(wakes) == set(Waiting)
