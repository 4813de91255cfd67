"""The facts of tasks, as kept in `events`."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, BigInteger, Integer, Select, Text, and_, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import Fact
from domain.sight import Sight
from domain.states import EventType
from store.at_rest import AtRest, at_rest_of
from store.batch import IDS, batch_of, bind_rows
from store.queries.sight import KEPT, seen
from store.tables.base import Time
from store.tables.tasks import events, tasks

COLUMNS = ("task_id", "occurred_at", "event_key", "event_type", "node", "pid", "clock", "retries", "details")
TRACEBACK = "traceback"
"""The one detail that is encrypted at rest, where anything is."""

_batch = batch_of(
    task_id=Text,
    occurred_at=Time,
    event_key=Text,
    event_type=Text,
    node=Text,
    pid=BigInteger,
    clock=BigInteger,
    retries=Integer,
    details=Text,
)
_add = (
    insert(events)
    .from_select(COLUMNS, select(*(_batch.c[name] for name in COLUMNS[:-1]), cast(_batch.c.details, JSON)))
    .on_conflict_do_nothing()
)
_of_tasks = select(*(events.c[name] for name in COLUMNS)).where(
    events.c.task_id == bindparam("task_ids", type_=ARRAY(Text)).any_(), events.c.occurred_at >= bindparam("since")
)


async def add_facts(connection: AsyncConnection, facts: Iterable[Fact]) -> None:
    """Store facts; one that is there already is left alone."""
    vault = at_rest_of(connection)
    await connection.execute(_add, bind_rows(COLUMNS, (_row(vault, fact) for fact in facts)))


async def get_facts(connection: AsyncConnection, task_ids: Sequence[str], *, since: datetime) -> dict[str, list[Fact]]:
    """Return all facts of these tasks that happened at or after `since`, by task.

    Uses the primary key of each daily partition; `since` (the tasks' `events_from`) leaves out older ones.
    """
    facts: dict[str, list[Fact]] = defaultdict(list)
    vault = at_rest_of(connection)
    for row in (await connection.execute(_of_tasks, {"task_ids": list(task_ids), "since": since})).all():
        facts[row.task_id].append(_fact(vault, row))
    return facts


_latest = (
    select(*(events.c[name] for name in COLUMNS))
    .where(events.c.task_id == bindparam("task_id", type_=Text), events.c.occurred_at >= bindparam("since"))
    .order_by(events.c.occurred_at.desc())
    .limit(bindparam("limit", type_=Integer))
)


async def get_latest_facts(connection: AsyncConnection, task_id: str, *, since: datetime, limit: int) -> list[Fact]:
    """Return up to `limit` facts of one task, those that happened last (primary key of each daily partition)."""
    rows = await connection.execute(_latest, {"task_id": task_id, "since": since, "limit": limit})
    vault = at_rest_of(connection)
    return [_fact(vault, row) for row in rows]


@dataclass(frozen=True, slots=True)
class ReplayCount:
    """How often a task was run again, as far as its facts are kept."""

    task_id: str
    replays: int
    last_replayed_at: datetime


@lru_cache(maxsize=KEPT)
def _replays(sight: Sight) -> Select[Any]:
    of_task = events.c.task_id == tasks.c.task_id
    return (
        select(tasks.c.task_id, func.count(), func.max(events.c.occurred_at))
        .join(events, and_(of_task, events.c.occurred_at >= tasks.c.events_from))
        .where(
            tasks.c.task_id == any_(bindparam("task_ids", type_=IDS)),
            events.c.event_type == EventType.REPLAYED.value,
            *seen(sight),
        )
        .group_by(tasks.c.task_id)
    )


async def count_replays(connection: AsyncConnection, task_ids: Sequence[str], *, sight: Sight) -> list[ReplayCount]:
    """Return how often those of these tasks were run again that are seen and were, in the order asked for (primary key
    of tasks, and of each daily partition since a task's `events_from`).
    """
    rows = await connection.execute(_replays(sight), {"task_ids": list(task_ids)})
    found = {row.task_id: ReplayCount(*row) for row in rows}
    return [found[task_id] for task_id in dict.fromkeys(task_ids) if task_id in found]


def _fact(vault: AtRest, row: Any) -> Fact:
    task_id, at, key, event_type, node, pid, clock, retries, details = row
    if details and details.get(TRACEBACK):
        details[TRACEBACK] = vault.open_shown(details[TRACEBACK], task_id, column=TRACEBACK)
    return Fact(task_id, EventType(event_type), at, key, node, pid, clock, retries, details or {})


def _row(vault: AtRest, fact: Fact) -> tuple[object, ...]:
    told = dict(fact.details)
    if traceback := told.get(TRACEBACK):
        told[TRACEBACK] = vault.seal(str(traceback), fact.task_id, column=TRACEBACK)
    details = json.dumps(told) if told else None
    return (fact.task_id, fact.at, fact.key, fact.type.value, fact.node, fact.pid, fact.clock, fact.retries, details)
