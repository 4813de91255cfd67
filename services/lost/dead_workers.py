"""Finds and records what dead workers held.

`loops/lost/dead_workers.py` proves that a worker is dead, and `gateway/message_mover.py` puts its messages back. A task
whose message is left runs again. Where none is left, the run had begun and was acknowledged early: the task has failed.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.deliveries import OPEN
from domain.facts import Detail, Fact
from domain.fold import Attempt, fold
from domain.redaction.rules import COMMON, Redaction
from domain.redis_keys import node_key
from domain.results import StoredResult
from domain.states import EventType
from domain.workers.status import SILENCE
from services.dispatch import withdrawn
from services.record import News, record
from services.redaction import mask_errors
from store.queries import events, gaps
from store.queries.lost import dead_workers
from store.queries.lost.dead_workers import Orphan
from store.queries.tasks import writing

BATCH_SIZE = 1_000
LOST_WITH_WORKER = "WorkerLost: {node} ended while it held this task, and no message of it is left."


async def find_orphans(connection: AsyncConnection) -> list[Orphan]:
    """Return attempts whose worker may be dead. Silence counts only if we were listening all the while."""
    orphans = await dead_workers.list_orphans(connection, limit=BATCH_SIZE)
    if not orphans:
        return []
    now = datetime.now(UTC)
    # A gap is stored when it ends: the margin is for one that has just ended.
    deaf = await gaps.overlaps_gap(connection, since=now - SILENCE - timedelta(seconds=1), until=now)
    return [orphan for orphan in orphans if orphan.restarted] if deaf else orphans


async def drop_living(redis: Redis, suspects: Sequence[Orphan]) -> list[Orphan]:
    """Return the suspects without those whose process still renews its sign of life, as our plugin does to its very
    end.

    Raises what the client raises.
    """
    nodes = sorted({orphan.node for orphan in suspects if orphan.plugin and not orphan.restarted})
    living = await list_living(redis, nodes)
    return [orphan for orphan in suspects if orphan.node not in living]


async def list_living(redis: Redis, nodes: Sequence[str]) -> frozenset[str]:
    """Return those of these nodes with our plugin that show life. Raises what the client raises."""
    signs = await redis.mget([node_key(node) for node in nodes]) if nodes else []
    return frozenset(node for node, sign in zip(nodes, signs, strict=True) if sign)


async def record_ends(
    connection: AsyncConnection, results: Collection[StoredResult], *, redaction: Redaction = COMMON
) -> frozenset[str]:
    """Store the ends that the backend tells of such tasks; returns the ids of those that ended by it.

    Of an id that is used again the backend may still tell yesterday's end.
    """
    ended = [result for result in results if result.status is not None]
    return await record(connection, await mask_errors(connection, News(results=ended), redaction=redaction))


async def record_lost(
    connection: AsyncConnection, lost: Sequence[Orphan], *, without_message: Collection[str], cancelled: Collection[str]
) -> None:
    """Record these attempts as lost; tasks in `without_message` fail with it, those in `cancelled` are.

    Looks again under the lock: an attempt of which more was heard meanwhile is left alone.
    """
    locked = await writing.lock_tasks(connection, [orphan.task_id for orphan in lost])
    if not locked:
        return
    facts_by_task = await events.get_facts(
        connection, list(locked), since=min(task.events_from for task in locked.values())
    )
    facts: list[Fact] = []
    for orphan in lost:
        attempt = _find(orphan, facts_by_task.get(orphan.task_id, ()))
        if attempt is not None:
            facts.append(_loss(orphan, attempt, final=orphan.task_id in without_message))
            if orphan.task_id in cancelled:
                facts.append(withdrawn(orphan.task_id, facts[-1].at, reason="its worker is gone"))
    await record(connection, News(facts=facts))


def _find(orphan: Orphan, facts: Collection[Fact]) -> Attempt | None:
    attempts = [attempt for attempt in fold(facts).attempts if attempt.node == orphan.node and attempt.state in OPEN]
    return next((attempt for attempt in attempts if attempt.number == orphan.number), None)


def _loss(orphan: Orphan, attempt: Attempt, *, final: bool) -> Fact:
    details: dict[str, Detail] = {"reason": "its worker is gone"}
    if final:
        details |= {"final": True, "exception": LOST_WITH_WORKER.format(node=orphan.node)}
    return Fact(
        task_id=orphan.task_id,
        type=EventType.LOST,
        at=datetime.now(UTC),
        key=f"{EventType.LOST}:{attempt.facts[0].key}",
        node=orphan.node,
        pid=attempt.pid,
        retries=attempt.retries,
        details=details,
    )
