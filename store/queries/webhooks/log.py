"""What became of deliveries, as people look at it; and sending again what has failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.feed import Place
from domain.webhooks.attempts import DeliveryStatus
from store.at_rest import at_rest_of
from store.tables.feed import feed
from store.tables.webhooks import webhook_attempts, webhook_deliveries

_columns = webhook_deliveries.c
_is_sending = and_(_columns.status == DeliveryStatus.PENDING.value, _columns.leased_until > func.now())
_status = case((_is_sending, literal(DeliveryStatus.SENDING.value)), else_=_columns.status)
_SHOWN = (
    "delivery_id",
    "webhook_id",
    "event_id",
    "type",
    "subject_id",
    "is_test",
    "attempts",
    "created_at",
    "next_attempt_at",
    "done_at",
    "last_status_code",
    "last_error",
)


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery, as lists show it."""

    status: str
    delivery_id: UUID
    webhook_id: str
    event_id: str
    type: str
    subject_id: str
    is_test: bool
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    done_at: datetime | None
    last_status_code: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt, and the beginning of what was answered."""

    attempt_no: int
    at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryWanted:
    """Which deliveries of a webhook: all that is given must hold."""

    status: DeliveryStatus | None = None
    event_type: str | None = None
    after: datetime | None = None
    behind: UUID | None = None
    """The last delivery of the page before."""


async def list_deliveries(
    connection: AsyncConnection, webhook_id: str, *, wanted: DeliveryWanted, limit: int
) -> list[DeliveryRow]:
    """Return deliveries of a webhook, the newest first (index webhook_deliveries_listed)."""
    found = select(_status.label("status"), *(_columns[name] for name in _SHOWN)).where(
        _columns.webhook_id == webhook_id
    )
    if wanted.status is not None:
        found = found.where(_status == wanted.status.value)
    if wanted.event_type is not None:
        found = found.where(_columns.type == wanted.event_type)
    if wanted.after is not None:
        found = found.where(_columns.created_at >= wanted.after)
    if wanted.behind is not None:
        last = webhook_deliveries.alias("last")
        behind = select(last.c.created_at).where(last.c.delivery_id == wanted.behind).scalar_subquery()
        found = found.where(tuple_(_columns.created_at, _columns.delivery_id) < tuple_(behind, literal(wanted.behind)))
    found = found.order_by(_columns.created_at.desc(), _columns.delivery_id.desc()).limit(limit)
    return [DeliveryRow(*row) for row in await connection.execute(found)]


async def get_delivery(
    connection: AsyncConnection, webhook_id: str, *, delivery_id: UUID
) -> tuple[DeliveryRow, str] | None:
    """Return a delivery and its body; None if the webhook has none such (primary key)."""
    found = select(_status.label("status"), *(_columns[name] for name in _SHOWN), _columns.body).where(
        _columns.delivery_id == delivery_id, _columns.webhook_id == webhook_id
    )
    row: Any = (await connection.execute(found)).one_or_none()
    if row is None:
        return None
    body = row.body
    return DeliveryRow(*row[:-1]), at_rest_of(connection).open_shown(body, str(delivery_id), column="body")


async def list_attempts(connection: AsyncConnection, delivery_id: UUID) -> list[AttemptRow]:
    """Return the attempts of a delivery, the first one first (primary key)."""
    names = ("attempt_no", "at", "duration_ms", "status_code", "error", "answer")
    of_it = (
        select(*(webhook_attempts.c[name] for name in names))
        .where(webhook_attempts.c.delivery_id == delivery_id)
        .order_by(webhook_attempts.c.attempt_no)
    )
    vault = at_rest_of(connection)
    rows: Sequence[Any] = (await connection.execute(of_it)).all()
    cells = (row._mapping for row in rows)
    return [
        AttemptRow(**{**row, "answer": vault.open_shown(row["answer"], str(delivery_id), column="answer")})
        for row in cells
    ]


_again = {"status": DeliveryStatus.PENDING.value, "next_attempt_at": func.now(), "done_at": None}
_is_free = or_(_columns.leased_until.is_(None), _columns.leased_until < func.now())


async def send_again(connection: AsyncConnection, delivery_id: UUID) -> None:
    """Make a delivery due now, unless it is on its way (primary key)."""
    this = (_columns.delivery_id == delivery_id, _is_free)
    await connection.execute(update(webhook_deliveries).where(*this).values(_again))


async def send_failed_again(connection: AsyncConnection, webhook_id: str, *, after: datetime, most: int) -> int:
    """Make due what has failed since then, so many at most; returns how many (index webhook_deliveries_listed)."""
    failed = (
        select(_columns.delivery_id)
        .where(
            _columns.webhook_id == webhook_id,
            _columns.created_at >= after,
            _columns.status == DeliveryStatus.FAILED.value,
            _columns.is_test.is_(False),
        )
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    changed = update(webhook_deliveries).where(_columns.delivery_id.in_(failed)).values(_again)
    return int((await connection.execute(changed)).rowcount)


async def place_before(connection: AsyncConnection, after: datetime) -> Place | None:
    """Return the place in front of the first change since then that is kept; None if there is none (index feed_order
    of each day since).
    """
    first = select(feed.c.xact, feed.c.change_id).where(feed.c.at >= after).order_by(feed.c.xact, feed.c.change_id)
    row = (await connection.execute(first.limit(1))).one_or_none()
    return Place(row.xact, row.change_id - 1) if row else None
