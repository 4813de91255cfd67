"""Looks after what dead workers held, within seconds of their being noticed.

A worker is dead if it was silent for 15 s while we listened, answers no question, has no connection to the broker and,
with our plugin, has let its sign of life fade; or if a new process of its name says that it does not hold the task,
no other of the name was heard for 15 s, and none answers: a name is not a process.
A task goes back only if no live worker holds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.degradation import MIRROR
from domain.proofs import LEFT_ELSEWHERE
from domain.redaction.rules import COMMON, Redaction
from gateway.control import HeldTask
from gateway.ports import AsksNodes, KnowsConnections, PutsBack, ReadsQueues, ReadsResults
from loops.lost.seen_twice import BETWEEN_LOOKS, SeenTwice
from loops.workers.shared_names import note_shared_names
from services.lost.dead_workers import drop_living, find_orphans, record_ends, record_lost
from services.resident.signs_of_life import is_alive
from store.engine import stating
from store.queries import leadership
from store.queries.lost import doubts
from store.queries.lost.dead_workers import Orphan
from store.queries.workers.consumers import get_consumers

ROUND_SECONDS = 1.0
UNPROVEN_SECONDS = 5.0
"""A proof asks every node and takes a second."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What a rescue asks and moves."""

    presence: KnowsConnections
    mover: PutsBack
    queues: ReadsQueues
    control: AsksNodes
    results: ReadsResults


class DeadWorkersRound:
    """Looks once at what workers held that may be dead. One process at a time does it, for the whole of a look."""

    def __init__(
        self,
        engine: AsyncEngine,
        gateway: Gateway,
        *,
        redis: Redis,
        between_looks: timedelta = BETWEEN_LOOKS,
        redaction: Redaction = COMMON,
    ) -> None:
        self._engine = engine
        self._gateway = gateway
        self._redis = redis
        self._redaction = redaction
        self._seen_twice = SeenTwice(between_looks=between_looks)

    async def run_once(self) -> float:
        """Find, prove, put back, record. Raises BrokerUnavailable."""
        async with stating(self._engine) as connection:
            if not await find_orphans(connection):
                return ROUND_SECONDS
        # The lock is held until all is recorded: two who move the same messages could move one twice.
        async with self._engine.begin() as leading:
            if not await leadership.take(leading, leadership.DEAD_WORKERS):
                return UNPROVEN_SECONDS
            suspects = await find_orphans(leading)
            if not suspects:
                return ROUND_SECONDS
            proven = await self._prove(suspects) if await is_alive(self._redis, MIRROR) else []
            await self._rescue(proven)
            return ROUND_SECONDS if proven else UNPROVEN_SECONDS

    async def _prove(self, suspects: Sequence[Orphan]) -> list[Orphan]:
        """Return those of which it is sure that their process is gone and that no live worker holds them."""
        silent = await drop_living(self._redis, [orphan for orphan in suspects if not orphan.restarted])
        absent = await self._gateway.presence.find_absent(sorted({orphan.node for orphan in silent}))
        proven = [orphan for orphan in silent if orphan.node in absent]
        restarted = [orphan for orphan in suspects if orphan.restarted]
        if not (proven or restarted):
            return []
        said = await self._gateway.control.ask_everyone({orphan.task_id for orphan in (*proven, *restarted)})
        await note_shared_names(self._engine, said.replies)
        proven += [orphan for orphan in restarted if said.replies.get(orphan.node) == 1]
        return [orphan for orphan in proven if not _is_held(orphan, said.holders.get(orphan.task_id))]

    async def _rescue(self, orphans: Sequence[Orphan]) -> None:
        if not orphans:
            return
        stranded = [orphan for orphan in orphans if not orphan.outrun]
        results = await self._gateway.results.fetch([orphan.task_id for orphan in stranded])
        async with self._engine.begin() as connection:
            ended = await record_ends(connection, results.values(), redaction=self._redaction)
        left = [orphan for orphan in stranded if orphan.task_id not in ended]
        cancelled = {orphan.task_id for orphan in left if orphan.cancel_requested}
        await self._gateway.mover.discard(cancelled)
        back = await self._gateway.mover.put_back({orphan.task_id for orphan in left} - cancelled)
        # Of what is stored and cannot be read nobody knows how it ended; but it ran, so nothing is said of it here.
        unread = {task_id for task_id, result in results.items() if result.is_unread}
        in_broker, without_message = await self._sort(
            [orphan for orphan in left if orphan.task_id not in back | cancelled | unread]
        )
        lost = [
            orphan
            for orphan in orphans
            if orphan.outrun or orphan.task_id in back | cancelled | in_broker | without_message
        ]
        elsewhere = {orphan.task_id for orphan in left if orphan.task_id in without_message and _must_be_left(orphan)}
        async with self._engine.begin() as connection:
            await record_lost(connection, lost, without_message=without_message - elsewhere, cancelled=cancelled)
            await doubts.note(connection, dict.fromkeys(elsewhere, LEFT_ELSEWHERE))
        if lost:
            log.warning(
                "orphans_rescued",
                lost=len(lost),
                put_back=len(back),
                failed=len(without_message - elsewhere),
                cancelled=len(cancelled),
            )

    async def _sort(self, orphans: Sequence[Orphan]) -> tuple[set[str], set[str]]:
        """Tasks whose message the broker has, and tasks of which nothing is left; nobody knows yet of the others."""
        task_ids = {orphan.task_id for orphan in orphans}
        names = {orphan.queue_name for orphan in orphans if orphan.queue_name}
        found = await self._gateway.queues.ids_in_queues(names, among=task_ids) if task_ids else set()
        async with stating(self._engine) as connection:
            known = await get_consumers(connection)
        unsearchable = [orphan for orphan in orphans if found is None or known.hider_since(orphan.sent_at)]
        # RabbitMQ has put back what was not acknowledged; a run is acknowledged at its start, unless late.
        in_broker = {orphan.task_id for orphan in unsearchable if not orphan.started or orphan.acks_late is not False}
        in_broker |= found or set()
        without_message = self._seen_twice.missing_again(
            task_ids - in_broker, looked_at=task_ids, now=datetime.now(UTC)
        )
        return in_broker, set(without_message)


def _must_be_left(orphan: Orphan) -> bool:
    """Whether its message was not acknowledged: if it is nowhere, it lies where we do not look (`unacked_key`)."""
    return not orphan.plugin and (not orphan.started or orphan.acks_late is True)


def _is_held(orphan: Orphan, place: HeldTask | None) -> bool:
    """Tell whether a live worker holds it; of what another delivery has taken on, whether the very node does."""
    return place is not None and (not orphan.outrun or place.node == orphan.node)
