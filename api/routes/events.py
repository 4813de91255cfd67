"""The feed: what has changed, page by page behind a cursor, or as a stream that does not end."""

from typing import Annotated

from fastapi import Header, Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from api.declarations import needs, not_audited, whole_fleet, within_limits
from api.dependencies import Caller, Resources, Sighted, WriteConnection
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.deliveries import OwnEvent, TakenEvent
from api.schemas.events import Cursor, EventFilters, EventModel, EventPage, EventQuery, cursor_at, gap_of
from api.streams.events import EventStream
from domain.errors import InvalidRequest, Overloaded
from domain.feed import MAX_PLACE, Change, is_seen
from domain.scopes import Scope
from services.feed import tell
from services.feed_reading import NOW, read_feed
from store.engine import stating

MAX_READ = 2_000
"""How many changes one request looks at, however few of them are wanted: about 20 ms."""
STREAM = {
    "description": "Frames of `text/event-stream`.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}

_cursor: TypeAdapter[str] = TypeAdapter(Cursor)
router = api_router("/events", tag="events")


@router.get("", summary="List what has changed")
@needs(Scope.READ)
@within_limits
async def list_events(resources: Resources, sight: Sighted, *, query: Annotated[EventQuery, Query()]) -> EventPage:
    """Changes in the order in which they were committed, the oldest first. Whoever goes on with `next_cursor` misses
    none and is told none twice. A key with limits is told of tasks within them, and of nothing else."""
    wanted = query.wanted()
    async with stating(resources.engine) as connection:
        reading = await read_feed(connection, query.after, limit=MAX_READ)
    found = [change for change in reading.changes if wanted.matches(change) and is_seen(change, sight)]
    is_cut = len(found) > query.limit
    page = found[: query.limit]
    return EventPage.model_validate(
        {
            "data": [EventModel.from_change(change, reading.epoch) for change in page],
            "limit": query.limit,
            "next_cursor": cursor_at(reading, page[-1].place if is_cut else reading.ends),
            "has_more": is_cut or not reading.is_last,
            "complete_since": reading.complete_since,
            "gap": gap_of(reading),
            "reset": reading.is_reset,
        }
    )


@router.post("", summary="Tell of an event of your own", status_code=202)
@needs(Scope.SUBMIT)
@whole_fleet
@not_audited("it is in the feed")
async def tell_event(connection: WriteConnection, body: OwnEvent) -> TakenEvent:
    """Put it into the feed as what changes here is: it goes to the webhooks and streams that want its type."""
    if flaw := body.flaw():
        raise InvalidRequest(f"data {flaw}", errors=(("data", flaw),))
    told = {"subject": body.subject, "data": body.data}
    await tell(connection, [Change(body.type, body.subject, data=told)])
    return TakenEvent(type=body.type, subject=body.subject)


@router.get(
    "/stream",
    summary="Follow what changes",
    response_class=Response,
    responses=responses(Overloaded) | {200: STREAM},
)
@needs(Scope.READ)
@within_limits
async def stream_events(
    request: Request,
    resources: Resources,
    *,
    caller: Caller,
    sight: Sighted,
    query: Annotated[EventFilters, Query()],
    last_event_id: Annotated[str | None, Header(max_length=MAX_PLACE, description="Goes before `after`.")] = None,
) -> EventStream:
    """Server-sent events: `hello`, then every change as it is committed; without a cursor from now on. A browser's
    `EventSource` goes on by itself where it was."""
    cursor = _checked(last_event_id) if last_event_id else query.after
    first = await resources.feed.read(cursor or NOW)
    return EventStream(resources.feed, first, wanted=query.wanted(), sight=sight, caller=caller, scope=request.scope)


def _checked(cursor: str) -> str:
    try:
        return _cursor.validate_python(cursor)
    except ValidationError:
        message = "is no cursor of the feed"
        raise InvalidRequest(f"Last-Event-ID {message}", errors=(("Last-Event-ID", message),)) from None
