"""Queues: what waits in each, how fast it goes, and who consumes it. A queue is held back by a mark."""

from collections.abc import Sequence
from functools import partial

from fastapi import Response

from api.declarations import caches_answers, needs, within_limits
from api.dependencies import ProcessResources, Resources, Sighted, reading
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from api.schemas.queues import QueueDetail, QueueModel, QueuePage, source_of
from domain.degradation import BROKER
from domain.errors import QueueNotFound
from domain.scopes import Scope
from domain.sight import Sight, fits_patterns
from services.queues import QueueStates, read_queues
from store.queries.for_queues import is_queue_known, list_consumers_of, list_seen_queues
from store.queries.queues import list_takers

router = api_router("/queues", tag="queues")


@router.get("", summary="List queues", response_model=QueuePage)
@needs(Scope.READ)
@within_limits
@caches_answers
async def list_queues(
    resources: Resources,
    sight: Sighted,
    *,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    rows: RowsShown = Rows.BOTH,
) -> QueuePage | Response:
    """Every queue that a task names or an online worker consumes, by name, up to 1,000. Answered without the broker
    too: `queue_depth_source` tells.
    """
    async with reading(resources) as connection:
        names = await list_seen_queues(connection, others=[resources.settings.default_queue], sight=sight)
    states = await _read(resources, names[offset : offset + limit], sight=sight)
    models = [QueueModel.from_state(state) for state in states.queues]
    return QueuePage(
        total=len(names),
        limit=limit,
        offset=offset,
        data=models,
        queues=models,
        queue_depth_source=source_of(states),
        due_is_exact=states.due_is_exact,
    ).with_rows(rows)


@router.get("/{queue_name}", summary="Get a queue", responses=responses(QueueNotFound))
@needs(Scope.READ)
@within_limits
@caches_answers
async def get_queue(resources: Resources, sight: Sighted, *, queue_name: str) -> QueueDetail:
    """One queue with its consumers, those included that were there and are not now."""
    if not fits_patterns(queue_name, sight.limits.queues):
        raise QueueNotFound
    async with reading(resources) as connection:
        is_known = queue_name == resources.settings.default_queue
        if not (is_known or await is_queue_known(connection, queue_name)):
            raise QueueNotFound
        consumers = await list_consumers_of(connection, queue_name)
        is_served = any(worker.online for worker in consumers)
        takers = [] if is_served else await list_takers(connection, queue_name)
    states = await _read(resources, [queue_name], sight=sight)
    return QueueDetail.of(states, consumers, takers=takers, adopts=resources.settings.adopt_queues)


async def _read(resources: ProcessResources, names: Sequence[str], *, sight: Sight) -> QueueStates:
    # A broker that is known to be away would hold up every answer for a second.
    queues = None if BROKER in resources.probe.breakers.open_ones() else resources.queues
    marks = resources.marks.current()
    return await read_queues(partial(reading, resources), queues, names=names, marks=marks, sight=sight)
