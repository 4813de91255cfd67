"""Recording who did what, in the transaction that does it: the one function that every verb of people calls.

What the loops do by themselves is no act of anybody and leaves no row. A submission is told by its task.
"""

import asyncio
from dataclasses import replace

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from domain.audit import Author, Change, Outcome
from services.transactions import Transact
from store.queries.audit import add_row

INTENT_SECONDS = 2.0
"""How long a mark waits for its row: a database that hangs is what it may be there for."""

log = structlog.get_logger(__name__)


async def record_change(connection: AsyncConnection, change: Change, *, author: Author) -> None:
    """Write the row of a change. It is committed with the change, or neither is."""
    await add_row(connection, uuid7(), author=author, change=change)


async def record_intent(transact: Transact, change: Change, *, author: Author) -> None:
    """Record what is about to be done outside of PostgreSQL, in a transaction of its own.

    Marks are there for when PostgreSQL is away. Then the log line is the record.
    """
    try:
        async with asyncio.timeout(INTENT_SECONDS), transact() as connection:
            await record_change(connection, replace(change, outcome=Outcome.REQUESTED), author=author)
    except (TimeoutError, SQLAlchemyError, OSError) as error:
        log.warning(
            "change_not_audited",
            action=change.action.value,
            subject=change.subject_id,
            actor=author.label,
            reason=author.reason,
            error=type(error).__name__,
        )
