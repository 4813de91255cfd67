"""Workers: node names, what they tell of themselves, and when one counts as gone."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

SILENCE = timedelta(seconds=15)
"""A node that tells every 2 s is OFFLINE after this silence (Celery's own 2 x 2 s flaps); others: see `patience`."""
RESTART = timedelta(seconds=3)
HEARTBEATS_MISSED = 2.5
"""How many of its own intervals a node may miss, where it tells of itself more rarely."""
KNOWN_WITHIN = timedelta(days=7)
"""A node unheard for longer is not expected back."""
LONGEST_SILENCE = timedelta(minutes=10)
"""The longest silence that is waited for, whatever interval a node claims."""
MUTE_SILENCE = timedelta(seconds=90)
"""The silence after which a node without heartbeats is gone; it is looked for every 30 s."""
REGISTRATION_GRACE = timedelta(seconds=60)
"""A registered node has this long for its first heartbeat."""
DEFAULT_CAPACITY = 5
"""The capacity of a worker that is registered before it is heard, and without any."""
_IDS = UUID("52bbb0d7-4d8b-477b-a17e-0717cca5c965")


class WorkerStatus(StrEnum):
    """What a client sees of a worker (docs/rest-contract.md, section 3)."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    DRAINING = "DRAINING"
    OFFLINE = "OFFLINE"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What one or several of a node's worker events said; of each time the latest."""

    node: str
    heard_at: datetime
    """The time by our clock."""
    at: datetime
    """The time by the node's clock, as are the two below."""
    online_at: datetime | None = None
    goodbye_at: datetime | None = None
    pid: int | None = None
    active: int | None = None
    processed: int | None = None
    load_average: tuple[float, ...] | None = None
    software: str | None = None
    """`py-celery 5.7.0 (Linux)`"""
    streamed: bool = False
    """Whether what the node tells waits for the mirror while that is away."""
    clock: int | None = None
    """The process's logical one: it never goes back."""
    other_life_at: datetime | None = None
    """When another process of this name was heard, by our clock: its predecessor, or its twin."""
    every_seconds: float | None = None
    """How often the node means to tell of itself."""

    def is_followed_by(self, later: "Heartbeat") -> bool:
        """Whether a beat that is later by their clocks is of another process."""
        if self.pid is None or later.pid is None:
            return False
        is_back = self.clock is not None and later.clock is not None and later.clock < self.clock
        return self.pid != later.pid or is_back


def newest(heartbeats: Iterable[Heartbeat]) -> dict[str, Heartbeat]:
    """One heartbeat for each node: the facts of the latest, and the latest of each time."""
    by_node: dict[str, Heartbeat] = {}
    for heartbeat in heartbeats:
        latest = by_node.get(heartbeat.node)
        by_node[heartbeat.node] = _joined(latest, heartbeat) if latest else heartbeat
    return by_node


def _joined(one: Heartbeat, other: Heartbeat) -> Heartbeat:
    earlier, later = sorted((one, other), key=_age)
    other_life_at = _later(one.other_life_at, other.other_life_at)
    if earlier.is_followed_by(later):
        other_life_at = _later(other_life_at, earlier.heard_at)
    return replace(
        later,
        other_life_at=other_life_at,
        heard_at=max(one.heard_at, other.heard_at),
        online_at=_later(one.online_at, other.online_at),
        goodbye_at=_later(one.goodbye_at, other.goodbye_at),
    )


def _age(heartbeat: Heartbeat) -> tuple[object, ...]:
    """Sorts by the node's clock; two of one instant by content, so that the order of arrival cannot matter."""
    figures = (heartbeat.pid, heartbeat.processed, heartbeat.active)
    numbers = tuple(-1 if number is None else number for number in figures)
    return heartbeat.at, numbers, heartbeat.load_average or (), heartbeat.streamed


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def node_name(hostname: str) -> str:
    """`compute-1` -> `celery@compute-1`; a name with `@` is taken whole."""
    return hostname if "@" in hostname else f"celery@{hostname}"


def worker_id_of(node: str) -> UUID:
    """The id that stays with the node name for ever, also when its worker was forgotten."""
    return uuid5(_IDS, node)


def hostname(node: str) -> str:
    """`celery@compute-1` -> `compute-1`; any other node name is its own hostname."""
    prefix, _, host = node.partition("@")
    return host if prefix == "celery" else node


def patience(heartbeat_seconds: float | None) -> timedelta:
    """How long a node that tells of itself so often may be silent."""
    own = min(timedelta(seconds=(heartbeat_seconds or 0) * HEARTBEATS_MISSED), LONGEST_SILENCE)
    return max(SILENCE, own)


def is_online(
    *,
    last_heartbeat_at: datetime | None,
    last_event_at: datetime | None,
    goodbye_at: datetime | None,
    now: datetime,
    seen_at: datetime | None = None,
    heartbeat_seconds: float | None = None,
) -> bool:
    """Heard or seen lately by our clock, and nothing heard that says goodbye after the latest sign of life.

    Whoever is seen when heartbeats are long overdue is there without any, and a goodbye before that is of another life.
    """
    own = patience(heartbeat_seconds)
    has_left = goodbye_at is not None and (last_event_at is None or last_event_at <= goodbye_at)
    if last_heartbeat_at is not None and now - last_heartbeat_at <= own and not has_left:
        return True
    if seen_at is None:
        return False
    if last_heartbeat_at is None or seen_at - last_heartbeat_at > own:
        return now - seen_at <= max(own, MUTE_SILENCE)
    return now - seen_at <= own and not has_left


def is_shared(*, other_life_at: datetime | None, online_at: datetime | None, now: datetime) -> bool:
    """Whether two processes of one name are heard, one beside the other."""
    if other_life_at is None or now - other_life_at > SILENCE:
        return False
    # A restart looks the same for a moment; the clocks of the two, and ours, may differ a little.
    return online_at is None or other_life_at - online_at > RESTART


def is_awaited(*, registered_at: datetime | None, ever_heard: bool, now: datetime) -> bool:
    """Whether a registered node was never heard and is still in its grace."""
    return registered_at is not None and not ever_heard and now - registered_at <= REGISTRATION_GRACE


def worker_status_of(*, present: bool, paused: bool, draining: bool) -> WorkerStatus:
    """`present`: online, or awaited. A node stands still as soon as somebody wants it, and until it fetches again."""
    if not present:
        return WorkerStatus.OFFLINE
    if draining:
        return WorkerStatus.DRAINING
    return WorkerStatus.PAUSED if paused else WorkerStatus.ACTIVE
