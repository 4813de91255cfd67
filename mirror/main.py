"""The mirror process: hear, write, acknowledge, until told to stop."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from background import end, start
from domain.degradation import MIRROR
from domain.shares import Shares
from gateway.connection import redis_client
from gateway.events.gathering import Gathering
from gateway.events.opening import open_sources
from gateway.events.sources import Blind, EventMessage
from gateway.events.subscriber import MAX_BUFFERED, EventSubscriber
from gateway.results.reader import ResultReader
from mirror.writer import Writer, Written
from services.resident.counters import CounterName, Counters
from services.resident.sharing import Sharing
from services.resident.signs_of_life import SignOfLife
from settings import Settings, urls
from store.engine import open_engine
from store.listener import AWAITED, Listener

MAX_BATCH = 5_000
"""Reached only when much waits: then most events of a task are in one batch, and it is folded once. Half a second of
work, for which its tasks are locked.
"""
MAX_WAIT_SECONDS = 0.5
END_SECONDS = 0.03
"""How long the beginning of a short task waits for its end, so that one commit holds both."""
ENDS = (b'"task-succeeded"', b'"task-failed"', b'"task-retried"', b'"task-revoked"', b'"task-rejected"')
STREAM_BUFFERED = 2 * MAX_BATCH
"""How many messages of the stream are held: they are safe there, and another mirror takes ours over only after 10 s."""
MAX_REST_SECONDS = 600.0
STOP_SECONDS = 3.0
"""Time for what has arrived when we are told to stop; `up` gives us 10 s in all."""
LEAVE_SECONDS = 1.0
WORKS_SECONDS = 30.0
"""How long a part of the mirror may hang until its shares are left to other mirrors; a large batch takes seconds."""

log = structlog.get_logger(__name__)


async def run(settings: Settings, stopping: asyncio.Event) -> None:
    """Mirror events until `stopping` is set, and then what has already arrived."""
    database_url, _, result_url = urls(settings)
    async with AsyncExitStack() as stack:
        engine = open_engine(
            database_url,
            pool_size=settings.database_pool_size,
            name="celeriac mirror",
            by_key=True,
            keys=settings.at_rest_keys,
        )
        stack.push_async_callback(engine.dispose)
        results = ResultReader(result_url, prefix=settings.result_prefix)
        if results.blind:
            log.warning("results_not_read", reason=results.blind)
        stack.push_async_callback(results.close)
        gathering = Gathering()
        awaited = await stack.enter_async_context(Listener(database_url, AWAITED))
        hurrying = start(_hurry(awaited, gathering), name="hurry")
        stack.push_async_callback(end, hurrying)
        redis = redis_client(settings.effective_redis_url or "")
        stack.push_async_callback(redis.aclose)
        life = await stack.enter_async_context(SignOfLife(redis, MIRROR))
        sharing = await stack.enter_async_context(
            Sharing(redis, count=settings.event_shares, works=lambda: time.monotonic() - life.worked_at < WORKS_SECONDS)
        )
        subscribers = _subscribers(settings, gathering, shares=lambda: sharing.shares)
        life.parts = len(subscribers)
        for subscriber in subscribers:
            stack.push_async_callback(subscriber.close)
            await subscriber.start()
        counters = await stack.enter_async_context(Counters(redis))
        log.info("mirror_ready")
        writer = Writer(engine, results, forgets_after=settings.retention.of_news, redaction=settings.redaction)
        mirroring = [
            start(
                mirror_events(subscriber, writer, stopping=stopping, life=life, counters=counters, gathering=gathering),
                name=f"mirror-{number}",
                asked=stopping.is_set,
            )
            for number, subscriber in enumerate(subscribers, 1)
        ]
        await asyncio.gather(*mirroring)
    log.info("mirror_stopped")


async def _hurry(awaited: Listener, gathering: Gathering) -> None:
    while True:
        if await awaited.wait(MAX_REST_SECONDS):
            gathering.hurry()


def _subscribers(settings: Settings, gathering: Gathering, *, shares: Callable[[], Shares]) -> list[EventSubscriber]:
    _, broker_url, _ = urls(settings)
    sources = open_sources(
        broker_url, settings.effective_redis_url or "", shares=shares, options=settings.broker_options
    )
    return [
        EventSubscriber(source, max_buffered=STREAM_BUFFERED if source.streamed else MAX_BUFFERED, gathering=gathering)
        for source in sources
    ]


async def mirror_events(
    subscriber: EventSubscriber,
    writer: Writer,
    *,
    stopping: asyncio.Event,
    life: SignOfLife,
    counters: Counters,
    gathering: Gathering | None = None,
    stop_seconds: float = STOP_SECONDS,
) -> None:
    """Mirror until told to stop, then what has arrived; what takes too long is left, and not acknowledged.

    Raises what it cannot go on after: then the process ends, and is started again.
    """
    tally = _Tally(counters, gathering or Gathering())
    mirroring = asyncio.create_task(_mirror(subscriber, writer, stopping=stopping, life=life, tally=tally))
    stop_asked = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({mirroring, stop_asked}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({mirroring}, timeout=stop_seconds)
    except asyncio.CancelledError:
        # Not ended before it has let go of what it uses.
        mirroring.cancel()
        await asyncio.wait({mirroring}, timeout=LEAVE_SECONDS)
        raise
    finally:
        stop_asked.cancel()
    if mirroring.done():
        mirroring.result()
        return
    log.warning("batch_left", after_seconds=stop_seconds)
    mirroring.cancel()
    # A frozen Postgres does not even answer to a cancel.
    await asyncio.wait({mirroring}, timeout=LEAVE_SECONDS)


@dataclass(frozen=True, slots=True)
class _Tally:
    """Who is told how many events were written."""

    counters: Counters
    gathering: Gathering

    def note(self, written: Written) -> None:
        self.counters.add(CounterName.EVENTS_APPLIED, written.applied)
        self.counters.add(CounterName.EVENTS_REFUSED, written.refused)
        self.gathering.note(written.applied)


async def _mirror(
    subscriber: EventSubscriber, writer: Writer, *, stopping: asyncio.Event, life: SignOfLife, tally: _Tally
) -> None:
    """Batches as they come; acknowledged only when committed."""
    while True:
        if subscriber.connected:
            life.give(subscriber)
        was_stopping = stopping.is_set()
        heard = await subscriber.get(max_size=MAX_BATCH, max_wait=0 if was_stopping else MAX_WAIT_SECONDS)
        blind: Blind | None = None
        if isinstance(heard, Blind):
            blind = heard
        elif heard.messages:
            messages, blind = await _with_ends(subscriber, heard.messages, seconds=0 if was_stopping else END_SECONDS)
            tally.note(await writer.write(messages))
        elif was_stopping:
            return
        else:
            continue
        if blind is not None:
            await writer.note_blindness(blind)
        await subscriber.acknowledge()


async def _with_ends(
    subscriber: EventSubscriber, messages: tuple[EventMessage, ...], *, seconds: float
) -> tuple[tuple[EventMessage, ...], Blind | None]:
    """Return the messages, and where no task ends in them what comes soon: its end, or a stretch in which it may
    have been missed.
    """
    until, new = time.monotonic() + seconds, messages
    while len(messages) < MAX_BATCH and not _tell_of_an_end(new):
        left = until - time.monotonic()
        if left <= 0:
            break
        more = await subscriber.get(max_size=MAX_BATCH - len(messages), max_wait=left)
        if isinstance(more, Blind):
            return messages, more
        new = more.messages
        messages += new
    return messages, None


def _tell_of_an_end(messages: Sequence[EventMessage]) -> bool:
    """Whether any may: without decoding, and text of a task that looks so does no harm."""
    return any(end in message.body for message in messages for end in ENDS)
