"""The facts of tasks, as kept in `events`."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Integer, Text, bindparam, cast, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import Fact
from domain.states import EventType
from store.at_rest import AtRest, at_rest_of
from store.batch import batch_of, bind_rows
from store.tables.base import Time
from store.tables.tasks import events

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
