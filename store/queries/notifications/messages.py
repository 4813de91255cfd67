"""Messages of notifications: what is to be told, planned once, leased by whoever sends, and what became of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Interval,
    Text,
    Uuid,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from domain.alerts.rules import AlertType, Severity
from domain.notifications.delivery import Attempt, MessageStatus, Outcome
from domain.notifications.messages import Text as MessageText
from domain.notifications.messages import Tone
from domain.notifications.routes import LOOKED_BACK, AlertSeen, Phase, Planned, Told
from store.batch import Columns, batch_of, bind_rows
from store.tables.alerts import alerts
from store.tables.notifications import (
    notification_channels,
    notification_messages,
    notification_routes,
    notification_told,
)

MOST_ALERTS = 2_000
"""Alerts that one round looks at, the newest first."""
PENDING = MessageStatus.PENDING.value
TYPES = frozenset(kind.value for kind in AlertType)

_seen = [alerts.c[name] for name in AlertSeen.__dataclass_fields__]


def _is_recent(back: ColumnElement[timedelta]) -> ColumnElement[bool]:
    return or_(alerts.c.resolved_at.is_(None), alerts.c.resolved_at > func.now() - back)


_lately = _is_recent(bindparam("back", type_=Interval))


async def list_seen(connection: AsyncConnection, *, back: timedelta) -> list[AlertSeen]:
    """Return the alerts that are open, or were within this time (indexes alerts_open and alerts_resolved)."""
    newest = select(*_seen).where(_lately).order_by(alerts.c.created_at.desc()).limit(MOST_ALERTS)
    found = []
    for alert_id, kind, subject, severity, *rest in await connection.execute(newest, {"back": back}):
        if kind in TYPES:  # else of a newer version
            found.append(AlertSeen(alert_id, AlertType(kind), subject, Severity(severity), *rest))
    return found


async def list_told(connection: AsyncConnection, alert_ids: Collection[UUID]) -> dict[tuple[UUID, UUID], Told]:
    """Return what was last told of these alerts, by alert and channel (primary key)."""
    wanted = select(notification_told).where(notification_told.c.alert_id.in_(alert_ids))
    return {(row.alert_id, row.channel_id): Told(Phase(row.phase), row.at) for row in await connection.execute(wanted)}


async def count_waiting(connection: AsyncConnection) -> dict[UUID, int]:
    """Return how many messages wait for each channel (index notification_messages_pending)."""
    waiting = (
        select(notification_messages.c.channel_id, func.count())
        .where(notification_messages.c.status == PENDING)
        .group_by(notification_messages.c.channel_id)
    )
    return {row[0]: row[1] for row in await connection.execute(waiting)}


_TOLD: Columns = {"alert_id": Uuid(), "channel_id": Uuid(), "phase": Text()}
_told = batch_of(**_TOLD)
_insert_told = insert(notification_told).from_select((*_TOLD, "at"), select(*_told.c, func.now()))
_save_told = _insert_told.on_conflict_do_update(
    index_elements=["alert_id", "channel_id"],
    set_={name: _insert_told.excluded[name] for name in ("phase", "at")},
)
_MESSAGE: Columns = {
    "message_id": Uuid(),
    "channel_id": Uuid(),
    "route_id": Uuid(),
    "title": Text(),
    "body": Text(),
    "kind": Text(),
    "alerts": Integer(),
}
_message = batch_of(**_MESSAGE)
_add_messages = insert(notification_messages).from_select(
    (*_MESSAGE, "status"), select(*_message.c, literal(PENDING, Text))
)


async def add_messages(connection: AsyncConnection, planned: Sequence[tuple[Planned, MessageText]]) -> None:
    """Store these messages and that they tell what they tell, so that nothing is planned twice (primary keys)."""
    if not planned:
        return
    rows = [
        (uuid7(), each.channel_id, each.route_id, text.title, text.body, text.kind.value, len(each.notices))
        for each, text in planned
    ]
    await connection.execute(_add_messages, bind_rows(tuple(_MESSAGE), rows))
    told = [
        (notice.alert.alert_id, each.channel_id, notice.phase.value) for each, _ in planned for notice in each.notices
    ]
    await connection.execute(_save_told, bind_rows(tuple(_TOLD), told))


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is to be sent now, and by nobody else until its lease is over."""

    message_id: UUID
    channel_id: UUID
    channel: str
    text: MessageText
    attempts: int
    """Including the one that is to come."""
    created_at: datetime


_is_due = (
    notification_messages.c.status == PENDING,
    notification_messages.c.next_attempt_at <= func.now(),
    or_(notification_messages.c.leased_until.is_(None), notification_messages.c.leased_until <= func.now()),
)
_due_messages = (
    select(
        *(
            notification_messages.c[name]
            for name in ("message_id", "channel_id", "title", "body", "kind", "attempts", "created_at")
        ),
        notification_channels.c.name,
    )
    .join(notification_channels, notification_channels.c.channel_id == notification_messages.c.channel_id)
    .where(*_is_due, notification_channels.c.enabled)
)
_due = (
    _due_messages.order_by(notification_channels.c.failing_since.is_not(None), notification_messages.c.message_id)
    .with_for_update(of=notification_messages, skip_locked=True)
    .limit(bindparam("most", type_=Integer))
)
any_to_tell = or_(
    _due_messages.exists(),
    and_(
        exists().where(notification_channels.c.enabled),
        exists().where(notification_routes.c.enabled),
        exists().where(_is_recent(literal(LOOKED_BACK, Interval))),
    ),
)
"""Whether a message is due, or there is an alert of which people may have to be told."""


async def claim_due(connection: AsyncConnection, *, most: int, lease: timedelta) -> list[Claimed]:
    """Lease the messages that are due, those of channels that work first (index notification_messages_pending)."""
    rows = (await connection.execute(_due, {"most": most})).all()
    claimed = [
        Claimed(
            row.message_id,
            row.channel_id,
            row.name,
            MessageText(row.title, row.body, Tone(row.kind)),
            row.attempts + 1,
            row.created_at,
        )
        for row in rows
    ]
    ids = [each.message_id for each in claimed]
    leased = update(notification_messages).where(notification_messages.c.message_id.in_(ids))
    until = func.now() + bindparam("lease", type_=Interval)
    if claimed:
        values = {"leased_until": until, "attempts": notification_messages.c.attempts + 1}
        await connection.execute(leased.values(values), {"lease": lease})
    return claimed


async def settle(
    connection: AsyncConnection, claimed: Claimed, *, attempt: Attempt, again_after: timedelta | None
) -> None:
    """Keep what became of an attempt: delivered, to be tried again after this time, or given up (primary key)."""
    values: dict[str, object] = {
        "leased_until": None,
        "last_outcome": attempt.outcome.value,
        "last_code": attempt.code,
    }
    if attempt.outcome is Outcome.DELIVERED:
        values |= {"status": MessageStatus.DELIVERED.value, "done_at": func.now()}
    elif again_after is None:
        values |= {"status": MessageStatus.FAILED.value, "done_at": func.now()}
    else:
        values["next_attempt_at"] = func.now() + again_after
    this = notification_messages.c.message_id == claimed.message_id
    await connection.execute(update(notification_messages).where(this).values(values))


async def forget_old(connection: AsyncConnection, *, older_than: timedelta) -> None:
    """Remove messages that are done for so long (index notification_messages_done), and what is known of old alerts."""
    await connection.execute(
        delete(notification_messages).where(notification_messages.c.done_at < func.now() - older_than)
    )
    is_there = exists().where(alerts.c.alert_id == notification_told.c.alert_id)
    await connection.execute(delete(notification_told).where(~is_there))


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as it is listed."""

    message_id: UUID
    channel_id: UUID
    route_id: UUID
    title: str
    body: str
    alerts: int
    status: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime
    last_outcome: str | None
    last_code: int | None
    done_at: datetime | None


_listed = [notification_messages.c[name] for name in MessageRow.__dataclass_fields__]


async def list_messages(
    connection: AsyncConnection, *, channel_id: UUID | None, status: MessageStatus | None, limit: int, offset: int
) -> tuple[int, list[MessageRow]]:
    """How many messages there are and one page of them, the newest first (primary key, or index
    notification_messages_of_channel)."""
    where = []
    if channel_id is not None:
        where.append(notification_messages.c.channel_id == channel_id)
    if status is not None:
        where.append(notification_messages.c.status == status.value)
    total = (
        await connection.execute(select(func.count()).select_from(notification_messages).where(*where))
    ).scalar_one()
    page = select(*_listed).where(*where).order_by(notification_messages.c.message_id.desc())
    return total, [MessageRow(*row) for row in await connection.execute(page.limit(limit).offset(offset))]
