"""What each part is asked, and what it takes to call it unwell."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from api.health import checks as module
from api.health.checks import HealthChecks
from domain.degradation import BROKER, MIRROR, RESULT_BACKEND, WORKERS
from domain.errors import BrokerUnavailable, Unavailable
from domain.health import DATABASE, LOOPS, REDIS
from gateway.queues import QueueReader
from gateway.results.reader import ResultReader
from services.components import Unwell
from store.queries.mirror import MirrorState
from tests.fakes.gateway import FakeBroker, FakeQueueReader, FakeResultReader


class World:
    """What the checks read."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.online = 1
        self.alive = {MIRROR, LOOPS}
        self.lives: dict[str, bool] = {}
        self.statements = 0
        self.pings = 0
        self.readings = 0

    async def ask(self) -> Sequence[Any]:
        self.statements += 1
        return (1,)

    async def ping(self) -> None:
        self.pings += 1

    async def read_state(self) -> Sequence[Any]:
        self.readings += 1
        return (0.5, 0, self.online)

    async def is_alive(self, _: Any, process: str) -> bool:
        return process in self.alive

    async def list_lives(self, _: Any, *, known: Collection[str]) -> Mapping[str, bool]:
        return self.lives


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    for name in ("is_alive", "list_lives"):
        monkeypatch.setattr(module, name, getattr(world, name))
    return world


@pytest.fixture
def checks(world: World) -> HealthChecks:
    return HealthChecks(
        world,
        SimpleNamespace(ask=world.read_state),
        redis=cast(Redis, world),
        queues=cast(QueueReader, FakeQueueReader(world.broker)),
        results=cast(ResultReader, FakeResultReader(world.broker)),
    )


async def ask(checks: HealthChecks, name: str) -> None:
    await checks.by_name()[name]()


def test_seven_parts_are_asked(checks: HealthChecks) -> None:
    assert set(checks.by_name()) == {DATABASE, REDIS, BROKER, RESULT_BACKEND, WORKERS, MIRROR, LOOPS}


async def test_while_all_is_well_no_check_complains(world: World, checks: HealthChecks) -> None:
    for name in checks.by_name():
        await ask(checks, name)
    assert (world.statements, world.pings) == (1, 1)


@pytest.mark.parametrize(("name", "error"), [(BROKER, BrokerUnavailable), (RESULT_BACKEND, Unavailable)])
async def test_a_server_that_is_away_says_so_itself(
    world: World, checks: HealthChecks, name: str, error: type[Exception]
) -> None:
    world.broker.available = False
    with pytest.raises(error):
        await ask(checks, name)


async def test_who_asks_at_the_same_time_shares_an_answer(world: World, checks: HealthChecks) -> None:
    await asyncio.gather(*(ask(checks, name) for name in (WORKERS, MIRROR, LOOPS)))
    assert world.readings == 1
    await ask(checks, WORKERS)
    assert world.readings == 2


async def test_no_worker_online_is_unwell(world: World, checks: HealthChecks) -> None:
    world.online = 0
    with pytest.raises(Unwell, match=r"^no worker is online$"):
        await ask(checks, WORKERS)


@pytest.mark.parametrize(
    ("process", "reason"),
    [(MIRROR, "no mirror gives a sign of life"), (LOOPS, "no loops give a sign of life")],
)
async def test_a_process_without_a_sign_of_life_is_unwell(
    world: World, checks: HealthChecks, process: str, reason: str
) -> None:
    world.alive.remove(process)
    with pytest.raises(Unwell, match=f"^{reason}$"):
        await ask(checks, process)


async def test_what_the_mirror_has_written_is_kept_even_where_it_is_silent(world: World, checks: HealthChecks) -> None:
    assert checks.mirror is None
    world.alive.clear()
    with pytest.raises(Unwell):
        await ask(checks, MIRROR)
    assert checks.mirror == MirrorState(0.5, 0, 1)


@pytest.mark.parametrize("process", [MIRROR, LOOPS])
async def test_an_end_that_nobody_asked_for_is_told_in_one_round_though_another_runs(
    world: World, checks: HealthChecks, process: str
) -> None:
    world.lives = {f"{process}:1": True, f"{process}:2": True}
    await ask(checks, process)
    world.lives[f"{process}:1"] = False
    with pytest.raises(Unwell, match=r"^a process ended unasked$"):
        await ask(checks, process)
    await ask(checks, process)
    world.lives[f"{process}:2"] = False
    with pytest.raises(Unwell):
        await ask(checks, process)


async def test_ends_from_before_the_first_round_are_not_told(world: World, checks: HealthChecks) -> None:
    world.lives = {f"{MIRROR}:1": False, f"{MIRROR}:2": True}
    await ask(checks, MIRROR)


async def test_the_end_of_one_kind_of_process_is_not_that_of_another(world: World, checks: HealthChecks) -> None:
    world.lives = {f"{MIRROR}:1": True, f"{LOOPS}:1": True}
    await ask(checks, MIRROR)
    await ask(checks, LOOPS)
    world.lives[f"{MIRROR}:1"] = False
    await ask(checks, LOOPS)
    with pytest.raises(Unwell):
        await ask(checks, MIRROR)
