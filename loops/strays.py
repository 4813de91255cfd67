"""Puts back messages on Redis that the broker counts as fetched and that no worker has.

When a connection breaks just as a message is fetched, the worker comes back without it; the broker would give it out
again only after the visibility timeout, which is hours. RabbitMQ gives it out at once, by itself.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.degradation import MIRROR
from gateway.recall import Held
from loops.absences import Absences
from services.signs_of_life import is_alive
from store.queries import leadership, strays, workers

ROUND_SECONDS = 10.0
FETCHED = timedelta(seconds=60)
"""A worker tells of what it has fetched within a moment."""
BATCH_SIZE = 5_000
"""Messages looked at, the longest held first. Where workers hold more than that for long, later strays wait."""

log = structlog.get_logger(__name__)


class PutsBack(Protocol):
    """The part of `gateway.recall.Recall` that this needs."""

    async def list_fetched(self, *, before: datetime, limit: int) -> list[Held]: ...

    async def put_back_fetched(self, messages: Collection[Held], *, before: datetime) -> frozenset[str]: ...


class AsksNodes(Protocol):
    """The part of `gateway.control.Control` that this needs."""

    async def list_active(self, nodes: Collection[str]) -> tuple[frozenset[str], Mapping[str, object]]: ...

    async def query_tasks(self, task_ids: Collection[str], nodes: Collection[str]) -> Mapping[str, object]: ...


class FindsAbsent(Protocol):
    """The part of `gateway.presence.Presence` that this needs."""

    async def find_absent(self, nodes: Collection[str]) -> frozenset[str]: ...


class StraysRound:
    """One look at what has been fetched for longer than a minute. One process at a time does it, for all of a look."""

    def __init__(
        self, engine: AsyncEngine, recall: PutsBack, control: AsksNodes, presence: FindsAbsent, redis: Redis
    ) -> None:
        self._engine = engine
        self._recall = recall
        self._control = control
        self._presence = presence
        self._redis = redis
        self._absences = Absences()

    async def run_once(self) -> float:
        """Find, prove, put back. Raises BrokerUnavailable."""
        async with self._engine.begin() as leading:
            if not await leadership.take(leading, leadership.STRAYS):
                return ROUND_SECONDS
            now = datetime.now(UTC)
            before = now - FETCHED
            fetched = await self._recall.list_fetched(before=before, limit=BATCH_SIZE)
            unheld = await strays.list_unheld(leading, {held.task_id for held in fetched}) if fetched else frozenset()
            absent = await self._absent(unheld) if unheld else frozenset()
            proven = set(self._absences.missing_again(absent, looked_at=unheld, now=now))
            if proven:
                strayed = [held for held in fetched if held.task_id in proven]
                back = await self._recall.put_back_fetched(strayed, before=before)
                log.warning("strays_put_back", count=len(back))
            return ROUND_SECONDS

    async def _absent(self, task_ids: frozenset[str]) -> frozenset[str]:
        """Those that no worker has; none while one is connected and does not answer, or the mirror does not hear.

        What runs is asked for apart: a worker that lost its connection runs on, and forgets the ids of its tasks.
        """
        if not await is_alive(self._redis, MIRROR):
            return frozenset()
        async with self._engine.connect() as connection:
            nodes = [node for node, _ in await workers.list_consumers(connection)]
            silent = await strays.list_silent_nodes(connection)
        answered, active = await self._control.list_active(nodes)
        if not (answered >= set(nodes) and await self._presence.find_absent(silent) >= silent):
            return frozenset()
        return task_ids - active.keys() - (await self._control.query_tasks(task_ids, nodes)).keys()
