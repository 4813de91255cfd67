"""Deliveries made of changes: who is to be told from where on, and rows that are there once however often made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Interval,
    Select,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.feed import Place
from domain.webhooks.attempts import DeliveryStatus
from domain.webhooks.webhook import Because, State, Webhook
from store.at_rest import at_rest_of
from store.batch import IDS, batch_of, bind_rows
from store.queries.webhooks.settings import webhook_of
from store.tables.webhooks import webhook_attempts, webhook_cursors, webhook_deliveries, webhooks

_COLUMNS = ("delivery_id", "webhook_id", "event_id", "type", "subject_id", "xact", "change_id", "body", "is_test")
_batch = batch_of(
    delivery_id=Uuid,
    webhook_id=Text,
    event_id=Text,
    type=Text,
    subject_id=Text,
    xact=BigInteger,
    change_id=BigInteger,
    body=Text,
    is_test=Boolean,
)
_add = (
    insert(webhook_deliveries)
    .from_select(
        (*_COLUMNS, "status", "next_attempt_at"),
        select(*(_batch.c[name] for name in _COLUMNS), literal(DeliveryStatus.PENDING.value), func.now()),
    )
    .on_conflict_do_nothing()
)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """What a webhook is to be told of one change."""

    delivery_id: UUID
    webhook_id: str
    event_id: str
    type: str
    subject_id: str
    place: Place
    body: str
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Follower:
    """A webhook, and the cursor up to where the feed has become deliveries of it."""

    webhook: Webhook
    cursor: str


_following = (
    select(*webhooks.c, webhook_cursors.c.cursor)
    .join_from(webhook_cursors, webhooks, webhooks.c.webhook_id == webhook_cursors.c.webhook_id)
    .where(webhooks.c.state == State.ENABLED.value)
)
any_follower = _following.exists()
"""Whether anybody wants to be told of changes."""
_followers = _following.order_by(webhook_cursors.c.webhook_id).with_for_update(of=webhook_cursors, skip_locked=True)


async def lock_followers(connection: AsyncConnection) -> list[Follower]:
    """Lock the cursors of all enabled webhooks that nobody else has locked, and return them (tables of 100 rows)."""
    vault = at_rest_of(connection)
    rows = (await connection.execute(_followers)).all()
    return [Follower(webhook_of(row, vault), row.cursor) for row in rows]


async def add_deliveries(connection: AsyncConnection, deliveries: Sequence[NewDelivery]) -> None:
    """Store these, but for those that are there (unique by webhook and event)."""
    vault = at_rest_of(connection)
    rows = (
        (
            each.delivery_id,
            each.webhook_id,
            each.event_id,
            each.type,
            each.subject_id,
            each.place.xact,
            each.place.change_id,
            vault.seal(each.body, str(each.delivery_id), column="body"),
            each.is_test,
        )
        for each in deliveries
    )
    await connection.execute(_add, bind_rows(_COLUMNS, rows))


_move = (
    update(webhook_cursors)
    .where(webhook_cursors.c.webhook_id == func.any(bindparam("webhook_ids", type_=IDS)))
    .values(cursor=bindparam("new_cursor"))
)


async def move_cursors(connection: AsyncConnection, webhook_ids: Sequence[str], *, cursor: str) -> None:
    """Note up to where the feed has become deliveries of these (primary key)."""
    await connection.execute(_move, {"webhook_ids": list(webhook_ids), "new_cursor": cursor})


def _some(*conditions: ColumnElement[bool], most: int) -> Select[Any]:
    return select(webhook_deliveries.c.delivery_id).where(*conditions).limit(most).with_for_update(skip_locked=True)


async def drop_undeliverable(connection: AsyncConnection, *, most: int) -> int:
    """Drop so many of what endpoints were to be told that are gone or deleted (index webhook_deliveries_due)."""
    gone = (webhooks.c.disabled_because == Because.GONE.value) & (webhooks.c.state == State.DISABLED.value)
    theirs = select(webhooks.c.webhook_id).where(gone | (webhooks.c.state == State.DELETED.value))
    pending = (webhook_deliveries.c.webhook_id.in_(theirs), webhook_deliveries.c.status == DeliveryStatus.PENDING.value)
    dropped = (
        update(webhook_deliveries)
        .where(webhook_deliveries.c.delivery_id.in_(_some(*pending, most=most)))
        .values(status=DeliveryStatus.DROPPED.value, leased_until=None, next_attempt_at=None, done_at=func.now())
    )
    return int((await connection.execute(dropped)).rowcount)


async def delete_old(connection: AsyncConnection, *, kept_for: timedelta, most: int) -> int:
    """Delete so many deliveries that are older, with their attempts; returns how many (webhook_deliveries_old)."""
    is_old = webhook_deliveries.c.created_at < func.now() - literal(kept_for, Interval)
    return await _delete(connection, is_old, most=most)


async def delete_deleted(connection: AsyncConnection, *, most: int) -> int:
    """Delete so many deliveries of webhooks that were deleted, and the webhooks once they have none; returns how many
    deliveries (index webhook_deliveries_listed).
    """
    deleted = select(webhooks.c.webhook_id).where(webhooks.c.state == State.DELETED.value)
    gone = await _delete(connection, webhook_deliveries.c.webhook_id.in_(deleted), most=most)
    if not gone:
        await connection.execute(delete(webhooks).where(webhooks.c.state == State.DELETED.value))
    return gone


async def _delete(connection: AsyncConnection, condition: ColumnElement[bool], *, most: int) -> int:
    these = webhook_deliveries.c.delivery_id.in_(_some(condition, most=most))
    rows = delete(webhook_deliveries).where(these).returning(webhook_deliveries.c.delivery_id).cte("gone")
    theirs = webhook_attempts.c.delivery_id.in_(select(rows.c.delivery_id))
    attempts = delete(webhook_attempts).where(theirs).returning(webhook_attempts.c.attempt_no).cte("attempts")
    counted = select(func.count()).select_from(rows).add_cte(attempts)
    return int((await connection.execute(counted)).scalar_one())
