"""Ends of tasks for tests without workers: told as a worker's events would tell them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from domain.facts import Detail, Fact, worker_event_key
from domain.states import EventType
from services.record import News, record
from store.engine import open_engine

NODE = "celery@one"


def tell(
    database_url: str,
    task_id: str,
    *types: EventType,
    node: str = NODE,
    second: float = 1.0,
    begun: datetime | None = None,
) -> None:
    """Let a worker tell these events of one run, `second` seconds apart; the first happens now, or when it is said."""
    begun = begun or datetime.now(UTC)
    facts = [
        _fact(task_id, kind, at=begun + n * timedelta(seconds=second), node=node, clock=n)
        for n, kind in enumerate(types)
    ]
    asyncio.run(_record(database_url, facts))


def finish(
    database_url: str,
    task_id: str,
    *,
    end: EventType = EventType.SUCCEEDED,
    seconds: float = 1.0,
    begun: datetime | None = None,
) -> None:
    """Let a task be received, run for so many seconds, and end."""
    tell(database_url, task_id, EventType.RECEIVED, EventType.STARTED, end, second=seconds, begun=begun)


def _fact(task_id: str, event_type: EventType, *, at: datetime, node: str, clock: int) -> Fact:
    key = worker_event_key(event_type, node, pid=1, clock=clock)
    retries = 0 if event_type is EventType.RECEIVED else None
    details: dict[str, Detail] = {"exception": "ValueError('no')"} if event_type is EventType.FAILED else {}
    return Fact(task_id, event_type, at, key, node, 1, clock, retries, details)


async def _record(database_url: str, facts: Sequence[Fact]) -> None:
    engine = open_engine(database_url, pool_size=1)
    async with engine.begin() as connection:
        await record(connection, News(facts=facts))
    await engine.dispose()
