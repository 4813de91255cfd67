"""What open pages are told, read once for all of them: the pulse each second, and which topics have changed.

Nothing is read while nobody listens. A page is told of a topic once it opens, and whenever it has changed since: what
it asks for after that is never older than the last hint. A slow one misses pulses and hints, of which the latest says
all, and no memory is held for it.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.health.probe import HealthProbe
from api.schemas.live import Hint, Pulse
from api.streams.frames import unplaced_frame
from api.streams.open_streams import OpenStreams
from background import Resident, start_rounds
from domain.degradation import BROKER, BlockedWork, automatic, blocked_by, holding
from domain.health import DATABASE
from domain.live import Topic, Topics, topic_of_task, topic_of_workflow
from domain.principals import Principal
from gateway.ports import ReadsQueues
from services.dashboard import ask_depths
from services.live import FleetReading, HeldCount, read_fleet
from services.resident.degradation import DegradationMarks
from store.engine import stating
from store.queries.for_live import mark_tasks, mark_workflows

MAX_STREAMS = 200
MAX_STREAMS_OF_ONE = 50
"""How many pages whoever has shown a key may have open: a key is often that of a team."""
PULSE_SECONDS = 1.0
WATCH_SECONDS = 0.25
READ_SECONDS = 2.0
"""How long the figures may take; then the pulse goes without them."""
SHARE = 4
"""A round that takes long is followed by a pause so many times as long, whatever is watched."""

log = structlog.get_logger(__name__)


class Board:
    """What was told last of each topic, and as which version: the time in ms at which it was noticed."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, bytes]] = {}
        self._marks: dict[str, object] = {}

    def note(self, marks: Mapping[str, object]) -> set[str]:
        """Return the topics of which the mark is another one than before, or was not known."""
        changed = {topic for topic, mark in marks.items() if topic not in self._marks or self._marks[topic] != mark}
        self._marks |= marks
        for topic in changed:
            version = self._next_version(topic)
            hint = Hint(topic=topic, version=version)
            self._told[topic] = (version, unplaced_frame("changed", hint.model_dump_json()))
        return changed

    def put(self, topic: str, frame: bytes) -> None:
        """Tell this of a topic, whether or not it is anything new."""
        self._told[topic] = (self._next_version(topic), frame)

    def keep(self, topics: Iterable[str]) -> None:
        """Forget all others."""
        kept = frozenset(topics)
        for told in (self._told, self._marks):
            for topic in told.keys() - kept:
                del told[topic]

    def since(self, told: Mapping[str, int], topics: Iterable[str]) -> list[tuple[str, int, bytes]]:
        """Return topic, version and frame of those of which there is a later version than was told."""
        latest = ((topic, *self._told[topic]) for topic in topics if topic in self._told)
        return [each for each in latest if each[1] > told.get(each[0], 0)]

    def _next_version(self, topic: str) -> int:
        before = self._told[topic][0] if topic in self._told else 0
        return max(before + 1, int(time.time() * 1000))


@dataclass(frozen=True, slots=True)
class Listening:
    """One open stream, as the hub sees it."""

    topics: Topics
    names: frozenset[str]
    wake: asyncio.Event


class LiveHub(Resident):
    """`async with LiveHub(engine, ...) as live`: reads while a stream is open, and wakes those whom it concerns."""

    def __init__(
        self,
        engine: AsyncEngine,
        queues: ReadsQueues,
        *,
        probe: HealthProbe,
        marks: DegradationMarks,
        default_queue: str,
        build: str,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self._engine = engine
        self._queues = queues
        self._probe = probe
        self._degraded = marks
        self._default_queue = default_queue
        self._build = build
        self._open = OpenStreams(max_streams)
        self._listening: set[Listening] = set()
        self._is_read, self._is_watched = asyncio.Event(), asyncio.Event()
        self._held = HeldCount()
        self.board = Board()

    @contextmanager
    def opened(self, caller: Principal, topics: Topics, *, wake: asyncio.Event) -> Iterator[None]:
        """Count a stream while it lasts, and set the event when one of its topics has changed. Raises Overloaded."""
        with self._open.opened(caller, max_of_one=MAX_STREAMS_OF_ONE):
            listening = Listening(topics, frozenset(topics.names), wake)
            self._listening.add(listening)
            self._look_who_listens()
            try:
                yield
            finally:
                self._listening.discard(listening)
                self._look_who_listens()
                # What is told at once to the next who comes shall not be old.
                self.board.keep(frozenset[str]().union(*(each.names for each in self._listening)))

    def _look_who_listens(self) -> None:
        for event, is_wanted in (
            (self._is_read, any(each.topics.general for each in self._listening)),
            (self._is_watched, any(each.topics.task_ids or each.topics.workflow_ids for each in self._listening)),
        ):
            if is_wanted:
                event.set()
            else:
                event.clear()

    def _start(self) -> list[asyncio.Task[None]]:
        return [
            start_rounds(self._pulse_round, name="live-pulse"),
            start_rounds(self._watch_round, name="live-watch"),
        ]

    async def _pulse_round(self) -> None:
        await self._is_read.wait()
        began = time.monotonic()
        await self.read_once()
        await _rest(time.monotonic() - began, every_seconds=PULSE_SECONDS)

    async def _watch_round(self) -> None:
        await self._is_watched.wait()
        began = time.monotonic()
        try:
            await self.watch_once()
        except (SQLAlchemyError, OSError) as error:
            log.warning("watched_not_read", error=type(error).__name__)
        await _rest(time.monotonic() - began, every_seconds=WATCH_SECONDS)

    async def read_once(self) -> None:
        """Read how the whole is, and tell all who listen."""
        failing = self._probe.breakers.open_ones()
        degraded = await self._degraded.fresh()
        in_force = {**automatic(failing), **degraded}
        reading = None if DATABASE in failing else await self._read_fleet(blocked_by(in_force))
        depths = None
        if reading is not None and BROKER not in failing:
            depths = await ask_depths(self._queues, reading.queue_names)
        pulse = Pulse.of(
            reading,
            at=datetime.now(UTC),
            waiting=None if depths is None else sum(depths.values()),
            held_by=holding(in_force),
            health=self._probe.report().health,
            marks=len(degraded),
            build=self._build,
        )
        self.board.put(Topic.PULSE, unplaced_frame("pulse", pulse.model_dump_json()))
        changed = {Topic.PULSE.value}
        if reading is not None:
            marks: dict[str, object] = {topic.value: mark for topic, mark in reading.marks.items()}
            marks[Topic.QUEUES] = (marks[Topic.QUEUES], depths, sorted(degraded))
            changed |= self.board.note(marks)
        self._tell(changed)

    async def watch_once(self) -> None:
        """Look at the tasks and workflows that somebody watches, and tell who does of those that have changed."""
        task_ids = frozenset[str]().union(*(each.topics.task_ids for each in self._listening))
        workflow_ids = frozenset(id_ for each in self._listening for id_ in each.topics.workflow_ids)
        marks: dict[str, object] = {}
        async with stating(self._engine) as connection:
            if task_ids:
                found = await mark_tasks(connection, task_ids)
                marks |= {topic_of_task(task_id): found.get(task_id) for task_id in task_ids}
            if workflow_ids:
                of_workflows = await mark_workflows(connection, workflow_ids)
                marks |= {topic_of_workflow(each): of_workflows.get(each) for each in workflow_ids}
        self._tell(self.board.note(marks))

    async def _read_fleet(self, blocked: BlockedWork) -> FleetReading | None:
        try:
            async with asyncio.timeout(READ_SECONDS), stating(self._engine) as connection:
                return await read_fleet(
                    connection, default_queue=self._default_queue, blocked=blocked, holds=self._held
                )
        except (SQLAlchemyError, OSError) as error:  # a TimeoutError is an OSError
            log.warning("pulse_not_read", error=type(error).__name__)
            return None

    def _tell(self, changed: set[str]) -> None:
        for each in self._listening:
            if not changed.isdisjoint(each.names):
                each.wake.set()


async def _rest(took_seconds: float, *, every_seconds: float) -> None:
    await asyncio.sleep(max(every_seconds - took_seconds, SHARE * took_seconds))
