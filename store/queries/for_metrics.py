"""The figures of `/metrics` that Postgres knows; asked every few seconds, so each stays cheap at any size."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.queries.ages import seconds_since
from store.queries.outbox import is_calm, is_refused
from store.tables.alerts import alerts
from store.tables.tasks import gaps, outbox
from store.tables.webhooks import webhook_deliveries, webhooks
from store.tables.workers import workers

MOST_COUNTED = 100_000
"""How many rows of a longer outbox are counted."""


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """The figures that PostgreSQL tells. Ages are in seconds by the database's clock."""

    due: int
    """Tasks that are due and not handed to the broker, `MOST_COUNTED` at most."""
    scheduled: int
    """Tasks in the outbox whose time has not come, `MOST_COUNTED` at most; those put off for a second included."""
    refused: int
    """Tasks that the broker has refused and that are not parked yet, `MOST_COUNTED` at most."""
    parked: int
    """Tasks that the broker has refused again and again, `MOST_COUNTED` at most."""
    oldest_due_seconds: float
    """How long the first of the due, or of those that the broker does not take, has waited; 0 if none does. Parked
    tasks are not among them."""
    gaps: int
    """Stretches during which the mirror could not hear; they are never deleted."""
    heartbeat_seconds: float | None
    """Seconds since the newest heartbeat, of any worker, that a mirror has stored; None before the first."""
    webhooks_pending: int = 0
    """Deliveries that are not over, `MOST_COUNTED` at most."""
    webhook_oldest_seconds: float = 0.0
    """How long the oldest of those that are due has been so; 0 where none is."""


def _counted(is_wanted: ColumnElement[bool]) -> ScalarSelect[Any]:
    rows = select(literal(1)).select_from(outbox).where(is_wanted).limit(MOST_COUNTED).subquery()
    return select(func.count()).select_from(rows).scalar_subquery()


def _first(time: ColumnElement[datetime | None], *conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    return select(func.min(time)).where(time <= func.now(), *conditions).scalar_subquery()


_is_pending = webhook_deliveries.c.status == text("'PENDING'")
_pending = select(literal(1)).select_from(webhook_deliveries).where(_is_pending)
_first_due = (
    select(webhook_deliveries.c.next_attempt_at)
    .where(webhook_deliveries.c.webhook_id == webhooks.c.webhook_id, _is_pending)
    .where(webhook_deliveries.c.next_attempt_at <= func.now(), webhooks.c.state == "ENABLED")
    .order_by(webhook_deliveries.c.next_attempt_at)
    .limit(1)
    .correlate(webhooks)
    .scalar_subquery()
)
_figures = select(
    _counted(and_(outbox.c.due_at <= func.now(), is_calm)),
    _counted(and_(outbox.c.due_at > func.now(), is_calm)),
    _counted(and_(is_refused, outbox.c.parked_at.is_(None))),
    _counted(and_(is_refused, outbox.c.parked_at.is_not(None))),
    # A row that the broker did not take is due anew a second later: since when it waits stands in postponed_at.
    seconds_since(
        func.least(_first(outbox.c.due_at, is_calm), _first(outbox.c.postponed_at, outbox.c.parked_at.is_(None)))
    ),
    select(func.count()).select_from(gaps).scalar_subquery(),
    select(seconds_since(func.max(workers.c.last_heartbeat_at))).scalar_subquery(),
    select(func.count()).select_from(_pending.limit(MOST_COUNTED).subquery()).scalar_subquery(),
    seconds_since(select(func.min(_first_due)).select_from(webhooks).scalar_subquery()),
)


async def get_figures(connection: AsyncConnection) -> StoreFigures:
    """Return all of them in one statement (indexes outbox_due, outbox_refused, outbox_postponed; gaps and workers are
    small).
    """
    row = (await connection.execute(_figures)).one()
    due, scheduled, refused, parked, oldest, gap_count, heartbeat, pending, oldest_delivery = row
    return StoreFigures(
        due=due,
        scheduled=scheduled,
        refused=refused,
        parked=parked,
        oldest_due_seconds=oldest or 0.0,
        gaps=gap_count,
        # Receipt times are by the mirror's clock, which may be ahead.
        heartbeat_seconds=None if heartbeat is None else max(0.0, heartbeat),
        webhooks_pending=pending,
        webhook_oldest_seconds=max(0.0, oldest_delivery or 0.0),
    )


_open_alerts = (
    select(alerts.c.type, alerts.c.severity, func.count())
    .where(alerts.c.resolved_at.is_(None))
    .group_by(alerts.c.type, alerts.c.severity)
)


async def count_open_alerts(connection: AsyncConnection) -> dict[tuple[str, str], int]:
    """Count the open alerts by type and severity (index alerts_open)."""
    return {(kind, severity): count for kind, severity, count in await connection.execute(_open_alerts)}
