"""What a page that stays open is told: a pulse each second, and hints of what has changed; never rows."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.declarations import needs, within_limits
from api.dependencies import Caller, Resources, Sighted, reading
from api.errors import LimitedKey
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.live import LiveQuery
from api.streams.live import LiveStream
from domain.errors import Overloaded
from domain.live import OF_WHOLE_FLEET, Topics
from domain.scopes import Scope
from domain.sight import Sight
from store.queries.sight import list_seen, list_seen_workflows

STREAM = {
    "description": "Frames of `text/event-stream`: `pulse`, `changed`, `bye` (docs/live.md).",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}

router = api_router("/live", tag="events")


@router.get(
    "/stream",
    summary="Follow how the whole is",
    response_class=Response,
    responses=responses(Overloaded) | {200: STREAM},
)
@needs(Scope.READ)
@within_limits
async def stream_live(
    request: Request,
    resources: Resources,
    *,
    caller: Caller,
    sight: Sighted,
    query: Annotated[LiveQuery, Query()],
) -> LiveStream:
    """Server-sent events for a page that stays open: `pulse` once a second, and `changed` with the name of a topic of
    which something has changed: ask for that again. A key with limits has no `pulse`, `workers`, `alerts` and `queues`.
    """
    topics = query.wanted()
    if sight.is_bounded:
        async with reading(resources) as connection:
            topics = await _seen(connection, topics, sight=sight)
    return LiveStream(resources.live, topics, sight=sight, caller=caller, scope=request.scope)


async def _seen(connection: AsyncConnection, topics: Topics, *, sight: Sight) -> Topics:
    """What he does not see he is not told of, as of what is not there. Raises LimitedKey for the whole fleet."""
    if topics.general & OF_WHOLE_FLEET:
        raise LimitedKey
    task_ids = await list_seen(connection, topics.task_ids, sight=sight) if topics.task_ids else ()
    workflow_ids = topics.workflow_ids and await list_seen_workflows(connection, topics.workflow_ids, sight=sight)
    return replace(topics, task_ids=frozenset(task_ids), workflow_ids=workflow_ids)
