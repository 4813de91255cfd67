"""The order of a round: measured, asked without a connection, judged by one process, told once it is stored."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.alerts.conditions import NOTHING_PENDING, AlertInputs, Judgement
from domain.alerts.rules import DEFAULT_RULES, AlertType
from domain.degradation import NO_MARKS, BlockedWork, Mark, Marks, Strategy
from domain.errors import BrokerUnavailable
from loops import alerts as module
from loops.alerts import OPEN_SECONDS, ROUND_SECONDS, SOONEST_SECONDS, AlertsRound
from store.queries.alerts import RuleInForce
from store.queries.for_alerts import Measured
from tests.facts import NOON
from tests.fakes.engine import FakeEngine
from tests.fakes.gateway import FakeBroker, FakeQueueReader

PAYMENTS = (AlertType.HIGH_QUEUE_DEPTH, "payments")


class World:
    """What a round reads, asks and writes."""

    ALERTS = 5

    def __init__(self) -> None:
        self.engine, self.broker = FakeEngine(), FakeBroker()
        self.inputs = AlertInputs()
        self.consumed: set[str] = set()
        self.apart: dict[str, Any] = {}
        self.foreign: dict[str, Any] | Exception = {}
        self.down: dict[str, float] = {}
        self.processes: dict[str, float] = {}
        self.forgotten: list[str] = []
        self.marks: Marks = NO_MARKS
        self.blocked: BlockedWork | None = None
        self.leads = True
        self.open_alerts = frozenset({PAYMENTS})
        self.judged: list[tuple[AlertInputs, Any]] = []
        self.judgement = Judgement((), (), {PAYMENTS: 0.0}, NOTHING_PENDING)
        self.written: list[Judgement] = []
        self.write_error: Exception | None = None
        self.held: list[int] = []
        """How many connections were open at each question to a server."""

    async def read_rules(self, _: Any) -> Mapping[AlertType, RuleInForce]:
        return {kind: RuleInForce(rule, None) for kind, rule in DEFAULT_RULES.items()}

    async def measure(self, _: Any, rules: Any, *, blocked: BlockedWork) -> Measured:
        assert rules == DEFAULT_RULES
        self.blocked = blocked
        return Measured(self.inputs, sorted(self.consumed), self.open_alerts)

    async def get_consumers(self, _: Any) -> Any:
        return SimpleNamespace(differences=self.apart)

    async def take(self, _: Any, lock: int) -> bool:
        assert lock == self.ALERTS
        return self.leads

    async def list_open_keys(self, _: Any) -> frozenset[Any]:
        return self.open_alerts

    def judge(self, inputs: AlertInputs, rules: Any, *, open_alerts: Any, pending: Any, **_: Any) -> Judgement:
        """Is asked again by who writes; that is kept once."""
        assert open_alerts == self.open_alerts
        if not self.judged or self.judged[-1] != (inputs, pending):
            self.judged.append((inputs, pending))
        return self.judgement

    async def write_changes(self, _: Any, judgement: Judgement) -> None:
        if self.write_error:
            raise self.write_error
        self.written.append(judgement)

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

    async def forget(self, processes: Collection[str]) -> None:
        self.forgotten += processes

    async def differences(self) -> Mapping[str, Any]:
        self.held.append(self.engine.open)
        if isinstance(self.foreign, Exception):
            raise self.foreign
        return self.foreign

    def round(self, **options: Any) -> AlertsRound:
        queues = FakeQueueReader(self.broker)
        return AlertsRound(self.engine.as_engine(), queues, components=self, marks=self, lives=self, **options)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    for name in ("read_rules", "measure", "get_consumers", "write_changes"):
        monkeypatch.setattr(module, name, getattr(world, name))
    for name in ("alerts", "leadership"):
        monkeypatch.setattr(module, name, world)
    monkeypatch.setattr(module, "judge_alerts", world.judge)
    return world


async def test_a_round_judges_what_was_measured_and_what_was_asked(world: World) -> None:
    world.inputs = AlertInputs(online_workers=3, due={"due": 2}, not_picked_up={"waits": 9.0})
    world.consumed = {"consumed"}
    world.down, world.processes = {"result_backend": 7.0}, {"mirror": 3.0}
    assert await world.round().run_once() == OPEN_SECONDS
    ((inputs, _),) = world.judged
    assert inputs == replace(
        world.inputs,
        waiting={"consumed": 0, "due": 0, "waits": 0},
        down={"result_backend": 7.0},
        ended={"mirror": 3.0},
        differing={},
    )
    assert world.written == [world.judgement]


async def test_no_connection_is_held_while_servers_are_asked(world: World) -> None:
    await world.round(prefixes=world).run_once()
    assert world.held == [0]


@pytest.mark.parametrize("down", [{}, {"broker": 60.0}])
async def test_a_broker_that_is_away_is_said_to_be_unknown_and_the_rest_is_judged(
    world: World, down: dict[str, float]
) -> None:
    world.broker.available = False
    world.down = down
    await world.round().run_once()
    ((inputs, _),) = world.judged
    assert (inputs.waiting, inputs.down) == (None, down)
    assert len(world.written) == 1


async def test_what_is_known_to_be_silent_is_not_asked(world: World) -> None:
    world.down = {"broker": 1.0, "redis": 1.0}

    async def find() -> tuple[str, ...]:
        raise AssertionError

    await world.round(prefixes=world, find_open_hosts=find).run_once()
    ((inputs, _),) = world.judged
    assert (inputs.waiting, inputs.differing, inputs.open_hosts, world.held) == (None, None, None, [])


async def test_servers_that_hang_are_given_up_together_and_the_rest_is_judged(world: World) -> None:
    given_up: list[str] = []

    async def hang() -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.append("one")

    world.differences = hang  # type: ignore[method-assign]
    round_ = world.round(prefixes=world, find_open_hosts=hang, ask_seconds=0.02)
    await round_.run_once()
    ((inputs, _),) = world.judged
    assert (inputs.waiting, inputs.differing, inputs.open_hosts) == ({}, None, None)
    await round_.close()
    assert given_up == ["one", "one"]


async def test_what_answers_again_while_it_was_judged_is_not_raised(world: World) -> None:
    world.down = {"redis": 60.0}

    async def take(_: Any, lock: int) -> bool:
        world.down = {}
        return True

    world.take = take  # type: ignore[method-assign]
    await world.round().run_once()
    assert [inputs.down for inputs, _ in world.judged] == [{"redis": 60.0}, {}]


async def test_the_next_look_comes_when_something_is_due(world: World) -> None:
    now = datetime.now(UTC)
    for_seconds = DEFAULT_RULES[AlertType.HIGH_QUEUE_DEPTH].for_seconds
    world.open_alerts = frozenset()
    world.judgement = Judgement((), (), {}, {(PAYMENTS, True): now - timedelta(seconds=for_seconds - 3)})
    assert 1 < await world.round().run_once() <= 3.1
    world.judgement = Judgement((), (), {}, {(PAYMENTS, True): now - timedelta(seconds=for_seconds)})
    assert await world.round().run_once() == SOONEST_SECONDS
    world.judgement = Judgement((), (), {}, NOTHING_PENDING)
    assert await world.round().run_once() == ROUND_SECONDS


async def test_differences_of_workers_and_of_prefixes_are_judged_together(world: World) -> None:
    world.apart, world.foreign = {"a": 1, "b": 1}, {"b": 2, "c": 2}
    await world.round(prefixes=world).run_once()
    differing: Any = world.judged[0][0].differing
    assert differing == {"a": 1, "b": 2, "c": 2}


async def test_where_prefixes_cannot_be_asked_differences_are_unknown_and_not_gone(world: World) -> None:
    world.apart, world.foreign = {"a": 1}, BrokerUnavailable()
    await world.round(prefixes=world).run_once()
    assert world.judged[0][0].differing is None


async def test_work_that_is_held_back_on_purpose_is_no_stalled_dispatch(world: World) -> None:
    world.marks = {"queue:payments": Mark("queue:payments", Strategy.QUEUE_ONLY, None)}
    await world.round().run_once()
    assert world.blocked is not None
    assert world.blocked.queue_names == {"payments"}


async def test_of_several_processes_one_writes_and_the_others_forget_nothing(world: World) -> None:
    world.leads, world.processes = False, {"mirror": 3.0}
    assert await world.round().run_once() == OPEN_SECONDS
    assert (world.written, world.forgotten) == ([], [])


async def test_where_nothing_comes_of_it_nothing_is_locked_or_written(world: World) -> None:
    pending = {(PAYMENTS, True): NOON}
    world.judgement = Judgement((), (), {}, pending)
    round_ = world.round()
    for _ in range(2):
        await round_.run_once()
    assert world.engine.ends == ["closed", "closed"]
    assert (world.written, world.judged[1][1]) == ([], pending)


async def test_an_ended_process_is_forgotten_once_its_alert_is_stored(world: World) -> None:
    world.processes = {"mirror": 3.0}
    world.write_error = ConnectionError("gone")
    round_ = world.round()
    with pytest.raises(ConnectionError):
        await round_.run_once()
    assert world.forgotten == []
    assert world.engine.ends == ["closed", "rolled back"]
    world.write_error = None
    await round_.run_once()
    assert world.forgotten == ["mirror"]


async def test_since_when_something_is_wrong_is_remembered_from_round_to_round(world: World) -> None:
    pending = {(PAYMENTS, True): NOON}
    world.judgement = replace(world.judgement, pending=pending)
    round_ = world.round()
    for _ in range(2):
        await round_.run_once()
    assert [remembered for _, remembered in world.judged] == [NOTHING_PENDING, pending]


async def test_what_could_not_be_stored_is_neither_remembered_nor_told(world: World) -> None:
    world.judgement = replace(world.judgement, pending={(PAYMENTS, True): NOON}, resolved={PAYMENTS: 0.0})
    world.write_error = ConnectionError("gone")
    round_ = world.round()
    with capture_logs() as logs, pytest.raises(ConnectionError):
        await round_.run_once()
    assert logs == []
    world.write_error = None
    await round_.run_once()
    assert world.judged[-1][1] == NOTHING_PENDING


async def test_what_is_raised_is_a_warning_and_what_is_resolved_is_not(world: World) -> None:
    rule = DEFAULT_RULES[AlertType.HIGH_QUEUE_DEPTH]
    finding: Any = SimpleNamespace(key=PAYMENTS, rule=rule, value=2_000.0)
    world.judgement = replace(world.judgement, raised=(finding,), resolved={PAYMENTS: 0.0})
    with capture_logs() as logs:
        await world.round().run_once()
    raised, resolved = logs
    assert raised == {
        "event": "alert_raised",
        "log_level": "warning",
        "type": AlertType.HIGH_QUEUE_DEPTH,
        "subject": "payments",
        "severity": rule.severity,
        "value": 2_000.0,
    }
    assert (resolved["event"], resolved["log_level"]) == ("alert_resolved", "info")


async def test_addresses_that_are_open_are_judged_with_the_rest(world: World) -> None:
    async def find() -> tuple[str, ...]:
        return ("0.0.0.0",)

    await world.round(find_open_hosts=find).run_once()
    ((inputs, _),) = world.judged
    assert inputs.open_hosts == ("0.0.0.0",)
