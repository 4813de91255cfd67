"""The loops process: opens what the loops need, runs them all, stops them together."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from background import end, start
from domain.degradation import MIRROR
from domain.health import LOOPS
from domain.server_urls import is_redis
from gateway.connection import redis_client
from gateway.control import Control
from gateway.foreign_prefixes import ForeignPrefixes
from gateway.guarded_http import GuardedHttp
from gateway.layout import Layout
from gateway.message_mover import MessageMover
from gateway.notifications.sender import Sender
from gateway.pause_keys import PauseKeys
from gateway.presence import Presence
from gateway.publisher import Publisher
from gateway.queues import QueueReader
from gateway.results.reader import ResultReader
from gateway.webhook_sender import WebhookSender
from loops.alerts import AlertsRound
from loops.cancels import CancelsRound
from loops.components import Components, check_mirror
from loops.dispatch import DispatchRound, RefusedRound
from loops.expiry import ExpiryRound
from loops.glance import STATEMENT, GlanceRound, Wakes, with_rests
from loops.loop import Loop, run_loop
from loops.lost.dead_workers import DeadWorkersRound, Gateway
from loops.lost.missed_ends import MissedEndsRound
from loops.lost.stuck_messages import StuckMessagesRound
from loops.lost.vanished_tasks import VanishedTasksRound
from loops.notifications import NotificationsRound
from loops.partitions import PartitionsRound
from loops.process_lives import LivesRound
from loops.queues import QueuesRound
from loops.retention import RetentionRound
from loops.rollups import RollupsRound
from loops.seals import SealsRound
from loops.search_index import SearchIndexRound
from loops.webhooks import MOST_IN_FLIGHT, FanOutRound, WebhooksRound
from loops.workers.control import ControlRound
from loops.workers.drains import Drains
from loops.workers.nodes import NodesRound
from loops.workers.presence import PresenceRound
from loops.workflows import WorkflowsRound
from services.components import server_checks
from services.lost.proofs import Proofs
from services.resident.counters import CounterName, Counters
from services.resident.degradation import DegradationMarks
from services.resident.open_access import list_open_hosts
from services.resident.signs_of_life import SignOfLife
from services.workers.orders import WorkerOrders
from settings import Settings, urls
from store.engine import open_engine
from store.listener import FEED, OUTBOX, WORKFLOWS, Listener
from store.look import Look
from store.queries.glance import Waiting

NAME = "celeriac loops"
"""Shows in pg_stat_activity."""

log = structlog.get_logger(__name__)


def _retention_round(engine: AsyncEngine, settings: Settings) -> RetentionRound:
    return RetentionRound(
        engine,
        settings.retention,
        workers_kept_for=settings.workers_kept_for,
        feed_kept_for=timedelta(hours=settings.feed_hours),
    )


async def run_others(settings: Settings, stopping: asyncio.Event) -> None:
    """Run every loop but those of webhooks, which run elsewhere."""
    await run(settings, stopping, with_webhooks=False)


async def run(settings: Settings, stopping: asyncio.Event, *, with_webhooks: bool = True) -> None:
    """Run every loop until `stopping` is set; what was claimed and not finished stays in the outbox."""
    database_url, broker_url, _ = urls(settings)
    async with AsyncExitStack() as stack:
        engine, redis = _open(stack, settings)
        layout = Layout(settings.broker_options, is_told=False)
        gateways = _gateways(stack, settings, layout=layout)
        publisher, singly, control, results, queues, mover, presence, _ = gateways
        proofs = Proofs(engine, control, presence=presence, redis=redis)
        marks = await stack.enter_async_context(DegradationMarks(redis))
        counters = await stack.enter_async_context(Counters(redis))
        count_published = partial(counters.add, CounterName.DISPATCHED)
        dispatch = DispatchRound(engine, publisher, marks=marks, broker=queues, tell_published=count_published)
        life = await stack.enter_async_context(SignOfLife(redis, LOOPS))
        lives = LivesRound(redis, lambda: life.present_since)
        components = _components(stack, redis, queues=queues, results=results, tell=lives.wake)
        orders = WorkerOrders(control, PauseKeys(redis))
        drains = Drains(engine, control, orders=orders, presence=presence, redis=redis)
        hides = settings.redaction
        sweep = MissedEndsRound(
            engine, results, queues=queues, proofs=proofs, resend_unproven=settings.resend_unproven, redaction=hides
        )
        rescuing = Gateway(presence, mover, queues, control, results)
        alerts = _alerts_round(
            stack, redis, engine=engine, gateways=gateways, components=components, marks=marks, lives=lives
        )
        sender = await stack.enter_async_context(Sender(settings.webhook_allow_networks))
        submitted = await stack.enter_async_context(Listener(database_url, OUTBOX))
        stepped = await stack.enter_async_context(Listener(database_url, WORKFLOWS))
        loops: tuple[Loop, ...] = (
            Loop("dispatch", dispatch, submitted.wait),
            Loop("refused", RefusedRound(engine, singly, marks=marks, tell_published=count_published)),
            Loop("workflows", WorkflowsRound(engine, results), stepped.wait),
            Loop("nodes", NodesRound(engine, control, layout=layout, enable_events=settings.enable_events)),
            Loop("presence", PresenceRound(engine, control, presence=presence, any_can_read=is_redis(broker_url))),
            Loop("control", ControlRound(engine, control, orders=orders, drains=drains)),
            Loop("cancels", CancelsRound(engine, control, mover=mover, redis=redis)),
            Loop("sweep", sweep),
            Loop("rescue", DeadWorkersRound(engine, rescuing, redis=redis, redaction=hides)),
            Loop("strays", StuckMessagesRound(engine, mover, proofs=proofs, presence=presence, redis=redis)),
            Loop("unsettled", VanishedTasksRound(engine, control, queues=queues, results=results, redaction=hides)),
            Loop("partitions", PartitionsRound(engine)),
            Loop("expiry", ExpiryRound(engine)),
            Loop("retention", _retention_round(engine, settings)),
            Loop("seals", SealsRound(engine, settings.audit_keys, kept_for=settings.audit_kept_for)),
            Loop("search_index", SearchIndexRound(engine, redaction=hides)),
            Loop("rollups", RollupsRound(engine)),
            Loop("lives", lives),
            Loop("components", components),
            Loop("alerts", alerts, lives.wait),
            Loop("notifications", NotificationsRound(engine, sender, public_url=settings.public_url)),
        )
        notified: dict[Waiting, Wakes] = {Waiting.DUE: submitted, Waiting.WORKFLOWS: stepped}
        if with_webhooks:
            of_webhooks, woken = await _webhook_loops(stack, settings, engine=engine, counters=counters)
            loops, notified = (*loops, *of_webhooks), {**notified, **woken}
        if settings.adopt_queues:
            loops += (Loop("queues", QueuesRound(engine, control, queues=queues)),)
        await _run(_rested(stack, settings, loops=loops, notified=notified), life=life, stopping=stopping)
    log.info("loops_stopped")


async def run_webhooks(settings: Settings, stopping: asyncio.Event) -> None:
    """Run the loops of webhooks alone until `stopping` is set: they dial where clients say, and nothing else here does.

    They tell nobody that the loops work: others may not.
    """
    async with AsyncExitStack() as stack:
        engine, redis = _open(stack, settings)
        counters = await stack.enter_async_context(Counters(redis))
        loops, wakes = await _webhook_loops(stack, settings, engine=engine, counters=counters)
        looking = _glance(stack, settings, wakes=wakes)
        running = [start(run_loop(loop), name=loop.name) for loop in (*loops, looking)]
        await stopping.wait()
        await end(*running)
    log.info("loops_stopped")


def _rested(
    stack: AsyncExitStack, settings: Settings, *, loops: Sequence[Loop], notified: Mapping[Waiting, Wakes]
) -> list[Loop]:
    """Let those rest that may, and add the loop that looks for them."""
    resting, wakes = with_rests(loops, notified=notified)
    return [*resting, _glance(stack, settings, wakes=wakes)]


async def _run(loops: Sequence[Loop], *, life: SignOfLife, stopping: asyncio.Event) -> None:
    life.parts = len(loops)
    running = [start(run_loop(loop, give=life.promise), name=loop.name) for loop in loops]
    await stopping.wait()
    await end(*running)


def _glance(stack: AsyncExitStack, settings: Settings, *, wakes: Mapping[Waiting, Wakes]) -> Loop:
    """Make the loop that looks for others, with its connection, to be closed with the stack."""
    look = Look(urls(settings)[0], STATEMENT, name=NAME, by_key=True)
    stack.push_async_callback(look.close)
    return Loop("glance", GlanceRound(look, wakes))


async def _webhook_loops(
    stack: AsyncExitStack, settings: Settings, *, engine: AsyncEngine, counters: Counters
) -> tuple[tuple[Loop, Loop], Mapping[Waiting, Wakes]]:
    """Make the loops of webhooks, with what they need, to be closed with the stack, and who is woken for what."""
    egress = settings.webhook_egress
    http = GuardedHttp(egress.networks, proxy=settings.webhook_proxy, most=MOST_IN_FLIGHT)
    stack.push_async_callback(http.close)

    def count(delivered: int, failed: int) -> None:
        counters.add(CounterName.WEBHOOKS_DELIVERED, delivered)
        counters.add(CounterName.WEBHOOKS_FAILED, failed)

    webhooks = WebhooksRound(engine, WebhookSender(http, egress), count=count)
    stack.push_async_callback(webhooks.close)
    told = await stack.enter_async_context(Listener(urls(settings)[0], FEED))
    fan_out = FanOutRound(
        engine, told, redaction=settings.redaction, public_url=settings.public_url, tell=webhooks.wake
    )
    loops = Loop("webhook_fanout", fan_out, fan_out.wait), Loop("webhooks", webhooks, webhooks.wait)
    return loops, {Waiting.FOLLOWERS: fan_out, Waiting.DELIVERIES: webhooks}


def _open(stack: AsyncExitStack, settings: Settings) -> tuple[AsyncEngine, Redis]:
    """Open what all loops use, to be closed with the stack."""
    pool_size, keys = settings.database_pool_size, settings.at_rest_keys
    engine = open_engine(urls(settings)[0], pool_size=pool_size, name=NAME, by_key=True, keys=keys)
    stack.push_async_callback(engine.dispose)
    redis = redis_client(settings.effective_redis_url or "")
    stack.push_async_callback(redis.aclose)
    return engine, redis


class _Gateways(NamedTuple):
    """All through which the loops reach brokers, workers and results."""

    publisher: Publisher
    singly: Publisher
    """Sends each message by itself: what a broker has refused in a batch."""
    control: Control
    results: ResultReader
    queues: QueueReader
    mover: MessageMover
    presence: Presence
    prefixes: ForeignPrefixes


def _gateways(stack: AsyncExitStack, settings: Settings, *, layout: Layout) -> _Gateways:
    """Make them, to be closed with the stack; each connects when it is first used."""
    _, broker_url, result_url = urls(settings)
    options = settings.broker_options
    publish = partial(
        Publisher, broker_url, options=options, serializer=settings.task_serializer, redaction=settings.redaction
    )
    control = Control(broker_url, options, serializer=settings.task_serializer)
    gateways = _Gateways(
        publisher=publish(),
        singly=publish(singly=True),
        control=control,
        results=ResultReader(result_url, prefix=settings.result_prefix),
        queues=QueueReader(broker_url, layout),
        mover=MessageMover(broker_url, layout),
        presence=Presence(broker_url, control, options=options),
        prefixes=ForeignPrefixes(broker_url, layout),
    )
    for gateway in gateways:
        stack.push_async_callback(gateway.close)
    return gateways


def _components(
    stack: AsyncExitStack, redis: Redis, *, queues: QueueReader, results: ResultReader, tell: Callable[[], None]
) -> Components:
    """Make what asks whether the servers and the mirror are well, to be closed with the stack."""
    servers = server_checks(redis, queues=queues, results=results)
    components = Components(servers | {MIRROR: partial(check_mirror, redis)}, tell=tell)
    stack.push_async_callback(components.close)
    return components


def _alerts_round(
    stack: AsyncExitStack,
    redis: Redis,
    *,
    engine: AsyncEngine,
    gateways: _Gateways,
    components: Components,
    marks: DegradationMarks,
    lives: LivesRound,
) -> AlertsRound:
    """Make what looks for alerts, to be closed with the stack."""
    looking = AlertsRound(
        engine,
        gateways.queues,
        components=components,
        marks=marks,
        lives=lives,
        prefixes=gateways.prefixes,
        find_open_hosts=partial(list_open_hosts, redis),
    )
    stack.push_async_callback(looking.close)
    return looking
