"""Rows put straight into the tables, where a test needs what would take hours to come about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from domain.workers.status import worker_id_of
from store.tables.tasks import outbox, tasks
from store.tables.workers import workers


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def add_task(connection: AsyncConnection, **given: Any) -> str:
    """A task handed to the broker just now and not yet received, unless told otherwise."""
    now = datetime.now(UTC)
    row = {
        "task_id": str(uuid7()),
        "task_name": "celeriac.add",
        "status": "PENDING",
        "phase": "queued",
        "queue_name": "celery",
        "created_at": now,
        "dispatched_at": now,
        "events_from": now,
        "checked_at": now,
        "submitted_here": True,
    } | given
    await connection.execute(insert(tasks).values(row))
    return str(row["task_id"])


async def add_undispatched(connection: AsyncConnection, *, queue_name: str, **outbox_columns: Any) -> str:
    """A task in the outbox, due since a second ago unless told otherwise."""
    task_id = await add_task(connection, phase="dispatching", dispatched_at=None, queue_name=queue_name)
    row = {"task_id": task_id, "due_at": ago(1)} | outbox_columns
    await connection.execute(insert(outbox).values(row))
    return task_id


async def add_worker(connection: AsyncConnection, node: str, *, silent: float = 0, **given: Any) -> None:
    """A node last heard so many seconds ago, and described then."""
    at = ago(silent)
    row = {
        "worker_id": worker_id_of(node),
        "node": node,
        "first_seen_at": at,
        "last_heartbeat_at": at,
        "last_event_at": at,
        "described_at": at,
    }
    await connection.execute(insert(workers).values(row | given))
