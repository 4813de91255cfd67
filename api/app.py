"""The REST application: resources opened and closed, layers in order, routes. `celeriac api` serves what this makes."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from api.authorship import Refusals
from api.bodies.reading import LargeBodies
from api.dashboard_pages import build_of_page, serve_dashboard
from api.dependencies import ProcessResources
from api.handlers import install_handlers
from api.health.checks import HealthChecks
from api.health.host_usage import HostUsage
from api.health.metrics import Metrics
from api.health.metrics_sources import MetricsSources
from api.health.probe import HealthProbe
from api.health.scrapes import Scrapes
from api.middleware.authentication import Authentication
from api.middleware.client_address import ClientAddress
from api.middleware.own_origins import OwnOriginsOnly
from api.middleware.rate_limit import RateLimit, WindowCounter
from api.middleware.request_context import RequestContext
from api.middleware.security_headers import SecurityHeaders
from api.middleware.whole_segments import WholeSegments
from api.openapi.docs_pages import app_with_docs, serve_document
from api.openapi.document import describe_app
from api.resilience.guard import Guard
from api.resilience.last_answers import LastAnswers
from api.routes import (
    alerts,
    analytics,
    api_keys,
    audit,
    dashboard,
    debug,
    events,
    explanations,
    facets,
    health,
    held,
    live,
    metrics,
    mirror,
    notifications,
    queues,
    resilience,
    reveals,
    search,
    sessions,
    task_names,
    tasks,
    trees,
    webhooks,
    workers,
    workflows,
)
from api.short_way import ShortWay
from api.streams.hub import FeedHub
from api.streams.live_hub import LiveHub
from api.version import VERSION
from background import Watchdog
from domain.health import API, DATABASE
from domain.origins import is_loopback_host, own_origins
from domain.server_urls import is_redis
from gateway.connection import redis_client
from gateway.control import Control
from gateway.layout import Layout
from gateway.message_mover import MessageMover
from gateway.notifications.sender import Sender
from gateway.oidc import IssuerServer
from gateway.pause_keys import PauseKeys
from gateway.queues import QueueReader
from gateway.results.reader import ResultReader
from services.resident.degradation import DegradationMarks
from services.resident.endings import Endings
from services.resident.issuer import Issuer
from services.resident.key_ring import KeyReader, KeyRing
from services.resident.limits import Limits
from services.resident.open_access import OpenAccess
from services.resident.signs_of_life import SignOfLife
from services.resident.submission_batcher import SubmissionBatcher
from services.resident.task_names import TaskNames
from services.workers.orders import WorkerOrders
from settings import Settings, urls
from store.engine import open_engine, stating, tell_lost_connections
from store.look import Look
from store.queries.mirror import STATE
from store.queries.workers.consumers import LAST_TOLD

ROUTERS = (
    health.router,
    metrics.router,
    explanations.router,  # before tasks: `/tasks/states` is no task
    tasks.router,
    trees.router,
    debug.router,
    reveals.router,
    workflows.router,
    workers.router,
    queues.router,
    task_names.router,
    search.router,
    facets.router,
    dashboard.router,
    analytics.router,
    alerts.router,
    notifications.router,
    events.router,
    live.router,
    webhooks.router,
    resilience.router,
    held.router,
    mirror.router,
    api_keys.router,
    sessions.router,
    audit.router,
)
FEED_CONNECTIONS = 3
"""One for what all streams read, the others for those that catch up."""
LIVE_CONNECTIONS = 2
"""One for the pulse, one for what is watched."""
# For `/metrics`. Beside them are one for whether the database is well, one for the workers and the mirror, and one for
# what workers have told.
PROBE_CONNECTIONS = 1

DESCRIPTION = """A control plane for Celery: tasks go in over REST, run on Celery workers, and everything that happens
to them is kept and shown. Where keys are configured, or an issuer of tokens is, every request but those to
`/api/v1/health` needs one."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application with all routes and layers; nothing is opened before its lifespan begins."""
    settings = settings or Settings()
    app = app_with_docs(
        "Celeriac",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=_lifespan,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # looked for at each request, and never there
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.large_bodies = LargeBodies()
    app.state.key_ring = KeyRing()
    rules = settings.oidc
    app.state.issuer = Issuer(rules, IssuerServer(rules.issuer)) if rules else None
    if settings.database_url is None:  # no table, no keys in it: only the document is wanted
        app.state.key_ring.fill((), is_closed=False, read_at=0.0)
    install_handlers(app)
    for router in ROUTERS:
        # As they are: `include_router` makes every route once more, and looks for it twice at each request.
        app.router.routes.extend(router.routes)
    _add_layers(app, settings)
    app.build_middleware_stack = partial(_stack_layers, app)  # type: ignore[method-assign]
    app.openapi = partial(describe_app, app)  # type: ignore[method-assign]  # FastAPI's documented way
    serve_document(app)
    serve_dashboard(app)
    return app


def _add_layers(app: FastAPI, settings: Settings) -> None:
    """What lies around the routes, innermost first."""
    app.add_middleware(ShortWay, app_of=lambda: app)
    address = app.state.client_address = ClientAddress(settings.trusted_proxies)
    app.add_middleware(
        Authentication,
        keys=settings.api_keys,
        ring=app.state.key_ring,
        host=settings.host,
        address=address,
        metrics_key=settings.metrics_key,
        issuer=app.state.issuer,
    )
    if settings.rate_limit_per_minute:
        app.add_middleware(RateLimit, limit=settings.rate_limit_per_minute, address=address)
    app.add_middleware(OwnOriginsOnly, own=own_origins(settings.host, settings.allowed_hosts))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(WholeSegments)
    app.add_middleware(RequestContext, metrics=app.state.metrics)


def _stack_layers(app: FastAPI) -> ASGIApp:
    """Our layers around FastAPI's two. It has three more outside of all, of no use here: what is
    not foreseen is answered by `RequestContext`, and bodies have bounds of their own.
    """
    stack: ASGIApp = ExceptionMiddleware(AsyncExitStackMiddleware(app.router), handlers=app.exception_handlers)
    for layer, positional, named in reversed(app.user_middleware):
        stack = layer(stack, *positional, **named)
    return stack


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        settings = app.state.settings
        resources = app.state.resources = await open_resources(stack, settings, metrics=app.state.metrics)
        app.state.refusals = Refusals(resources.engine.begin)
        await _read_keys(stack, app.state.key_ring, database_url=urls(settings)[0])
        if app.state.issuer is not None:
            stack.push_async_callback(app.state.issuer.server.close)
        answers = await stack.enter_async_context(LastAnswers(resources.redis))
        await stack.enter_async_context(SignOfLife(resources.redis, API, parts=0))
        is_open = partial(_is_open, settings, app.state.key_ring)
        await stack.enter_async_context(OpenAccess(resources.redis, is_open, host=settings.host))
        await stack.enter_async_context(Watchdog())
        app.state.guard = Guard(resources.marks, resources.probe.breakers, answers=answers)
        # What never goes is not looked through again; see `cli/garbage.py`.
        gc.freeze()
        yield


def _is_open(settings: Settings, ring: KeyRing) -> bool:
    """Whether others than this machine may reach us, and surely nobody is asked for a key."""
    return not (settings.asks_everybody or is_loopback_host(settings.host)) and ring.is_closed is False


async def _read_keys(stack: AsyncExitStack, ring: KeyRing, *, database_url: str) -> None:
    """Keep the API keys in mind, over a connection of its own that requests cannot keep busy."""
    engine = open_engine(database_url, pool_size=1, name="celeriac keys")
    stack.push_async_callback(engine.dispose)
    await stack.enter_async_context(KeyReader(ring, database_url, transact=partial(stating, engine)))


async def open_resources(stack: AsyncExitStack, settings: Settings, *, metrics: Metrics) -> ProcessResources:
    """Open everything that requests need; it is closed with the stack. Servers need not answer yet: they may come
    later.
    """
    database_url, broker_url, result_url = urls(settings)
    engine = open_engine(
        database_url, pool_size=settings.database_pool_size, name="celeriac api", keys=settings.at_rest_keys
    )
    stack.push_async_callback(engine.dispose)
    redis = redis_client(settings.effective_redis_url or "")
    stack.push_async_callback(redis.aclose)
    options = settings.broker_options
    layout = Layout(options, is_told=False)
    queues, mover = QueueReader(broker_url, layout), MessageMover(broker_url, layout)
    results = ResultReader(result_url, prefix=settings.result_prefix)
    for reader in (queues, results, mover):
        stack.push_async_callback(reader.close)
    health_engine = open_engine(database_url, pool_size=PROBE_CONNECTIONS, name="celeriac health")
    stack.push_async_callback(health_engine.dispose)
    database, state, told = (_look(stack, database_url, asking=asked) for asked in ("select 1", STATE, LAST_TOLD))
    checks = HealthChecks(database, state, redis=redis, queues=queues, results=results)
    probe = await stack.enter_async_context(HealthProbe(checks.by_name()))
    sources = MetricsSources(health_engine, redis, queues=queues)
    stack.push_async_callback(sources.close)
    scrapes = Scrapes(metrics, sources, probe=probe, engine=engine)
    stack.push_async_callback(scrapes.close)
    tell_lost_connections(engine, partial(probe.breakers.failed, DATABASE))
    feed_engine = open_engine(database_url, pool_size=FEED_CONNECTIONS, name="celeriac feed")
    stack.push_async_callback(feed_engine.dispose)
    marks = await stack.enter_async_context(DegradationMarks(redis))
    control = Control(broker_url, options, serializer=settings.task_serializer)
    stack.push_async_callback(control.close)
    resources = ProcessResources(
        settings=settings,
        redaction=settings.redaction,
        engine=engine,
        redis=redis,
        request_counter=WindowCounter(redis),
        checks=checks,
        probe=probe,
        scrapes=scrapes,
        metrics=metrics,
        marks=marks,
        batcher=await stack.enter_async_context(SubmissionBatcher(engine, tell_size=metrics.group_sizes.observe)),
        endings=await stack.enter_async_context(Endings(engine, database_url)),
        feed=await stack.enter_async_context(FeedHub(feed_engine, database_url)),
        live=await _open_live(stack, settings, queues=queues, probe=probe, marks=marks),
        task_names=TaskNames(engine) if settings.check_task_names else None,
        control=control,
        orders=WorkerOrders(control, PauseKeys(redis)),
        queues=queues,
        no_results=results.blind,
        mover=mover,
        sender=await stack.enter_async_context(Sender(settings.webhook_allow_networks)),
        limits=await stack.enter_async_context(Limits(engine, told, layout=layout, on_redis=is_redis(broker_url))),
        host=HostUsage(),
        searches=asyncio.Semaphore(max(1, settings.database_pool_size // 2)),
    )
    stack.callback(resources.answers.shutdown, wait=False)
    return resources


def _look(stack: AsyncExitStack, database_url: str, *, asking: str) -> Look:
    look = Look(database_url, asking, name="celeriac health")
    stack.push_async_callback(look.close)
    return look


async def _open_live(
    stack: AsyncExitStack, settings: Settings, *, queues: QueueReader, probe: HealthProbe, marks: DegradationMarks
) -> LiveHub:
    engine = open_engine(urls(settings)[0], pool_size=LIVE_CONNECTIONS, name="celeriac live")
    stack.push_async_callback(engine.dispose)
    default_queue = settings.default_queue
    hub = LiveHub(engine, queues, probe=probe, marks=marks, default_queue=default_queue, build=build_of_page())
    return await stack.enter_async_context(hub)
