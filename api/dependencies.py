"""What a request needs of the process: the opened resources, and a connection for reading or for writing."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.health.checks import HealthChecks
from api.health.host_usage import HostUsage
from api.health.metrics import Metrics
from api.health.probe import HealthProbe
from api.health.scrapes import Scrapes
from api.middleware.rate_limit import WindowCounter
from api.middleware.scopes import PRINCIPAL, SIGHT
from api.streams.hub import FeedHub
from api.streams.live_hub import LiveHub
from domain.errors import Overloaded, TaskNotFound
from domain.principals import Principal
from domain.redaction.rules import Redaction
from domain.sight import Sight
from gateway.control import Control
from gateway.message_mover import MessageMover
from gateway.notifications.sender import Sender
from gateway.queues import QueueReader
from services.cancels.sequence import Cancels
from services.resident.degradation import DegradationMarks
from services.resident.endings import Endings
from services.resident.limits import Limits
from services.resident.submission_batcher import SubmissionBatcher
from services.resident.task_names import TaskNames
from services.workers.orders import WorkerOrders
from settings import Settings
from store.engine import limit_statements, stating
from store.queries.sight import list_seen

SEARCH_SECONDS = 10.0
"""Time limit of each statement of a list or search: one that no index helps with may read all tasks."""
SEARCH_WAIT_SECONDS = 5.0
"""How long a search may wait for its turn: longer than it takes to notice that PostgreSQL is frozen."""
MAX_EXPORTS = 3
"""How many exports run at a time in each process: each holds a connection for as long as its client reads."""


@dataclass(frozen=True, slots=True)
class ProcessResources:
    """What the process has opened for its requests; made and closed by `app.lifespan`, one for each process."""

    settings: Settings
    redaction: Redaction
    """What is hidden of arguments and results in every answer."""
    engine: AsyncEngine
    redis: Redis
    request_counter: WindowCounter
    probe: HealthProbe
    batcher: SubmissionBatcher
    endings: Endings
    feed: FeedHub
    live: LiveHub
    task_names: TaskNames | None
    """The names that workers know; None where any name is let through."""
    control: Control
    orders: WorkerOrders
    queues: QueueReader
    no_results: str | None
    """Why no result is read from the configured backend; None where results are read."""
    mover: MessageMover
    sender: Sender
    """Sends the tests of channels of notifications."""
    host: HostUsage
    checks: HealthChecks
    scrapes: Scrapes
    metrics: Metrics
    marks: DegradationMarks
    limits: Limits
    searches: asyncio.Semaphore
    """Lets lists and searches of tasks hold at most half of the connections, so that others find one beside them."""
    answers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="answers"))
    """The one thread that large answers are made in (`api/pages/large_answers.py`)."""
    exports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_EXPORTS))


# async, because FastAPI runs a plain function in a thread: a request then takes 320 us of CPU instead of 160.
async def get_resources(request: Request) -> ProcessResources:
    """Return the resources of the process that this request came to."""
    resources: ProcessResources = request.app.state.resources
    return resources


Resources = Annotated[ProcessResources, Depends(get_resources)]


async def _get_principal(request: Request) -> Principal:
    principal: Principal = request.scope[PRINCIPAL]
    return principal


Caller = Annotated[Principal, Depends(_get_principal)]
"""Who makes the request."""


async def _get_sight(request: Request) -> Sight:
    sight: Sight = request.scope[SIGHT]
    return sight


Sighted = Annotated[Sight, Depends(_get_sight)]
"""What he is shown on this route: the tasks and workflows that exist for him."""


def cancels_of(resources: ProcessResources) -> Cancels:
    """Return the cancels of a request, each in transactions of its own."""
    return Cancels(resources.engine.begin, redis=resources.redis, control=resources.control, mover=resources.mover)


async def _read_connection(resources: Resources) -> AsyncIterator[AsyncConnection]:
    async with resources.engine.connect() as connection:
        yield await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def reading(resources: ProcessResources) -> AbstractAsyncContextManager[AsyncConnection]:
    """Open a ReadConnection for a route that goes on without it."""
    return asynccontextmanager(_read_connection)(resources)


async def _search_connection(resources: Resources) -> AsyncIterator[AsyncConnection]:
    try:
        async with asyncio.timeout(SEARCH_WAIT_SECONDS):
            await resources.searches.acquire()
    except TimeoutError:
        raise Overloaded("Too many searches are running; try again.") from None
    try:
        async with reading(resources) as connection:
            await limit_statements(connection, seconds=SEARCH_SECONDS)
            yield connection
    finally:
        resources.searches.release()


async def _seen_task_id(resources: Resources, sight: Sighted, *, task_id: str) -> str:
    if sight.is_bounded:
        async with stating(resources.engine) as connection:
            if not await list_seen(connection, [task_id], sight=sight):
                raise TaskNotFound
    return task_id


SeenTaskId = Annotated[str, Depends(_seen_task_id)]
"""The id in the path, for what acts on a task: what he does not see is not found, before anything else is done."""


async def _export_connection(resources: Resources) -> AsyncIterator[AsyncConnection]:
    if resources.exports.locked():
        raise Overloaded(f"{MAX_EXPORTS} exports are running; try again when one has ended.")
    async with resources.exports, reading(resources) as connection:
        yield connection


async def _write_connection(resources: Resources) -> AsyncIterator[AsyncConnection]:
    async with resources.engine.begin() as connection:
        yield connection


# scope="function": the transaction ends before the response exists, so nobody is told of what was not committed.
ReadConnection = Annotated[AsyncConnection, Depends(_read_connection, scope="function")]
"""A connection with one snapshot for all queries of a request; Postgres refuses to write on it."""
SearchConnection = Annotated[AsyncConnection, Depends(_search_connection, scope="function")]
"""A ReadConnection for what clients search by: a few are open at a time, and not for long."""
ExportConnection = Annotated[AsyncConnection, Depends(_export_connection, scope="request")]
"""A ReadConnection that stays open until the response has been sent or its client has gone away."""
WriteConnection = Annotated[AsyncConnection, Depends(_write_connection, scope="function")]
"""A connection with one transaction: committed when the route returns, rolled back when it raises."""
