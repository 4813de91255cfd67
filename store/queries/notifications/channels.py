"""Channels of notifications: stored, changed, listed, and what became of what was sent through them.

The URL of a channel is encrypted here as it is written, and read by `get_url` alone, for whoever sends.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, case, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notifications.delivery import Attempt, MessageStatus, Outcome
from domain.notifications.routes import ChannelSeen
from store.at_rest import at_rest_of
from store.tables.notifications import (
    notification_channels,
    notification_messages,
    notification_routes,
    notification_told,
)

URL = "url"


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, with everything but its URL."""

    channel_id: UUID
    name: str
    shown: str
    enabled: bool
    created_at: datetime
    created_by: str
    failing_since: datetime | None
    last_attempt_at: datetime | None
    last_outcome: str | None
    last_code: int | None
    last_delivered_at: datetime | None


_columns = [notification_channels.c[name] for name in Channel.__dataclass_fields__]
_this = notification_channels.c.channel_id == bindparam("wanted")


async def add_channel(connection: AsyncConnection, channel_id: UUID, *, values: Mapping[str, object], url: str) -> None:
    """Store a channel (primary key)."""
    sealed = at_rest_of(connection).seal(url, str(channel_id), column=URL)
    row = {"channel_id": channel_id, URL: sealed, **values}
    await connection.execute(insert(notification_channels).values(row))


async def change_channel(
    connection: AsyncConnection, channel_id: UUID, *, values: Mapping[str, object], url: str | None
) -> None:
    """Write these columns, and the URL if there is a new one (primary key)."""
    news = dict(values)
    if url is not None:
        news[URL] = at_rest_of(connection).seal(url, str(channel_id), column=URL)
    if news:
        await connection.execute(update(notification_channels).where(_this).values(news), {"wanted": channel_id})


async def get_channel(connection: AsyncConnection, channel_id: UUID) -> Channel | None:
    """Return the channel of this id (primary key)."""
    row = (await connection.execute(select(*_columns).where(_this), {"wanted": channel_id})).one_or_none()
    return Channel(*row) if row else None


async def get_url(connection: AsyncConnection, channel_id: UUID) -> str | None:
    """Return the URL of a channel; None if there is no such channel (primary key). Raises CannotOpen."""
    stored = select(notification_channels.c.url).where(_this)
    text = (await connection.execute(stored, {"wanted": channel_id})).scalar_one_or_none()
    return None if text is None else at_rest_of(connection).open(text, str(channel_id), column=URL)


async def list_channels(connection: AsyncConnection, *, limit: int, offset: int) -> tuple[int, list[Channel]]:
    """How many channels there are and one page of them, by name (unique index of the name)."""
    total = (await connection.execute(select(func.count()).select_from(notification_channels))).scalar_one()
    page = select(*_columns).order_by(notification_channels.c.name).limit(limit).offset(offset)
    return total, [Channel(*row) for row in await connection.execute(page)]


async def list_enabled(connection: AsyncConnection) -> dict[UUID, ChannelSeen]:
    """Return the channels that are switched on, by their ids. They are few: no index is needed."""
    known = select(notification_channels.c.channel_id, notification_channels.c.name, notification_channels.c.since)
    rows = await connection.execute(known.where(notification_channels.c.enabled))
    return {row.channel_id: ChannelSeen(row.name, row.since) for row in rows}


async def delete_channel(connection: AsyncConnection, channel_id: UUID) -> None:
    """Remove a channel, its place in every route, and what was told through it (primary key)."""
    without = func.array_remove(notification_routes.c.channel_ids, channel_id)
    holds = literal(channel_id, Uuid) == any_(notification_routes.c.channel_ids)
    await connection.execute(update(notification_routes).where(holds).values(channel_ids=without))
    for table in (notification_messages, notification_told, notification_channels):
        await connection.execute(delete(table).where(table.c.channel_id == channel_id))


_note = (
    update(notification_channels)
    .where(_this)
    .values(
        last_attempt_at=func.now(),
        last_outcome=bindparam("outcome"),
        last_code=bindparam("code"),
        last_delivered_at=case((bindparam("delivered"), func.now()), else_=notification_channels.c.last_delivered_at),
        failing_since=case(
            (bindparam("delivered"), None),
            (bindparam("by_hand"), notification_channels.c.failing_since),
            else_=func.coalesce(notification_channels.c.failing_since, func.now()),
        ),
    )
)


async def note_attempt(
    connection: AsyncConnection, channel_id: UUID, *, attempt: Attempt, by_hand: bool = False
) -> None:
    """Keep what became of the last attempt, and since when none has come through (primary key).

    A test by hand that fails is no message that anybody missed: whoever made it is told.
    """
    values = {"outcome": attempt.outcome.value, "code": attempt.code}
    delivered = attempt.outcome is Outcome.DELIVERED
    await connection.execute(_note, {"wanted": channel_id, "delivered": delivered, "by_hand": by_hand, **values})


async def drop_waiting(connection: AsyncConnection, channel_id: UUID) -> None:
    """Remove the messages that wait for a channel (index notification_messages_of_channel)."""
    waits = notification_messages.c.status == MessageStatus.PENDING.value
    await connection.execute(
        delete(notification_messages).where(notification_messages.c.channel_id == channel_id, waits)
    )


async def count_existing(connection: AsyncConnection, channel_ids: Collection[UUID]) -> int:
    """Return how many of these ids are those of channels (primary key)."""
    found = select(func.count()).where(notification_channels.c.channel_id.in_(channel_ids))
    count: int = (await connection.execute(found)).scalar_one()
    return count
