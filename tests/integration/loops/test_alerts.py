import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from domain.alerts.rules import DEFAULT_RULES, AlertType
from domain.degradation import NO_MARKS, Marks
from domain.errors import BrokerUnavailable, Unavailable
from domain.redis_keys import process_key
from gateway.connection import redis_client
from loops import components
from loops.alerts import AlertsRound
from loops.components import Components
from loops.dispatch import DispatchRound
from services.alerts import RuleChange, change_rules
from services.resident.submission_batcher import SubmissionBatcher
from store.queries import leadership
from store.queries.alerts import AlertFilter, AlertRow, list_alerts
from tests.authors import AUTHOR
from tests.fakes.gateway import FakeBroker, FakePublisher, FakeQueueReader
from tests.patience import until
from tests.stored import add_task, add_undispatched, add_worker, ago
from tests.submissions import make_submission


class World:
    """A broker, components and marks that tests switch, and rounds over them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.broker = FakeBroker()
        self.down: dict[str, float] = {}
        self.processes: dict[str, float] = {}
        """That ended, as `ended` tells them."""
        self.told: set[str] = set()
        self.marks = NO_MARKS

    def current(self) -> Marks:
        return self.marks

    async def fresh(self) -> Marks:
        return self.marks

    def silent(self) -> dict[str, float]:
        return self.down

    def settling(self) -> frozenset[str]:
        return frozenset()

    def ended(self) -> dict[str, float]:
        return self.processes

    async def forget(self, told: Collection[str]) -> None:
        self.told |= set(told)

    def round(self) -> AlertsRound:
        return AlertsRound(self.engine, FakeQueueReader(self.broker), components=self, marks=self, lives=self)

    def dispatch(self) -> DispatchRound:
        return DispatchRound(self.engine, FakePublisher(self.broker), marks=self, broker=FakeQueueReader(self.broker))

    async def alerts(self, *, include_resolved: bool = False) -> list[AlertRow]:
        async with self.engine.connect() as connection:
            wanted = AlertFilter(include_resolved=include_resolved)
            return (await list_alerts(connection, wanted, limit=100, offset=0))[1]


@pytest.fixture
async def world(engine: AsyncEngine) -> World:
    """All rules impatient, one worker online."""
    impatient = {"for_seconds": 0, "resolve_after_seconds": 0}
    async with engine.begin() as connection:
        await change_rules(connection, [RuleChange(kind, impatient) for kind in DEFAULT_RULES], author=AUTHOR)
        await add_worker(connection, "celery@one", queues=["celery"])
    return World(engine)


def told(alerts: list[AlertRow]) -> set[tuple[str, str]]:
    return {(alert.type, alert.subject) for alert in alerts}


async def test_a_system_that_is_well_raises_nothing(world: World) -> None:
    assert await world.round().run_once() > 0
    assert await world.alerts(include_resolved=True) == []


async def test_a_deep_queue_is_raised_once_and_resolved_when_it_has_drained(world: World) -> None:
    async with world.engine.begin() as connection:
        await change_rules(connection, [RuleChange(AlertType.HIGH_QUEUE_DEPTH, {"threshold": 4.0})], author=AUTHOR)
        for _ in range(3):
            await add_undispatched(connection, queue_name="celery")
    look = world.round()
    message: Any = object()
    world.broker.queues["celery"] = [message, message]
    with capture_logs() as logs:
        for _ in range(3):
            await look.run_once()
    (alert,) = await world.alerts()
    assert (alert.type, alert.subject, alert.value) == ("HIGH_QUEUE_DEPTH", "celery", 5)
    assert [line["event"] for line in logs] == ["alert_raised"]

    world.broker.queues["celery"] = []
    with capture_logs() as logs:
        await look.run_once()
    assert await world.alerts() == []
    assert [line["event"] for line in logs] == ["alert_resolved"]


async def test_a_queue_of_a_known_worker_counts_though_nothing_of_ours_waits_there(world: World) -> None:
    message: Any = object()
    world.broker.queues["celery"] = [message] * 1001
    await world.round().run_once()
    assert told(await world.alerts()) == {("HIGH_QUEUE_DEPTH", "celery")}


async def test_several_conditions_stand_side_by_side(world: World) -> None:
    async with world.engine.begin() as connection:
        await add_worker(connection, "celery@two", silent=30, queues=[])
        await add_task(connection, queue_name="nowhere", dispatched_at=ago(100))
        await add_undispatched(connection, queue_name="celery", due_at=ago(100))
    world.down = {"redis": 20.0}
    await world.round().run_once()
    alerts = await world.alerts()
    assert told(alerts) == {
        ("WORKER_OFFLINE", "two"),
        ("TASKS_NOT_PICKED_UP", "nowhere"),
        ("DISPATCH_STALLED", ""),
        ("COMPONENT_DOWN", "redis"),
    }
    assert any("no online worker consumes it" in alert.description for alert in alerts)


async def test_a_parked_task_is_told_with_its_queue_and_reason_and_holds_up_nothing_else(world: World) -> None:
    reason = "the broker says: WRONGTYPE"
    refused = {"refusals": 5, "refusal": reason, "parked_at": ago(60), "postponed_at": ago(70), "due_at": ago(60)}
    async with world.engine.begin() as connection:
        first, _ = [await add_undispatched(connection, queue_name="cart", **refused) for _ in range(2)]
    await world.round().run_once()
    (alert,) = await world.alerts()
    assert (alert.type, alert.subject, alert.severity) == ("DISPATCH_STALLED", "cart", "WARNING")
    assert (
        alert.description
        == f"Task {first} for queue cart was refused again and again, and 1 more of the queue: {reason}"
    )


async def test_a_task_that_the_broker_gives_back_is_told_by_its_queue(world: World) -> None:
    async with world.engine.begin() as connection:
        await change_rules(connection, [RuleChange(AlertType.DISPATCH_STALLED, {"threshold": 1.0})], author=AUTHOR)
    async with SubmissionBatcher(world.engine) as batcher:
        submission = make_submission(queue_name="nowhere")
        await batcher.store(submission)
    world.broker.doubtful = {submission.task_id}
    dispatch, look = world.dispatch(), world.round()

    async def is_told() -> bool:
        await dispatch.run_once()
        await look.run_once()
        return ("DISPATCH_STALLED", "nowhere") in told(await world.alerts())

    async def is_over() -> bool:
        return not await is_told()

    await until(is_told)
    world.broker.doubtful = set()
    await until(is_over)


async def test_while_the_broker_is_down_workers_and_queues_are_not_judged(world: World) -> None:
    async with world.engine.begin() as connection:
        await add_worker(connection, "celery@two", silent=30)
    world.broker.available = False
    world.down = {"broker": 20.0}
    look = world.round()
    await look.run_once()
    assert told(await world.alerts()) == {("COMPONENT_DOWN", "broker")}
    world.broker.available, world.down = True, {}
    await look.run_once()
    assert told(await world.alerts()) == {("WORKER_OFFLINE", "two")}


async def test_patience_spans_rounds(world: World) -> None:
    async with world.engine.begin() as connection:
        await change_rules(connection, [RuleChange(AlertType.COMPONENT_DOWN, {"for_seconds": 1})], author=AUTHOR)
    world.down = {"redis": 20.0}
    look = world.round()
    await look.run_once()
    assert await world.alerts() == []

    async def look_again() -> list[AlertRow]:
        await look.run_once()
        return await world.alerts()

    assert told(await until(look_again)) == {("COMPONENT_DOWN", "redis")}


async def test_processes_side_by_side_raise_it_once(world: World) -> None:
    world.down = {"redis": 20.0}
    looks = [world.round() for _ in range(3)]
    for _ in range(3):
        await asyncio.gather(*(look.run_once() for look in looks))
    assert len(await world.alerts(include_resolved=True)) == 1


async def test_who_does_not_lead_writes_nothing(world: World) -> None:
    world.down = {"redis": 20.0}
    async with world.engine.begin() as leader:
        assert await leadership.take(leader, leadership.ALERTS)
        await world.round().run_once()
        assert await world.alerts() == []
    await world.round().run_once()
    assert told(await world.alerts()) == {("COMPONENT_DOWN", "redis")}


def failing(error: Exception) -> Callable[[], Awaitable[object]]:
    async def fail() -> object:
        raise error

    return fail


async def answering() -> object:
    return True


@pytest.mark.parametrize("error", [BrokerUnavailable(), RedisConnectionError(), ConnectionRefusedError()])
async def test_a_component_is_silent_from_its_first_failure_until_it_answers(error: Exception) -> None:
    checks: dict[str, Callable[[], Awaitable[object]]] = {"well": answering, "ill": failing(error)}
    asked = Components(checks)
    await asked.run_once()
    first = asked.silent()
    await asked.run_once()
    second = asked.silent()
    assert first.keys() == second.keys() == {"ill"}
    assert 0 <= first["ill"] < second["ill"]
    checks["ill"] = answering
    await asked.run_once()
    assert asked.silent() == {}


async def test_a_component_that_hangs_is_given_up() -> None:
    async def hang() -> object:
        return await asyncio.Event().wait()

    checks: Mapping[str, Callable[[], Awaitable[object]]] = {"hung": hang, "well": answering}
    asked = Components(checks, deadline_seconds=0.05)
    await asked.run_once()
    assert asked.silent().keys() == {"hung"}


async def test_a_fault_of_ours_is_not_taken_for_an_outage() -> None:
    with pytest.raises(KeyError):
        await Components({"broken": failing(KeyError("bug"))}).run_once()


async def test_a_process_that_ended_is_told_at_once_and_then_forgotten(world: World) -> None:
    world.processes = {"mirror": 0.2}
    look = world.round()
    await look.run_once()
    (alert,) = await world.alerts()
    assert (alert.type, alert.subject, alert.value) == ("COMPONENT_DOWN", "mirror", 0.2)
    assert world.told == {"mirror"}
    world.processes = {}
    await look.run_once()
    assert await world.alerts() == []


async def test_an_end_is_not_forgotten_by_loops_that_did_not_tell_it(world: World) -> None:
    world.processes = {"mirror": 0.2}
    async with world.engine.begin() as other:
        assert await leadership.take(other, leadership.ALERTS)
        await world.round().run_once()
    assert world.told == set()


async def test_a_mirror_is_missed_while_redis_answers_and_not_while_it_is_away(redis_url: str) -> None:
    here, nowhere = redis_client(redis_url), redis_client("redis://127.0.0.1:1/2")
    with pytest.raises(Unavailable):
        await components.check_mirror(here)
    await components.check_mirror(nowhere)
    await here.set(process_key("mirror"), "now")
    await components.check_mirror(here)
    for client in (here, nowhere):
        await client.aclose()
