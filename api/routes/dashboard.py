"""The dashboard: the system and its workers at this moment."""

from datetime import UTC, datetime

from fastapi import Response

from api.declarations import caches_answers, needs, whole_fleet
from api.dependencies import ReadConnection, Resources
from api.routing import api_router
from api.schemas.dashboard import DepthSource, SystemStats, WorkerFigures, WorkerGrid
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from domain.degradation import BROKER
from domain.scopes import Scope
from domain.workers.figures import RATE_WINDOW, Ends
from services.dashboard import ask_depths, read_figures
from store.queries.for_dashboard import count_ends_by_node, count_queued
from store.queries.workers.nodes import list_workers

router = api_router("/dashboard", tag="dashboard")


@router.get("/stats", summary="Get system statistics")
@needs(Scope.READ)
@whole_fleet
@caches_answers
async def get_stats(resources: Resources) -> SystemStats:
    """Queues, workers, load and lifetime totals. Answered without the broker too: `queue_depth_source` tells."""
    async with resources.engine.connect() as connection:
        figures = await read_figures(connection, default_queue=resources.settings.default_queue)
    # A broker that is known to be away would hold up every answer for a second.
    is_away = BROKER in resources.probe.breakers.open_ones()
    waiting = None if is_away else await ask_depths(resources.queues, figures.queue_names)
    source = DepthSource.BROKER
    if waiting is None:
        source = DepthSource.MIRROR
        async with resources.engine.connect() as connection:
            waiting = await count_queued(connection)
    cpu, memory = resources.host.cpu_percent(), resources.host.memory_percent()
    return SystemStats.of(figures, waiting, source=source, cpu_percent=cpu, memory_percent=memory)


@router.get("/workers", summary="Get the worker grid", response_model=WorkerGrid)
@needs(Scope.READ)
@whole_fleet
@caches_answers
async def get_worker_grid(
    connection: ReadConnection, limit: Limit = DEFAULT_LIMIT, *, offset: Offset = 0, rows: RowsShown = Rows.BOTH
) -> WorkerGrid | Response:
    """Every worker with its rates, by name."""
    total, page = await list_workers(connection, limit=limit, offset=offset)
    ends, now = await count_ends_by_node(connection, window=RATE_WINDOW), datetime.now(UTC)
    grid = [WorkerFigures.of(row, ends.get(row.node, Ends()), now=now) for row in page]
    return WorkerGrid(total=total, limit=limit, offset=offset, data=grid, workers=grid).with_rows(rows)
