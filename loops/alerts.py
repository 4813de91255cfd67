"""Looks every few seconds whether anything is wrong enough to say so, and whether what was wrong is well again."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.alerts.conditions import NOTHING_PENDING, AlertInputs, Judgement, Key, judge_alerts, seconds_to_next
from domain.alerts.rules import AlertType, Rule
from domain.broker_options import OptionDifference
from domain.degradation import BROKER, KnowsMarks, blocked_by
from domain.errors import BrokerUnavailable
from domain.health import REDIS
from gateway.ports import FindsDifferences, ReadsQueues
from services.alerts import measure, read_rules, write_changes
from services.components import Questions, Unwell
from store.engine import stating
from store.queries import alerts, leadership
from store.queries.workers.consumers import get_consumers

ROUND_SECONDS = 5.0
OPEN_SECONDS = 2.0
"""How soon is looked again while an alert is open: what is over is not told for long."""
SOONEST_SECONDS = 1.0
MARGIN_SECONDS = 0.05
ASK_SECONDS = 5.0
"""How long servers may take to answer, all of them at once: RabbitMQ is asked about each queue by itself."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class KnowsSilence(Protocol):
    """The part of `loops.components.Components` that this needs."""

    def silent(self) -> dict[str, float]: ...

    def settling(self) -> frozenset[str]: ...


class KnowsEnds(Protocol):
    """The part of `loops.process_lives.LivesRound` that this needs."""

    def ended(self) -> Mapping[str, float]: ...

    async def forget(self, processes: Collection[str]) -> None: ...


class AlertsRound:
    """Looks once. Any number of processes may look; what is open lies in Postgres, and one at a time writes it.

    Nothing that Redis or a broker does holds it up: what is known to be silent is not asked, and nothing is awaited
    for long.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        queues: ReadsQueues,
        *,
        components: KnowsSilence,
        marks: KnowsMarks,
        lives: KnowsEnds,
        prefixes: FindsDifferences | None = None,
        find_open_hosts: Callable[[], Awaitable[Collection[str] | None]] | None = None,
        ask_seconds: float = ASK_SECONDS,
    ) -> None:
        self._engine = engine
        self._lives = lives
        self._prefixes = prefixes
        self._find_open_hosts = find_open_hosts
        self._marks = marks
        self._queues = queues
        self._components = components
        self._questions = Questions()
        self._ask_seconds = ask_seconds
        self._pending = NOTHING_PENDING

    async def run_once(self) -> float:
        """Measure, judge, store. The next look is due when something would be raised or resolved, or soon anyhow."""
        blocked = blocked_by(await self._marks.fresh())
        async with stating(self._engine) as connection:
            rules = {kind: in_force.rule for kind, in_force in (await read_rules(connection)).items()}
            measured = await measure(connection, rules, blocked=blocked)
            apart = (await get_consumers(connection)).differences
        # No connection is held while servers are asked that may take seconds to answer.
        names = {*measured.consumed, *measured.inputs.due, *measured.inputs.not_picked_up}
        waiting, differing, open_hosts = await asyncio.gather(
            self._answer("depths", lambda: self._queues.depths(sorted(names)), of=BROKER),
            self._answer("prefixes", partial(self._differing, apart), of=BROKER),
            self._answer("open_hosts", self._find_open_hosts or _nowhere, of=REDIS),
        )
        found = replace(measured.inputs, waiting=waiting, differing=differing, open_hosts=open_hosts)
        told = await self._settle(found, rules, open_alerts=measured.open_alerts)
        if told is not None:
            await self._lives.forget(told)
        return self._pause(rules, longest=OPEN_SECONDS if measured.open_alerts else ROUND_SECONDS)

    async def close(self) -> None:
        """Give up whatever is still being asked."""
        await self._questions.close()

    async def _answer(self, name: str, question: Callable[[], Awaitable[T | None]], *, of: str) -> T | None:
        """What a server answers; None where it is known to be silent, or does not answer in time."""
        if of in self._components.silent():
            return None
        try:
            return await self._questions.answer(name, question, within_seconds=self._ask_seconds)
        except (BrokerUnavailable, Unwell) as error:
            log.debug("alert_question_unanswered", question=name, error=type(error).__name__)
            return None

    async def _differing(self, apart: Mapping[str, OptionDifference]) -> Mapping[str, OptionDifference]:
        return {**apart, **(await self._prefixes.differences() if self._prefixes else {})}

    async def _settle(
        self, found: AlertInputs, rules: Mapping[AlertType, Rule], *, open_alerts: Collection[Key]
    ) -> Collection[str] | None:
        """Judge, and store what comes of it, which mostly is nothing; returns which processes' ends were told, None if
        another process does all that."""
        inputs = self._as_of_now(found)
        judgement = self._judge(inputs, rules, open_alerts=open_alerts)
        if judgement.raised or judgement.still_open or judgement.resolved:
            async with self._engine.begin() as connection:
                if not await leadership.take(connection, leadership.ALERTS):
                    return None
                # Others may have raised or resolved some since, and what was down may be up again.
                inputs = self._as_of_now(found)
                judgement = self._judge(inputs, rules, open_alerts=await alerts.list_open_keys(connection))
                await write_changes(connection, judgement)
        self._pending = judgement.pending
        _tell(judgement)
        return inputs.ended.keys()

    def _as_of_now(self, found: AlertInputs) -> AlertInputs:
        asked = self._components
        return replace(found, down=asked.silent(), settling=asked.settling(), ended=self._lives.ended())

    def _pause(self, rules: Mapping[AlertType, Rule], *, longest: float) -> float:
        due = seconds_to_next(rules, self._pending, down=self._components.silent(), now=datetime.now(UTC))
        return longest if due is None else min(max(due + MARGIN_SECONDS, SOONEST_SECONDS), longest)

    def _judge(
        self, inputs: AlertInputs, rules: Mapping[AlertType, Rule], *, open_alerts: Collection[Key]
    ) -> Judgement:
        return judge_alerts(inputs, rules, open_alerts=open_alerts, pending=self._pending, now=datetime.now(UTC))


async def _nowhere() -> Collection[str] | None:
    return ()


def _tell(judgement: Judgement) -> None:
    for finding in judgement.raised:
        kind, subject = finding.key
        log.warning("alert_raised", type=kind, subject=subject, severity=finding.rule.severity, value=finding.value)
    for kind, subject in judgement.resolved:
        log.info("alert_resolved", type=kind, subject=subject)
