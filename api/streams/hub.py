"""One reader of the feed for all streams of the process: what it has read last lies in a ring, from which they read.

So the cost of reading does not grow with the streams. A stream that is further behind than the ring reaches pages
through Postgres until it has caught up; nothing is held for it meanwhile.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.streams.frames import frame_of
from api.streams.open_streams import OpenStreams
from background import Resident, start_rounds
from domain.feed import Place, Told, write_cursor
from domain.principals import Principal
from services.feed_reading import Reading, read_feed
from store.engine import stating
from store.listener import FEED, Listener

MAX_RING = 10_000
"""How many changes the ring holds at least, once there were so many; twice as many at most."""
MAX_STREAMS = 200
MAX_STREAMS_OF_ONE = 10
"""How many streams whoever has shown a key may have open; where no key is needed, anybody is one and the same."""
CHUNK = 200
"""How many changes a stream takes at a time: at most 800 KiB."""
CATCHING_UP = 2
"""How many streams read from Postgres at a time."""
POLL_SECONDS = 1.0
"""A change is told when all older transactions are over, which nobody is notified of."""
REST_SECONDS = 60.0
"""The first stream wakes us; this holds while none is open."""
PAUSE_SECONDS = 0.1
"""The pause between two readings: each wakes all streams."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Framed:
    """A change, and how every stream writes it."""

    change: Told
    frame: bytes


@dataclass(frozen=True, slots=True)
class Portion:
    """What a stream takes at a time, and where it goes on."""

    changes: Sequence[Framed]
    ends: Place


class Ring:
    """The changes between two places, all of them; what is added pushes the oldest out."""

    def __init__(self, begins: Place, max_changes: int = MAX_RING) -> None:
        self._begins = begins
        self.ends = begins
        self._max_changes = max_changes
        self._changes: list[Framed] = []

    def add(self, changes: Sequence[Framed], ends: Place) -> None:
        """Add what lies between the old end and this one."""
        self._changes += changes
        self.ends = ends
        if len(self._changes) > 2 * self._max_changes:
            cut = len(self._changes) - self._max_changes
            self._begins = self._changes[cut - 1].change.place
            del self._changes[:cut]

    def take(self, after: Place, *, limit: int) -> Portion | None:
        """Return what comes behind this place; None where the ring does not reach back so far."""
        if after < self._begins:
            return None
        first = bisect_right(self._changes, after, key=_place_of)
        taken = self._changes[first : first + limit]
        is_last = first + limit >= len(self._changes)
        return Portion(taken, max(after, self.ends) if is_last else taken[-1].change.place)


def _place_of(framed: Framed) -> Place:
    return framed.change.place


def framed(reading: Reading) -> list[Framed]:
    """Return the changes that were read, as every stream writes them."""
    return [Framed(change, frame_of(change, reading.epoch)) for change in reading.changes]


class FeedHub(Resident):
    """`async with FeedHub(engine, url) as feed`: reads while a stream is open, and lets streams take what it has read.

    The engine is its own: streams that catch up keep no connection of requests busy.
    """

    def __init__(self, engine: AsyncEngine, database_url: str, *, max_streams: int = MAX_STREAMS) -> None:
        self._engine = engine
        self._inner = self._listener = Listener(database_url, FEED)
        self._catching_up = asyncio.Semaphore(CATCHING_UP)
        self._open = OpenStreams(max_streams)
        self._ring: Ring | None = None
        self._waiting: set[asyncio.Event] = set()
        self.epoch = ""

    async def read(self, cursor: str) -> Reading:
        """Read from Postgres, behind a cursor."""
        async with self._catching_up, stating(self._engine) as connection:
            return await read_feed(connection, cursor, limit=CHUNK)

    @contextmanager
    def opened(self, caller: Principal, first: Reading, *, wake: asyncio.Event) -> Iterator[None]:
        """Count a stream while it lasts, and set the event when there is more to take. Raises Overloaded."""
        with self._open.opened(caller, max_of_one=MAX_STREAMS_OF_ONE):
            self._waiting.add(wake)
            if self._ring is None:
                self.epoch, self._ring = first.epoch, Ring(first.ends)
            self._listener.wake()
            try:
                yield
            finally:
                self._waiting.discard(wake)

    async def take(self, after: Place, *, epoch: str) -> Portion | None:
        """Return what comes behind this place, from the ring or from Postgres; None where some is no longer kept."""
        portion = self._ring.take(after, limit=CHUNK) if self._ring and self.epoch == epoch else None
        if portion is not None:
            return portion
        reading = await self.read(write_cursor(epoch, after))
        if reading.is_reset or reading.gap_ends is not None:
            return None
        return Portion(framed(reading), reading.ends)

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._round, name="feed")]

    async def _round(self) -> None:
        await self._listener.wait(POLL_SECONDS if self._ring else REST_SECONDS)
        if not self._waiting:
            self._ring = None
            return
        try:
            await self._read_on()
        except (SQLAlchemyError, OSError) as error:
            log.warning("feed_not_read", error=type(error).__name__)
        await asyncio.sleep(PAUSE_SECONDS)

    async def _read_on(self) -> None:
        while (ring := self._ring) is not None:
            async with stating(self._engine) as connection:
                reading = await read_feed(connection, write_cursor(self.epoch, ring.ends), limit=CHUNK)
            if reading.is_reset or reading.gap_ends is not None:
                self._ring = None  # streams find out by themselves what is missing
                self._tell()
                return
            ring.add(framed(reading), reading.ends)
            if reading.changes:
                self._tell()
            if reading.is_last:
                return

    def _tell(self) -> None:
        for wake in self._waiting:
            wake.set()
