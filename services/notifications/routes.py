"""What administrators do with routes of notifications: make, change and delete them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from domain.alerts.rules import AlertType, Severity
from domain.audit import Action, Author, Change
from domain.errors import InvalidRequest, RouteExists, RouteNotFound
from domain.notifications.routes import MAX_ROUTES
from services.audit import record_change
from services.notifications.names import refuse_taken
from store.queries import leadership
from store.queries.notifications import channels, routes
from store.queries.notifications.routes import StoredRoute

AUDITED = (
    "name",
    "channel_ids",
    "severities",
    "alert_types",
    "subjects",
    "group_seconds",
    "repeat_seconds",
    "send_resolved",
    "enabled",
)
"""The fields of a route that somebody sets, all of which the audit shows."""


@dataclass(frozen=True, slots=True)
class RouteOrder:
    """A route as somebody wants it."""

    name: str
    channel_ids: tuple[UUID, ...]
    severities: tuple[Severity, ...]
    alert_types: tuple[AlertType, ...]
    subjects: tuple[str, ...]
    group_seconds: int
    repeat_seconds: int | None
    send_resolved: bool
    enabled: bool


async def create_route(connection: AsyncConnection, order: RouteOrder, *, author: Author) -> StoredRoute:
    """Store a route behind all others; raises RouteExists, or InvalidRequest for an unknown channel or too many."""
    now = await leadership.wait_for(connection, leadership.NOTIFICATIONS)
    total, others = await routes.list_routes(connection, limit=MAX_ROUTES, offset=0)
    if total >= MAX_ROUTES:
        raise InvalidRequest.of_field("name", f"there are {MAX_ROUTES} routes; delete one first")
    refuse_taken(order.name, others, refusal=RouteExists)
    await _refuse_unknown(connection, order.channel_ids)
    route_id = uuid7()
    values: dict[str, Any] = {name: _column(getattr(order, name)) for name in AUDITED}
    others_of_it = {"route_id": route_id, "created_by": author.label, "created_at": now, "since": now}
    await routes.add_route(connection, values | others_of_it)
    after = await find_route(connection, str(route_id))
    await record_change(connection, Change(Action.ROUTE_CREATE, str(route_id), after=_shown(after)), author=author)
    return after


async def find_route(connection: AsyncConnection, route_id: str) -> StoredRoute:
    """Return the route of this id; raises RouteNotFound."""
    try:
        found = await routes.get_route(connection, UUID(route_id))
    except ValueError:
        found = None
    if found is None:
        raise RouteNotFound
    return found


async def change_route(
    connection: AsyncConnection, route_id: str, *, changes: Mapping[str, Any], author: Author
) -> StoredRoute:
    """Change these fields; raises RouteNotFound, RouteExists, or InvalidRequest for an unknown channel."""
    now = await leadership.wait_for(connection, leadership.NOTIFICATIONS)
    before = await find_route(connection, route_id)
    if "name" in changes:
        others = (await routes.list_routes(connection, limit=MAX_ROUTES, offset=0))[1]
        refuse_taken(
            changes["name"], [each for each in others if each.route_id != before.route_id], refusal=RouteExists
        )
    if "channel_ids" in changes:
        await _refuse_unknown(connection, changes["channel_ids"])
    values = {name: _column(value) for name, value in changes.items()}
    if changes.keys() - {"name"}:
        values["since"] = now
    await routes.change_route(connection, before.route_id, values=values)
    after = await find_route(connection, route_id)
    change = Change(Action.ROUTE_CHANGE, str(before.route_id), before=_shown(before), after=_shown(after))
    await record_change(connection, change, author=author)
    return after


async def delete_route(connection: AsyncConnection, route_id: str, *, author: Author) -> None:
    """Remove a route; what is planned is still sent. Raises RouteNotFound."""
    await leadership.wait_for(connection, leadership.NOTIFICATIONS)
    before = await find_route(connection, route_id)
    await routes.delete_route(connection, before.route_id)
    change = Change(Action.ROUTE_DELETE, str(before.route_id), before=_shown(before))
    await record_change(connection, change, author=author)


async def _refuse_unknown(connection: AsyncConnection, channel_ids: Sequence[UUID]) -> None:
    if await channels.count_existing(connection, channel_ids) != len(set(channel_ids)):
        raise InvalidRequest.of_field("channel_ids", "names a channel that there is not")


def _column(value: object) -> object:
    return [str(each) if isinstance(each, str) else each for each in value] if isinstance(value, tuple) else value


def _shown(route: StoredRoute) -> dict[str, object]:
    shown = {name: getattr(route, name) for name in AUDITED}
    return shown | {"channel_ids": [str(each) for each in route.channel_ids]}
