"""Workers: the nodes that were heard or registered, how they are, and what operators want of them."""

from typing import Annotated

from fastapi import Query, Response

from api.authorship import RequestAuthor
from api.declarations import audited_as, caches_answers, needs, whole_fleet
from api.dependencies import ReadConnection, Resources, WriteConnection
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from api.schemas.workers.documents import (
    MAX_CAPACITY,
    CapacityAnswer,
    CapacityUpdate,
    DrainProgress,
    DrainRequest,
    WorkerAnswer,
    WorkerDetail,
    WorkerModel,
    WorkerPage,
)
from api.schemas.workers.history import WorkerHistory
from domain.audit import Action
from domain.errors import CapacityNotSupported, NotFound, WorkerExists, WorkerNotFound, WorkerOffline, WorkerOnline
from domain.scopes import Scope
from domain.workers.status import WorkerStatus
from services.workers import requests, wishes
from services.workers.capacity import set_capacity
from store.queries.workers import nodes

# A node name ends up in Redis keys, logs and shells: one word, at most one @.
NODE_PATTERN = r"^[A-Za-z0-9_.%:+-]+(@[A-Za-z0-9_.:-]+)?$"

router = api_router("/workers", tag="workers")


@router.post("", summary="Register a worker", status_code=201, responses=responses(WorkerExists))
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.WORKER_REGISTER)
async def register_worker(
    connection: WriteConnection,
    hostname: Annotated[
        str, Query(max_length=255, pattern=NODE_PATTERN, description="`compute-1` is the node `celery@compute-1`.")
    ],
    *,
    author: RequestAuthor,
    capacity: Annotated[
        int | None,
        Query(ge=1, le=MAX_CAPACITY, description="Tasks at once. Default: 5; a worker already seen keeps its own."),
    ] = None,
) -> WorkerDetail:
    """Makes a worker known before it is first heard, or takes on one that was only seen so far."""
    return WorkerDetail.from_row(await requests.register(connection, hostname, capacity=capacity, author=author))


@router.get("", summary="List workers", response_model=WorkerPage)
@needs(Scope.READ)
@whole_fleet
@caches_answers
async def list_workers(
    connection: ReadConnection,
    status: Annotated[WorkerStatus | None, Query(description="Only workers of this status.")] = None,
    *,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    rows: RowsShown = Rows.BOTH,
) -> WorkerPage | Response:
    """All nodes that were ever heard or registered, by name."""
    total, page = await nodes.list_workers(connection, status=status, limit=limit, offset=offset)
    models = [WorkerModel.from_row(row) for row in page]
    return WorkerPage(total=total, limit=limit, offset=offset, data=models, workers=models).with_rows(rows)


@router.get("/{worker_id}", summary="Get a worker", responses=responses(WorkerNotFound))
@needs(Scope.READ)
@whole_fleet
async def get_worker(connection: ReadConnection, worker_id: str) -> WorkerDetail:
    """One worker, by its id or hostname, with what is wanted of it and what it says of itself."""
    return WorkerDetail.from_row(await requests.find_worker(connection, worker_id))


@router.get("/{worker_id}/history", summary="Get a worker's history", responses=responses(WorkerNotFound))
@needs(Scope.READ)
@whole_fleet
async def get_worker_history(connection: ReadConnection, worker_id: str) -> WorkerHistory:
    """What was asked of it and by whom, and when it last came, went and was drained."""
    worker = await requests.find_worker(connection, worker_id)
    return WorkerHistory.of(worker.worker_id, await requests.read_history(connection, worker))


@router.get("/{worker_id}/status", summary="Get worker status", responses=responses(WorkerNotFound))
@needs(Scope.READ)
@whole_fleet
async def get_worker_status(connection: ReadConnection, worker_id: str) -> WorkerModel:
    """One worker, by its id or hostname."""
    return WorkerModel.from_row(await requests.find_worker(connection, worker_id))


@router.delete(
    "/{worker_id}", summary="Forget a worker", status_code=204, responses=responses(WorkerNotFound, WorkerOnline)
)
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.WORKER_FORGET)
async def forget_worker(resources: Resources, worker_id: str, *, author: RequestAuthor) -> Response:
    """Forgets an offline worker and all that was wanted of it. What it ran stays; heard again, it is a new worker."""
    await wishes.forget(resources.engine.begin, resources.orders, worker_id=worker_id, author=author)
    return Response(status_code=204)


@router.patch("/{worker_id}/pause", summary="Pause a worker", responses=responses(WorkerNotFound))
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.WORKER_PAUSE)
async def pause_worker(resources: Resources, worker_id: str, *, author: RequestAuthor) -> WorkerAnswer:
    """Lets it start no new task, over restarts of its own, of the broker and of Celeriac, until it is resumed."""
    worker = await wishes.pause(resources.engine.begin, resources.orders, worker_id=worker_id, author=author)
    return WorkerAnswer.of(worker, "paused")


@router.patch("/{worker_id}/resume", summary="Resume a worker", responses=responses(WorkerNotFound))
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.WORKER_RESUME)
async def resume_worker(resources: Resources, worker_id: str, *, author: RequestAuthor) -> WorkerAnswer:
    """Lets it work again. Takes back a drain unless the worker was already told to exit; starts a drained
    one of `up`."""
    worker = await wishes.resume(resources.engine.begin, resources.orders, worker_id=worker_id, author=author)
    return WorkerAnswer.of(worker, "resumed")


@router.post("/{worker_id}/drain", summary="Drain a worker", responses=responses(WorkerNotFound, WorkerOffline))
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.WORKER_DRAIN)
async def drain_worker(
    resources: Resources, worker_id: str, *, author: RequestAuthor, body: DrainRequest | None = None
) -> WorkerAnswer:
    """Lets it finish what it runs, give the rest back and exit; `GET` tells how far it is."""
    deadline_seconds = body.deadline_seconds if body else None
    worker = await wishes.drain(
        resources.engine.begin, resources.orders, worker_id=worker_id, deadline_seconds=deadline_seconds, author=author
    )
    return WorkerAnswer.of(worker, "draining")


@router.get("/{worker_id}/drain", summary="Get the progress of a drain", responses=responses(WorkerNotFound, NotFound))
@needs(Scope.READ)
@whole_fleet
async def get_drain(connection: ReadConnection, worker_id: str) -> DrainProgress:
    """The drain under way, or the one by which the worker ended; 404 `NOT_FOUND` once it has started again."""
    return DrainProgress.from_row(await requests.find_drain(connection, worker_id))


@router.patch(
    "/{worker_id}/capacity",
    summary="Update worker capacity",
    responses=responses(WorkerNotFound, CapacityNotSupported),
)
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.WORKER_RESIZE)
async def update_capacity(
    resources: Resources, worker_id: str, *, author: RequestAuthor, body: CapacityUpdate
) -> CapacityAnswer:
    """Sets how many tasks it runs at once; an offline worker gets that many when it starts."""
    worker = await set_capacity(
        resources.engine.begin, resources.orders, worker_id=worker_id, capacity=body.capacity, author=author
    )
    return CapacityAnswer.of(worker, body.capacity)
