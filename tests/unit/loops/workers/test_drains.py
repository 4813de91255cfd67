"""Each step of a drain, and what it takes to say that a worker is gone; Postgres is a list, the broker a fake."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from domain.workers.status import SILENCE
from gateway.control import Work
from gateway.descriptions import NodeDescription
from loops.workers import drains as module
from loops.workers.drains import SHUTDOWN_AGAIN, UNPROVEN, Drains
from services.workers.orders import WorkerOrders
from store.queries.workers.nodes import WorkerRow
from tests.facts import NOON
from tests.fakes.engine import FakeEngine
from tests.fakes.gateway import FakeBroker, FakeControl, FakePauseKeys, FakePresence
from tests.unit.loops.workers.rows import worker

NODE = "celery@one"
STANDING: dict[str, Any] = {"is_paused": True, "drain_started_at": NOON}
TOLD: dict[str, Any] = {"drain_started_at": NOON, "drain_shutdown_at": NOON, "online": False}
LEFT = TOLD | {"goodbye_at": NOON}


class Wishes:
    """Stands in for `store.queries.workers.wishes`."""

    def __init__(self) -> None:
        self.draining: list[WorkerRow] = []
        self.remaining: dict[UUID, tuple[str, ...]] = {}
        self.told: list[UUID] = []
        self.not_after: datetime | None = None
        self.finished: list[UUID] = []
        self.is_ours = True
        """Whether this process is the one that takes the step."""

    async def list_draining(self, _: Any, *, limit: int) -> list[WorkerRow]:
        return self.draining[:limit]

    async def note_remaining(self, _: Any, worker_id: UUID, *, task_ids: Collection[str]) -> None:
        self.remaining[worker_id] = tuple(task_ids)

    async def note_shutdown(self, _: Any, worker_id: UUID, *, not_after: datetime) -> bool:
        self.told.append(worker_id)
        self.not_after = not_after
        return self.is_ours

    async def finish_drain(self, _: Any, worker_id: UUID) -> bool:
        self.finished.append(worker_id)
        return self.is_ours


class World:
    """Drains, and all around them."""

    def __init__(self) -> None:
        self.wishes, self.broker, self.keys, self.engine = Wishes(), FakeBroker(), FakePauseKeys(), FakeEngine()
        self.presence = FakePresence(self.broker)
        self.living: set[str] = set()
        self.redis_error: Exception | None = None
        self.running_here: set[str] = set()
        self.now = 0.0
        self.fed: list[UUID] = []
        """The workers of which the feed was told that they are drained."""
        control = FakeControl(self.broker)
        self.drains = Drains(
            self.engine.as_engine(),
            control,
            orders=WorkerOrders(control, self.keys),
            presence=self.presence,
            redis=cast(Redis, None),
        )

    async def list_living(self, _: Any, nodes: Collection[str]) -> frozenset[str]:
        if self.redis_error and nodes:
            raise self.redis_error
        return frozenset(nodes) & self.living

    def answer(self, node: str = NODE) -> None:
        """Let the node be there and answer."""
        self.broker.nodes[node] = cast(NodeDescription, SimpleNamespace(node=node))

    async def tell_drained(self, _: Any, worker_id: UUID, *, node: str) -> None:
        assert node == NODE
        self.fed.append(worker_id)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(module, "wishes", world.wishes)
    monkeypatch.setattr(module, "list_living", world.list_living)
    monkeypatch.setattr(module, "tell_drained", world.tell_drained)
    monkeypatch.setattr(module, "runs_here", lambda node, _: node in world.running_here)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: world.now))
    return world


async def test_a_worker_that_still_runs_tasks_is_waited_for_and_they_are_named(world: World) -> None:
    world.answer()
    world.broker.work[NODE] = Work(("t1", "t2"))
    world.wishes.draining = [row := worker(**STANDING)]
    await world.drains.move_on()
    assert world.wishes.remaining == {row.worker_id: ("t1", "t2")}
    assert (world.wishes.told, world.broker.orders) == ([], [])


async def test_one_that_has_nothing_left_is_told_to_exit(world: World) -> None:
    world.answer()
    world.wishes.draining = [worker(**STANDING)]
    with capture_logs() as logs:
        await world.drains.move_on()
    assert world.broker.orders == [("shutdown", NODE)]
    assert world.wishes.finished == []
    assert [(event["event"], event["node"]) for event in logs] == [("worker_told_to_exit", NODE)]


async def test_who_was_told_a_moment_ago_is_not_told_again(world: World) -> None:
    world.answer()
    world.wishes.draining = [worker(**STANDING)]
    world.wishes.is_ours = False  # what `note_shutdown` says then
    with capture_logs() as logs:
        await world.drains.move_on()
    assert (world.broker.orders, logs) == ([], [])
    assert world.wishes.not_after is not None
    assert datetime.now(UTC) - world.wishes.not_after >= SHUTDOWN_AGAIN


@pytest.mark.parametrize("said", [{"is_paused": False}, {"is_paused": None}, {"online": False}])
async def test_who_does_not_stand_still_is_not_sent_away(world: World, said: dict[str, Any]) -> None:
    world.answer()
    world.wishes.draining = [worker(**(STANDING | said))]
    await world.drains.move_on()
    assert (world.broker.orders, world.wishes.told) == ([], [])


async def test_who_does_not_say_what_it_does_is_not_sent_away(world: World) -> None:
    world.wishes.draining = [worker(**STANDING)]
    await world.drains.move_on()
    assert (world.broker.orders, world.wishes.told) == ([], [])


async def test_after_a_goodbye_who_is_absent_is_drained_and_its_next_start_is_ordinary(world: World) -> None:
    world.keys.held = {NODE}
    world.wishes.draining = [row := worker(**LEFT)]
    with capture_logs() as logs:
        await world.drains.move_on()
    assert world.wishes.finished == world.fed == [row.worker_id]
    assert world.keys.held == set()
    assert [event["event"] for event in logs] == ["worker_drained"]


async def test_a_drain_that_another_process_has_finished_is_told_once(world: World) -> None:
    world.keys.held = {NODE}
    world.wishes.is_ours = False
    world.wishes.draining = [worker(**LEFT)]
    with capture_logs() as logs:
        await world.drains.move_on()
    assert (world.keys.held, world.fed, logs) == ({NODE}, [], [])


async def test_who_is_heard_after_its_goodbye_is_the_process_that_follows(world: World) -> None:
    world.answer()
    world.wishes.draining = [row := worker(**(LEFT | {"online": True}))]
    await world.drains.move_on()
    assert world.wishes.finished == [row.worker_id]


@pytest.mark.parametrize("reason", ["listens", "shows life", "runs here", "broker away", "redis away"])
async def test_a_goodbye_alone_is_no_end(world: World, reason: str) -> None:
    world.presence.connected = {NODE} if reason == "listens" else set()
    world.living = {NODE} if reason == "shows life" else set()
    world.running_here = {NODE} if reason == "runs here" else set()
    world.broker.available = reason != "broker away"
    world.redis_error = RedisConnectionError() if reason == "redis away" else None
    world.wishes.draining = [worker(**(LEFT | {"plugin": "0.1.0"}))]
    await world.drains.move_on()
    assert world.wishes.finished == []


async def test_a_proof_that_cannot_be_had_is_logged_without_an_address(world: World) -> None:
    world.redis_error = RedisConnectionError("redis://:s3cret@h")
    world.wishes.draining = [worker(**(LEFT | {"plugin": "0.1.0"}))]
    with capture_logs() as logs:
        await world.drains.move_on()
    assert logs == [{"event": "drain_not_proven", "log_level": "info", "count": 1, "error": "ConnectionError"}]


async def test_a_stock_worker_shows_no_life_and_needs_no_redis(world: World) -> None:
    world.redis_error = RedisConnectionError()
    world.wishes.draining = [row := worker(**LEFT)]
    await world.drains.move_on()
    assert world.wishes.finished == [row.worker_id]


@pytest.mark.parametrize(("seconds", "is_gone"), [(0, False), (1, True)])
async def test_a_goodbye_without_a_proof_is_an_end_after_a_minute(world: World, seconds: int, is_gone: bool) -> None:
    world.presence.connected = {NODE}
    world.wishes.draining = [row := worker(**LEFT)]
    await world.drains.move_on()
    world.now = UNPROVEN.total_seconds() + seconds
    await world.drains.move_on()
    assert world.wishes.finished == ([row.worker_id] if is_gone else [])


async def test_silence_before_a_goodbye_is_not_counted_after_it(world: World) -> None:
    world.presence.connected = {NODE}
    world.wishes.draining = [worker(**TOLD)]
    await world.drains.move_on()
    world.wishes.draining = [row := worker(**LEFT)]
    for world.now, finished in ((10.0, []), (UNPROVEN.total_seconds() + 5, []), (71.0, [row.worker_id])):
        await world.drains.move_on()
        assert world.wishes.finished == finished


async def test_who_runs_on_this_machine_is_never_gone_however_long_it_is_silent(world: World) -> None:
    world.running_here = {NODE}
    world.wishes.draining = [worker(**LEFT), worker("celery@two", **TOLD)]
    world.running_here.add("celery@two")
    for world.now in (0.0, 1e6):
        await world.drains.move_on()
    assert world.wishes.finished == []


async def test_who_was_told_to_exit_and_is_silent_is_gone_after_a_while(world: World) -> None:
    world.wishes.draining = [row := worker(**TOLD)]
    await world.drains.move_on()
    world.now = SILENCE.total_seconds()
    await world.drains.move_on()
    assert world.wishes.finished == []
    world.now += 1
    await world.drains.move_on()
    assert world.wishes.finished == [row.worker_id]


async def test_one_answer_makes_its_silence_begin_anew(world: World) -> None:
    world.wishes.draining = [worker(**TOLD)]
    await world.drains.move_on()
    world.now = SILENCE.total_seconds() + 1
    world.answer()
    await world.drains.move_on()
    world.broker.nodes.clear()
    await world.drains.move_on()
    assert world.wishes.finished == []


async def test_who_was_not_told_to_exit_is_not_gone_however_silent(world: World) -> None:
    world.wishes.draining = [worker(**(TOLD | {"drain_shutdown_at": None}))]
    for world.now in (0.0, 1e6):
        await world.drains.move_on()
    assert world.wishes.finished == []


async def test_a_drain_that_is_given_up_and_begun_again_has_its_whole_time(world: World) -> None:
    row = worker(**TOLD)
    for world.now, draining in ((0.0, [row]), (100.0, []), (100.0, [row])):
        world.wishes.draining = draining
        await world.drains.move_on()
    assert world.wishes.finished == []


async def test_a_deadline_that_has_passed_is_told_once_and_nobody_is_killed(world: World) -> None:
    world.answer()
    world.broker.work[NODE] = Work(("t1",))
    passed = datetime.now(UTC) - timedelta(seconds=1)
    world.wishes.draining = [worker(**STANDING, drain_deadline_at=passed, drain_remaining=["t1"])]
    with capture_logs() as logs:
        await world.drains.move_on()
        await world.drains.move_on()
    assert logs == [{"event": "drain_overdue", "log_level": "warning", "node": NODE, "remaining": 1}]
    assert world.broker.orders == []


async def test_a_deadline_that_lies_ahead_is_not_told(world: World) -> None:
    world.answer()
    world.broker.work[NODE] = Work(("t1",))
    world.wishes.draining = [worker(**STANDING, drain_deadline_at=datetime.now(UTC) + timedelta(hours=1))]
    with capture_logs() as logs:
        await world.drains.move_on()
    assert logs == []


async def test_no_connection_is_held_while_workers_are_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []

    async def list_work(nodes: Collection[str]) -> dict[str, Work]:
        held.append(world.engine.open)
        return {}

    monkeypatch.setattr(world.drains._control, "list_work", list_work)
    world.wishes.draining = [worker(**STANDING)]
    await world.drains.move_on()
    assert held == [0]
