"""Looks every few seconds whether anything is wrong enough to say so, and whether what was wrong is well again."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.alerts.conditions import NOTHING_PENDING, AlertInputs, Judgement, Key, judge_alerts
from domain.alerts.rules import AlertType, Rule
from domain.broker_options import OptionDifference
from domain.degradation import KnowsMarks, blocked_by
from domain.errors import BrokerUnavailable
from gateway.ports import FindsDifferences, ReadsQueues
from services.alerts import measure, read_rules, write_changes
from store.engine import stating
from store.queries import alerts, leadership
from store.queries.workers.consumers import get_consumers

ROUND_SECONDS = 5.0

log = structlog.get_logger(__name__)


class AsksComponents(Protocol):
    """The part of `loops.components.Components` that this needs."""

    async def ask(self) -> dict[str, float]: ...


class KnowsEnds(Protocol):
    """The part of `loops.process_lives.LivesRound` that this needs."""

    def ended(self) -> Mapping[str, float]: ...

    async def forget(self, processes: Collection[str]) -> None: ...


class AlertsRound:
    """Looks once. Any number of processes may look; what is open lies in Postgres, and one at a time writes it."""

    def __init__(
        self,
        engine: AsyncEngine,
        queues: ReadsQueues,
        *,
        components: AsksComponents,
        marks: KnowsMarks,
        lives: KnowsEnds,
        prefixes: FindsDifferences | None = None,
        find_open_hosts: Callable[[], Awaitable[Collection[str] | None]] | None = None,
    ) -> None:
        self._engine = engine
        self._lives = lives
        self._prefixes = prefixes
        self._find_open_hosts = find_open_hosts
        self._marks = marks
        self._queues = queues
        self._components = components
        self._pending = NOTHING_PENDING

    async def run_once(self) -> float:
        """Measure, judge, store."""
        blocked = blocked_by(await self._marks.fresh())
        async with stating(self._engine) as connection:
            rules = {kind: in_force.rule for kind, in_force in (await read_rules(connection)).items()}
            measured = await measure(connection, rules, blocked=blocked)
            apart = (await get_consumers(connection)).differences
        # No connection is held while servers are asked that may take seconds to answer.
        inputs = measured.inputs
        waiting = await self._depths({*measured.consumed, *inputs.due, *inputs.not_picked_up})
        down, ended = await self._components.ask(), self._lives.ended()
        differing = await self._differing(apart)
        open_hosts = await self._find_open_hosts() if self._find_open_hosts else ()
        found = replace(inputs, waiting=waiting, down=down, ended=ended, differing=differing, open_hosts=open_hosts)
        if await self._settle(found, rules, open_alerts=measured.open_alerts):
            await self._lives.forget(ended.keys())
        return ROUND_SECONDS

    async def _depths(self, queue_names: Collection[str]) -> dict[str, int] | None:
        try:
            return await self._queues.depths(sorted(queue_names))
        except BrokerUnavailable:
            return None

    async def _differing(self, apart: Mapping[str, OptionDifference]) -> Mapping[str, OptionDifference] | None:
        try:
            return {**apart, **(await self._prefixes.differences() if self._prefixes else {})}
        except BrokerUnavailable:
            return None

    async def _settle(
        self, inputs: AlertInputs, rules: Mapping[AlertType, Rule], *, open_alerts: Collection[Key]
    ) -> bool:
        """Judge, and store what comes of it; false if another process does it. Mostly nothing does."""
        judgement = self._judge(inputs, rules, open_alerts=open_alerts)
        if judgement.raised or judgement.still_open or judgement.resolved:
            async with self._engine.begin() as connection:
                if not await leadership.take(connection, leadership.ALERTS):
                    return False
                # Others may have raised or resolved some since.
                judgement = self._judge(inputs, rules, open_alerts=await alerts.list_open_keys(connection))
                await write_changes(connection, judgement)
        self._pending = judgement.pending
        _tell(judgement)
        return True

    def _judge(
        self, inputs: AlertInputs, rules: Mapping[AlertType, Rule], *, open_alerts: Collection[Key]
    ) -> Judgement:
        return judge_alerts(inputs, rules, open_alerts=open_alerts, pending=self._pending, now=datetime.now(UTC))


def _tell(judgement: Judgement) -> None:
    for finding in judgement.raised:
        kind, subject = finding.key
        log.warning("alert_raised", type=kind, subject=subject, severity=finding.rule.severity, value=finding.value)
    for kind, subject in judgement.resolved:
        log.info("alert_resolved", type=kind, subject=subject)
