"""Workers: nodes that were heard or registered, and which tasks they know."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Integer,
    Interval,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.clocks import AHEAD_SECONDS
from domain.states import Status
from domain.workers.control import Desired, Observed, is_converged
from domain.workers.status import (
    HEARTBEATS_MISSED,
    LONGEST_SILENCE,
    MUTE_SILENCE,
    REGISTRATION_GRACE,
    SILENCE,
    Heartbeat,
    WorkerStatus,
    is_awaited,
    worker_id_of,
    worker_status_of,
)
from store.batch import Columns, batch_of, bind_rows
from store.queries.ages import interval_of
from store.queries.workers.lives import LIVES, first_of, with_told
from store.tables.base import Time
from store.tables.tasks import tasks
from store.tables.workers import workers

DEAF = 3
"""How many questions without an answer it takes until a node that never gave one is said not to."""

_HEARD: Columns = {
    "worker_id": Uuid(),
    "node": Text(),
    "last_heartbeat_at": Time,
    "last_event_at": Time,
    "online_at": Time,
    "goodbye_at": Time,
    "pid": BigInteger(),
    "active": Integer(),
    "processed": BigInteger(),
    "load_average": Text(),
    "software": Text(),
    "kept": Boolean(),
    "clock": BigInteger(),
    "other_life_at": Time,
    "heartbeat_seconds": Double(),
}
_LATEST = ("last_heartbeat_at", "last_event_at", "online_at", "goodbye_at")
_OF_NEWEST = ("pid", "active", "processed", "load_average", "software", "kept", "clock", "heartbeat_seconds")

_heard = batch_of(**_HEARD)
_insert_heard = insert(workers).from_select(
    (*_HEARD, "first_seen_at", *LIVES),
    select(
        *(cast(c, ARRAY(Double)) if c.name == "load_average" else c for c in _heard.c),
        _heard.c.last_heartbeat_at,
        *(first_of(_heard.c[name]) for name in LIVES.values()),
    ).order_by(_heard.c.node),
)
_told = _insert_heard.excluded
_latest_credible = func.now() + literal(timedelta(seconds=AHEAD_SECONDS))


def stored(name: str) -> ColumnElement[Any]:
    """Return a stored time; one of the future, of a clock that was wrong once, would else be the latest for ever."""
    column = workers.c[name]
    return case((column > _latest_credible, _latest_credible), else_=column)


_is_newer = _told.last_event_at >= func.coalesce(stored("last_event_at"), _told.last_event_at)
_is_other = or_(_told.pid != workers.c.pid, and_(_told.pid == workers.c.pid, _is_newer, _told.clock < workers.c.clock))
_other_heard_at = case((_is_newer, workers.c.last_heartbeat_at), else_=_told.last_heartbeat_at)
_other_life_at = func.greatest(
    workers.c.other_life_at, _told.other_life_at, case((_is_other, _other_heard_at), else_=None)
)
_hear = _insert_heard.on_conflict_do_update(
    index_elements=["node"],
    set_={name: func.greatest(stored(name), _told[name]) for name in _LATEST}
    | {name: case((_is_newer, _told[name]), else_=workers.c[name]) for name in _OF_NEWEST}
    | {"other_life_at": _other_life_at}
    | {times: with_told(workers.c[times], _told[name]) for times, name in LIVES.items()}
    | {"first_seen_at": func.coalesce(workers.c.first_seen_at, _told.first_seen_at)},
)


async def hear(connection: AsyncConnection, heartbeats: Iterable[Heartbeat]) -> None:
    """Store signs of life, at most one for each node; a node that is not known gets its id. Order does not matter."""
    rows = [
        (
            worker_id_of(beat.node),
            beat.node,
            beat.heard_at,
            beat.at,
            beat.online_at,
            beat.goodbye_at,
            beat.pid,
            beat.active,
            beat.processed,
            None if beat.load_average is None else "{" + ",".join(map(repr, beat.load_average)) + "}",
            beat.software,
            beat.streamed,
            beat.clock,
            beat.other_life_at,
            beat.every_seconds,
        )
        for beat in heartbeats
    ]
    await connection.execute(_hear, bind_rows(tuple(_HEARD), rows))


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker with what is derived from its tasks."""

    worker_id: UUID
    node: str
    capacity: int | None
    registered_at: datetime | None
    last_heartbeat_at: datetime | None
    last_event_at: datetime | None
    online_at: datetime | None
    goodbye_at: datetime | None
    pid: int | None
    software: str | None
    pool: str | None
    concurrency: int | None
    prefetch_count: int | None
    queues: list[str] | None
    plugin: str | None
    described_at: datetime | None
    described_pid: int | None
    want_paused: bool | None
    drain_started_at: datetime | None
    drain_deadline_at: datetime | None
    drain_shutdown_at: datetime | None
    drain_finished_at: datetime | None
    drain_goodbye_at: datetime | None
    drain_remaining: list[str] | None
    resize_target: int | None
    resize_at: datetime | None
    resize_pid: int | None
    is_paused: bool | None
    consuming: list[str] | None
    taken_on: dict[str, str] | None
    autoscales: bool
    protocol: int | None
    capabilities: list[str] | None
    other_life_at: datetime | None
    starts: list[datetime] | None
    goodbyes: list[datetime] | None
    seen_at: datetime | None
    heartbeat_seconds: float | None
    events: bool | None
    task_event_at: datetime | None
    started_before: int | None
    counted_at: datetime | None
    unanswered: int
    unreadable: str | None
    online: bool
    running: int

    @property
    def desired(self) -> Desired:
        """Return what operators want."""
        return Desired(paused=self.want_paused, draining=self.is_draining, capacity=self.capacity)

    @property
    def observed(self) -> Observed:
        """Return what it said when it was last asked."""
        return Observed(
            pool=self.pool,
            concurrency=self.concurrency,
            consuming=None if self.consuming is None else tuple(self.consuming),
            paused=self.is_paused,
            autoscales=self.autoscales,
            plugin=self.plugin,
            protocol=self.protocol,
            announced=tuple(self.capabilities or ()),
        )

    @property
    def is_draining(self) -> bool:
        """Tell whether somebody wants it gone and it has not yet said goodbye."""
        return self.drain_started_at is not None and self.drain_finished_at is None

    @property
    def has_left(self) -> bool:
        """Tell whether it has said goodbye since its drain began; it may have come back since."""
        return self.goodbye_at is not None and self.goodbye_at != self.drain_goodbye_at

    @property
    def last_sign_at(self) -> datetime | None:
        """Return when it was last heard or seen, by our clock."""
        return max((at for at in (self.last_heartbeat_at, self.seen_at) if at is not None), default=None)

    @property
    def is_known(self) -> bool:
        """Tell whether the process that runs now has said how it is."""
        if self.described_at is None or self.described_pid != self.pid:
            return False
        return self.online_at is None or self.described_at >= self.online_at

    @property
    def converged(self) -> bool:
        """Tell whether what operators want is so; of a process that was never asked only the absence of wishes is."""
        observed = self.observed if self.is_known else Observed()
        return is_converged(self.desired, observed, queues=self.queues or (), online=self.online)

    @property
    def status(self) -> WorkerStatus:
        """Return its status as of now."""
        awaited = is_awaited(
            registered_at=self.registered_at, ever_heard=self.last_sign_at is not None, now=datetime.now(UTC)
        )
        return worker_status_of(
            present=self.online or awaited,
            paused=bool(self.want_paused or self.is_paused),
            draining=self.is_draining,
        )


def patience() -> ColumnElement[timedelta]:
    """Return `domain.workers.status.patience`, in SQL."""
    own = interval_of(func.coalesce(workers.c.heartbeat_seconds, 0.0) * HEARTBEATS_MISSED)
    return func.greatest(literal(SILENCE), func.least(own, literal(LONGEST_SILENCE)), type_=Interval)


def is_mute() -> ColumnElement[bool]:
    """Return the condition that it was seen when its heartbeats, if it ever sent any, were long overdue."""
    last = workers.c.last_heartbeat_at
    return and_(workers.c.seen_at.is_not(None), or_(last.is_(None), workers.c.seen_at > last + patience()))


def is_online() -> ColumnElement[bool]:
    """Return `domain.workers.status.is_online`, in SQL."""
    heard = and_(workers.c.last_heartbeat_at >= func.now() - patience(), has_not_left())
    seen = and_(workers.c.seen_at >= func.now() - patience(), has_not_left())
    seen_mute = and_(is_mute(), workers.c.seen_at >= func.now() - func.greatest(patience(), literal(MUTE_SILENCE)))
    return or_(*(func.coalesce(sign, False) for sign in (heard, seen, seen_mute)))


def last_sign() -> ColumnElement[datetime]:
    """Return when the node was last heard or seen, by our clock."""
    return func.greatest(workers.c.last_heartbeat_at, workers.c.seen_at, type_=Time)


def has_not_left() -> ColumnElement[bool]:
    """Return the condition that nothing that a node said since is a goodbye."""
    return or_(workers.c.goodbye_at.is_(None), workers.c.last_event_at > workers.c.goodbye_at)


def is_draining() -> ColumnElement[bool]:
    """Return the condition that somebody wants the node gone and it has not yet said goodbye."""
    return and_(workers.c.drain_started_at.is_not(None), workers.c.drain_finished_at.is_(None))


def is_paused() -> ColumnElement[bool]:
    """Return the condition that somebody wants the node to fetch nothing, or that it says it does not."""
    return or_(func.coalesce(workers.c.want_paused, False), func.coalesce(workers.c.is_paused, False))


def has_status(status: WorkerStatus) -> ColumnElement[bool]:
    """Return the condition that `domain.workers.status.worker_status_of` gives this, in SQL."""
    awaited = and_(last_sign().is_(None), workers.c.registered_at >= func.now() - literal(REGISTRATION_GRACE))
    present = or_(is_online(), func.coalesce(awaited, False))
    return {
        WorkerStatus.OFFLINE: ~present,
        WorkerStatus.DRAINING: and_(present, is_draining()),
        WorkerStatus.PAUSED: and_(present, ~is_draining(), is_paused()),
        WorkerStatus.ACTIVE: and_(present, ~is_draining(), ~is_paused()),
    }[status]


_running = (
    select(func.count()).where(tasks.c.node == workers.c.node, tasks.c.status == Status.RUNNING.value).scalar_subquery()
)
COLUMNS: tuple[ColumnElement[Any], ...] = (
    *(workers.c[name] for name in list(WorkerRow.__dataclass_fields__)[:-2]),
    is_online().label("online"),
    _running.label("running"),
)


@cache
def _listed(status: WorkerStatus | None) -> tuple[Select[Any], Select[Any]]:
    """How many there are, and one page of them."""
    where = [] if status is None else [has_status(status)]
    page = select(*COLUMNS).where(*where).order_by(workers.c.node)
    limited = page.limit(bindparam("most", type_=BigInteger)).offset(bindparam("after", type_=BigInteger))
    return select(func.count()).select_from(workers).where(*where), limited


async def list_workers(
    connection: AsyncConnection, *, limit: int, offset: int, status: WorkerStatus | None = None
) -> tuple[int, list[WorkerRow]]:
    """Return how many workers there are and one page of them, by node name. Nodes number in the thousands at most."""
    counted, page = _listed(status)
    total = (await connection.execute(counted)).scalar_one()
    return total, [WorkerRow(*row) for row in await connection.execute(page, {"most": limit, "after": offset})]


_counted = select(func.count(), func.count().filter(has_status(WorkerStatus.ACTIVE))).select_from(workers)


async def count_workers(connection: AsyncConnection) -> tuple[int, int]:
    """Return how many workers there are, and how many of them are active."""
    total, active = (await connection.execute(_counted)).one()
    return total, active


async def get_worker(
    connection: AsyncConnection, *, worker_id: UUID | None = None, node: str | None = None
) -> WorkerRow | None:
    """Return the worker of this id, or else of this node name; None if there is none."""
    query: Select[Any] = select(*COLUMNS).where(
        workers.c.worker_id == worker_id if worker_id else workers.c.node == node
    )
    row = (await connection.execute(query)).one_or_none()
    return WorkerRow(*row) if row else None


def has_wish() -> ColumnElement[bool]:
    """Return the condition that operators want anything of the node."""
    return or_(workers.c.want_paused.is_not(None), workers.c.capacity.is_not(None), is_draining())


def is_held() -> ColumnElement[bool]:
    """Return the condition that operators want it to start nothing."""
    return or_(workers.c.want_paused.is_(True), is_draining())


def is_other_process() -> ColumnElement[bool]:
    """Return the condition that the description is missing, or of an earlier process of the node."""
    return or_(
        workers.c.described_at.is_(None),
        workers.c.described_pid.is_distinct_from(workers.c.pid),
        # A restarted container may come back with the same pid.
        workers.c.described_at < workers.c.online_at,
    )


SOONEST_SECONDS = 1.0
LATEST_OF_DESCRIBED = timedelta(seconds=8)
"""The longest pause between questions to a described node: a pool that runs tasks in its main process answers between
them.
"""
LATEST = timedelta(minutes=5)
MOST_DOUBLED = 10


def may_be_asked() -> ColumnElement[bool]:
    """Return the condition that it is time to ask a node again that does not answer: 1 s, 2 s, 4 s ... up to 5 min.

    Each question may be a traceback in the log of a worker that cannot read it. A process that begins is asked at once.
    """
    doubled = interval_of(func.power(2.0, func.least(workers.c.unanswered - 1, MOST_DOUBLED)) * SOONEST_SECONDS)
    latest = case((workers.c.described_at.is_(None), literal(LATEST)), else_=literal(LATEST_OF_DESCRIBED))
    return or_(
        workers.c.unanswered == 0,
        workers.c.asked_at < func.now() - func.least(doubled, latest, type_=Interval),
        workers.c.asked_at < workers.c.online_at,
    )


async def list_consumers(connection: AsyncConnection) -> list[tuple[str, list[str]]]:
    """Return online nodes with the queues they consume; nodes not yet described are left out."""
    consumers = select(workers.c.node, workers.c.queues).where(is_online(), workers.c.queues.is_not(None))
    return [(row.node, row.queues) for row in await connection.execute(consumers)]


async def get_worker_ids(connection: AsyncConnection, nodes: Iterable[str]) -> dict[str, UUID]:
    """Return the ids of these nodes, for those that are known (unique index on node)."""
    query = select(workers.c.node, workers.c.worker_id).where(workers.c.node.in_(sorted(set(nodes))))
    return {row.node: row.worker_id for row in await connection.execute(query)}
