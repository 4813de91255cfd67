"""Hears what workers tell about themselves and their tasks, and knows when it could not hear.

Messages are passed on as they came, undecoded: each is one event or a list of them. Celery's own `Receiver` is not used
because it moves clocks and timestamps. How each broker is listened to stands in `gateway/events/sources.py`.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from background import start_thread
from gateway.connection import BROKER_ERRORS
from gateway.events.gathering import Gathering
from gateway.events.sources import Blind, EventItem, EventMessage, EventSource

MAX_BUFFERED = 20_000
"""How many messages are held for a slow reader. Then the broker has to hold them, or cut us off: a blind stretch."""
MAX_BUFFERED_BYTES = 32 * 1024 * 1024
"""How many bytes of large messages are held: 20,000 have some 10 MB, but each may bear two dozen tracebacks."""
RECEIVE_SECONDS = 0.2
"""How soon what was stored is acknowledged, where nothing more comes."""
REST_SECONDS = 0.5
"""How long to wait for the next events where nothing is to be acknowledged and no probe is unanswered."""
CLOSE_SECONDS = 5.0
MANY_TOGETHER = 500
"""A number of messages with which more wait: the next are read without a pause."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heard:
    """Messages in the order of arrival; empty where nothing came in time."""

    messages: tuple[EventMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """When a listener asks whether its connection lives, when it gives it up, and how long it rests before the next."""

    probe_seconds: float = 2.0
    """Silence after which the connection is asked whether it still lives."""
    answer_seconds: float = 8.0
    """A probe unanswered for so long means a half-open connection, which no socket error ever reports."""
    slack_seconds: float = 2.0
    """How late a busy machine may wake a thread."""
    first_pause_seconds: float = 0.2
    longest_pause_seconds: float = 2.0

    @property
    def longest_silence_seconds(self) -> float:
        """Return the longest silence of a connection that lives."""
        return self.probe_seconds + self.answer_seconds + self.slack_seconds


USUAL_PACE = Pace()


class EventSubscriber:
    """One thread that listens and reconnects for ever, one buffer, and one reader."""

    def __init__(
        self,
        source: EventSource,
        *,
        max_buffered: int = MAX_BUFFERED,
        pace: Pace = USUAL_PACE,
        gathering: Gathering | None = None,
    ) -> None:
        """Prepare to listen. While many events come, `gathering` says how long they wait until they are read."""
        self._source = source
        self._gathering = gathering or Gathering()
        self._pace = pace
        self._buffer = _Buffer(max_buffered)
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._last_read: EventItem | None = None
        self._read_few = False
        self._to_acknowledge: deque[EventItem] = deque()
        self._unacknowledged: EventItem | None = None
        """The last one that was handed to the reader, until it is acknowledged."""
        self._is_connected = False
        self._pause = pace.first_pause_seconds
        self.last_heard = time.monotonic()
        """When the broker last gave a sign of life, on the monotonic clock."""

    @property
    def connected(self) -> bool:
        """Tell whether it hears: its thread lives, and the broker gave its connection a sign of life not long ago."""
        is_alive = self._thread is not None and self._thread.is_alive()
        silence = time.monotonic() - self.last_heard
        return is_alive and self._is_connected and silence < self._pace.longest_silence_seconds

    async def start(self) -> None:
        """Begin to listen; returns at once, connected or not."""
        self._buffer.reader = asyncio.get_running_loop()
        self._thread = start_thread(self._listen, name="gateway-events", asked=self._closing.is_set)

    async def get(self, *, max_size: int = 1500, max_wait: float = 0.5) -> Heard | Blind:
        """Return all that was heard, up to `max_size` messages; waits up to `max_wait` seconds for the first.

        What stays unread meanwhile comes with the next call.
        """
        if not self._source.brings_all_below and self._read_few:
            await asyncio.sleep(self._gathering.seconds())
        items = await self._buffer.take(max_size, max_wait)
        if items:
            self._last_read = items[-1]
            self._read_few = len(items) < MANY_TOGETHER
        if items and isinstance(items[0], Blind):
            return items[0]
        return Heard(tuple(item for item in items if isinstance(item, EventMessage)))

    async def acknowledge(self) -> None:
        """Acknowledge all that `get` has returned: it is stored, and whoever keeps it for us may forget it."""
        if self._last_read is not None:
            self._to_acknowledge.append(self._last_read)

    async def close(self) -> None:
        """Stop listening and end the thread; a second time does nothing more."""
        self._closing.set()
        self._buffer.close()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)

    def _listen(self) -> None:
        deaf_since = datetime.now(UTC)
        while not self._closing.is_set():
            try:
                self._note_connected(deaf_since, missed=self._source.connect())
                self._hear()
            except BROKER_ERRORS as error:
                log.warning("events_disconnected", error=str(error), retry_in_seconds=self._pause)
            except Exception:  # a listener that ends hears nothing more, whatever it was that ended it
                log.exception("events_listener_failed", retry_in_seconds=self._pause)
            if self._is_connected:
                self._is_connected = False
                deaf_since = datetime.now(UTC) - timedelta(seconds=time.monotonic() - self.last_heard)
            self._close_source()
            self._closing.wait(self._pause)
            self._pause = min(self._pause * 2, self._pace.longest_pause_seconds)

    def _close_source(self) -> None:
        try:
            self._source.close()
        except Exception as error:  # it is given up in any case
            log.warning("events_disconnected", error=str(error), retry_in_seconds=self._pause)

    def _note_connected(self, deaf_since: datetime, *, missed: bool) -> None:
        self._is_connected = True
        self.last_heard = time.monotonic()
        if missed:
            self._buffer.put([Blind(deaf_since, datetime.now(UTC), self._source.streamed)])
        log.info("events_connected", kept=self._source.streamed, deaf_since=deaf_since.isoformat() if missed else None)

    def _hear(self) -> None:
        """Hear until closed; raises one of BROKER_ERRORS when the connection is lost or answers no more."""
        probed_at: float | None = None
        while not self._closing.is_set():
            is_resting = self._unacknowledged is None and probed_at is None
            items = self._source.receive(REST_SECONDS if is_resting else RECEIVE_SECONDS)
            now = time.monotonic()
            if items is not None:
                self.last_heard, probed_at = now, None
                # Not before: a connection that breaks at its first message is tried ever more slowly.
                self._pause = self._pace.first_pause_seconds
                self._unacknowledged = items[-1] if items else self._unacknowledged
                self._buffer.put(items)
            elif probed_at is None and now - self.last_heard > self._pace.probe_seconds:
                self._source.probe()
                probed_at = now
            elif probed_at is not None and now - probed_at > self._pace.answer_seconds:
                raise TimeoutError(f"no answer for {now - self.last_heard:.1f} s")
            self._acknowledge()
            if items is not None and len(items) < self._source.brings_all_below:
                self._closing.wait(self._gathering.seconds())
        self._acknowledge()

    def _acknowledge(self) -> None:
        while self._to_acknowledge:
            stored = self._to_acknowledge.popleft()
            self._source.acknowledge(stored)
            if stored is self._unacknowledged:
                self._unacknowledged = None


class _Buffer:
    """A bounded queue from one thread to one coroutine; a full one stops the thread."""

    def __init__(self, limit: int) -> None:
        self.reader: asyncio.AbstractEventLoop | None = None
        self._limit = limit
        self._items: deque[EventItem] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._filled = asyncio.Event()
        self._closed = False

    def put(self, items: Sequence[EventItem]) -> None:
        """Waits for room. May exceed the limit by one receipt."""
        if not items:
            return
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room())
            self._items.extend(items)
            self._bytes += sum(map(_size, items))
        if self.reader is not None and not self._closed and not self._filled.is_set():
            self.reader.call_soon_threadsafe(self._filled.set)

    async def take(self, max_size: int, max_wait: float) -> list[EventItem]:
        """Messages, or one blind stretch alone, so that it keeps its place among them."""
        await self._wait(max_wait)
        with self._changed:
            taken = self._pop(max_size)
            self._changed.notify()
        return taken

    def close(self) -> None:
        """Lets both sides go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._filled.set()

    async def _wait(self, seconds: float) -> None:
        if self._closed:
            await asyncio.sleep(0)  # a reader that goes on asking would let nobody else have a turn, its end included
        try:
            async with asyncio.timeout(seconds):
                while not self._items and not self._closed:  # the word of items that are long taken comes late
                    await self._filled.wait()
                    self._filled.clear()
        except TimeoutError:
            pass  # nothing heard: the caller gets an empty list

    def _has_room(self) -> bool:
        return len(self._items) < self._limit and self._bytes < MAX_BUFFERED_BYTES

    def _pop(self, max_size: int) -> list[EventItem]:
        taken: list[EventItem] = []
        while self._items and len(taken) < max_size:
            if isinstance(self._items[0], Blind):
                return taken or [self._items.popleft()]
            taken.append(self._items.popleft())
            self._bytes -= _size(taken[-1])
        return taken


def _size(item: EventItem) -> int:
    return len(item.body) if isinstance(item, EventMessage) else 0
