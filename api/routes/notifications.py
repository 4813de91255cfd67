"""Notifications of alerts: the channels that they leave by, the routes that lead there, and what became of messages."""

import time
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from api.authorship import RequestAuthor
from api.declarations import audited_as, needs, whole_fleet
from api.dependencies import ProcessResources, ReadConnection, Resources, WriteConnection
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.notifications import (
    ChannelChange,
    ChannelModel,
    ChannelPage,
    ChannelSubmission,
    MessageModel,
    MessagePage,
    RouteChange,
    RouteModel,
    RoutePage,
    RouteSubmission,
    TestResult,
)
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from domain.audit import Action
from domain.errors import ChannelExists, ChannelNotFound, RouteExists, RouteNotFound
from domain.notifications.delivery import MessageStatus
from domain.scopes import Scope
from services.notifications import channels, routes
from store.queries.notifications.channels import list_channels
from store.queries.notifications.messages import list_messages
from store.queries.notifications.routes import list_routes

router = api_router("/notifications", tag="notifications")


@router.post("/channels", summary="Make a channel", status_code=201, responses=responses(ChannelExists))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.CHANNEL_CREATE)
async def create_channel(resources: Resources, author: RequestAuthor, *, body: ChannelSubmission) -> ChannelModel:
    """The URL is checked, and nothing is sent: test it afterwards. It is a secret, and no answer holds it."""
    shown = await _check(resources, body.url)
    async with resources.engine.begin() as connection:
        made = await channels.create_channel(connection, body.as_order(), shown=shown, author=author)
    return ChannelModel.from_channel(made)


@router.get("/channels", summary="List channels", response_model=ChannelPage)
@needs(Scope.READ)
@whole_fleet
async def list_all_channels(
    connection: ReadConnection, limit: Limit = DEFAULT_LIMIT, *, offset: Offset = 0, rows: RowsShown = Rows.BOTH
) -> ChannelPage | Response:
    """All channels by name, with what became of the last message of each."""
    total, page = await list_channels(connection, limit=limit, offset=offset)
    found = [ChannelModel.from_channel(each) for each in page]
    return ChannelPage(total=total, limit=limit, offset=offset, data=found, channels=found).with_rows(rows)


@router.get("/channels/{channel_id}", summary="Get a channel", responses=responses(ChannelNotFound))
@needs(Scope.READ)
@whole_fleet
async def get_channel(connection: ReadConnection, channel_id: str) -> ChannelModel:
    """Everything about a channel except its URL."""
    return ChannelModel.from_channel(await channels.find_channel(connection, channel_id))


@router.patch("/channels/{channel_id}", summary="Change a channel", responses=responses(ChannelNotFound, ChannelExists))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.CHANNEL_CHANGE)
async def change_channel(
    resources: Resources, channel_id: str, *, author: RequestAuthor, body: ChannelChange
) -> ChannelModel:
    """What waits for a channel is dropped when it is switched off."""
    shown = None if body.url is None else await _check(resources, body.url)
    async with resources.engine.begin() as connection:
        changed = await channels.change_channel(
            connection, channel_id, changes=body.changes(), shown=shown, author=author
        )
    return ChannelModel.from_channel(changed)


@router.delete(
    "/channels/{channel_id}", summary="Delete a channel", status_code=204, responses=responses(ChannelNotFound)
)
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.CHANNEL_DELETE)
async def delete_channel(connection: WriteConnection, channel_id: str, *, author: RequestAuthor) -> None:
    """Removes it with its messages, and from every route."""
    await channels.delete_channel(connection, channel_id, author=author)


@router.post("/channels/{channel_id}/test", summary="Test a channel", responses=responses(ChannelNotFound))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.CHANNEL_TEST)
async def test_channel(resources: Resources, channel_id: str, *, author: RequestAuthor) -> TestResult:
    """Sends a message that nothing is wrong and answers what happened, within some 30 s: 200 whatever it was."""
    begun = time.monotonic()
    async with resources.sender.resting() as sender:
        attempt = await channels.try_channel(
            resources.engine.begin,
            sender,
            channel_id=channel_id,
            public_url=resources.settings.public_url,
            author=author,
        )
        seconds = time.monotonic() - begun
    return TestResult.from_attempt(attempt, seconds=seconds)


@router.post("/routes", summary="Make a route", status_code=201, responses=responses(RouteExists))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.ROUTE_CREATE)
async def create_route(connection: WriteConnection, author: RequestAuthor, *, body: RouteSubmission) -> RouteModel:
    """The route is asked after all others: an alert goes to a channel by the first route that takes it."""
    return RouteModel.from_route(await routes.create_route(connection, body.as_order(), author=author))


@router.get("/routes", summary="List routes", response_model=RoutePage)
@needs(Scope.READ)
@whole_fleet
async def list_all_routes(
    connection: ReadConnection, limit: Limit = DEFAULT_LIMIT, *, offset: Offset = 0, rows: RowsShown = Rows.BOTH
) -> RoutePage | Response:
    """All routes in the order in which they are asked, which is that in which they were made."""
    total, page = await list_routes(connection, limit=limit, offset=offset)
    found = [RouteModel.from_route(each) for each in page]
    return RoutePage(total=total, limit=limit, offset=offset, data=found, routes=found).with_rows(rows)


@router.get("/routes/{route_id}", summary="Get a route", responses=responses(RouteNotFound))
@needs(Scope.READ)
@whole_fleet
async def get_route(connection: ReadConnection, route_id: str) -> RouteModel:
    """A route as it is."""
    return RouteModel.from_route(await routes.find_route(connection, route_id))


@router.patch("/routes/{route_id}", summary="Change a route", responses=responses(RouteNotFound, RouteExists))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.ROUTE_CHANGE)
async def change_route(
    connection: WriteConnection, route_id: str, *, author: RequestAuthor, body: RouteChange
) -> RouteModel:
    """The change is in force within 2 s. What is planned already is still sent."""
    return RouteModel.from_route(await routes.change_route(connection, route_id, changes=body.changes(), author=author))


@router.delete("/routes/{route_id}", summary="Delete a route", status_code=204, responses=responses(RouteNotFound))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.ROUTE_DELETE)
async def delete_route(connection: WriteConnection, route_id: str, *, author: RequestAuthor) -> None:
    """Removes it; what is planned already is still sent."""
    await routes.delete_route(connection, route_id, author=author)


@router.get("/messages", summary="List messages", response_model=MessagePage)
@needs(Scope.READ)
@whole_fleet
async def list_all_messages(
    connection: ReadConnection,
    channel_id: Annotated[UUID | None, Query(description="Only those of this channel.")] = None,
    *,
    status: MessageStatus | None = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    rows: RowsShown = Rows.BOTH,
) -> MessagePage | Response:
    """All messages that were sent, wait or were given up, the newest first, for 30 days. Tests are not among them."""
    total, page = await list_messages(connection, channel_id=channel_id, status=status, limit=limit, offset=offset)
    found = [MessageModel.from_row(row) for row in page]
    return MessagePage(total=total, limit=limit, offset=offset, data=found, messages=found).with_rows(rows)


async def _check(resources: ProcessResources, url: str) -> str:
    async with resources.sender.resting() as sender:
        return await channels.check_url(sender, url)
