"""Routes of notifications: stored, changed and listed. They are few, and read whole in each round."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alerts.rules import AlertType, Severity
from domain.notifications.routes import Route
from store.tables.notifications import notification_routes

TYPES = frozenset(kind.value for kind in AlertType)


@dataclass(frozen=True, slots=True)
class StoredRoute:
    """A route as somebody made it."""

    route_id: UUID
    name: str
    channel_ids: list[UUID]
    severities: list[str]
    alert_types: list[str]
    subjects: list[str]
    group_seconds: int
    repeat_seconds: int | None
    send_resolved: bool
    enabled: bool
    created_at: datetime
    created_by: str
    since: datetime

    def as_route(self) -> Route:
        """Return what it means. Types and severities of another version are left out."""
        return Route(
            route_id=self.route_id,
            channel_ids=tuple(self.channel_ids),
            since=self.since,
            severities=tuple(Severity(each) for each in self.severities),
            alert_types=tuple(AlertType(each) for each in self.alert_types if each in TYPES),
            subjects=tuple(self.subjects),
            group_seconds=self.group_seconds,
            repeat_seconds=self.repeat_seconds,
            send_resolved=self.send_resolved,
        )


_columns = [notification_routes.c[name] for name in StoredRoute.__dataclass_fields__]
_this = notification_routes.c.route_id == bindparam("wanted")


async def add_route(connection: AsyncConnection, values: Mapping[str, object]) -> None:
    """Store a route (primary key)."""
    await connection.execute(insert(notification_routes).values(dict(values)))


async def change_route(connection: AsyncConnection, route_id: UUID, *, values: Mapping[str, object]) -> None:
    """Write these columns (primary key)."""
    if values:
        await connection.execute(update(notification_routes).where(_this).values(dict(values)), {"wanted": route_id})


async def get_route(connection: AsyncConnection, route_id: UUID) -> StoredRoute | None:
    """Return the route of this id (primary key)."""
    row = (await connection.execute(select(*_columns).where(_this), {"wanted": route_id})).one_or_none()
    return StoredRoute(*row) if row else None


async def list_routes(connection: AsyncConnection, *, limit: int, offset: int) -> tuple[int, list[StoredRoute]]:
    """How many routes there are and one page of them, in the order in which they are asked (primary key)."""
    total = (await connection.execute(select(func.count()).select_from(notification_routes))).scalar_one()
    page = select(*_columns).order_by(notification_routes.c.route_id).limit(limit).offset(offset)
    return total, [StoredRoute(*row) for row in await connection.execute(page)]


async def list_enabled_routes(connection: AsyncConnection) -> list[Route]:
    """Return the routes that are switched on, in the order in which they are asked. They are few."""
    enabled = select(*_columns).where(notification_routes.c.enabled).order_by(notification_routes.c.route_id)
    return [StoredRoute(*row).as_route() for row in await connection.execute(enabled)]


async def delete_route(connection: AsyncConnection, route_id: UUID) -> None:
    """Remove a route (primary key)."""
    await connection.execute(delete(notification_routes).where(_this), {"wanted": route_id})
