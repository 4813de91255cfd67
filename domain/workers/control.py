"""What operators want of a worker, what it last said of itself, and what lies between the two.

Who tells the worker is `services/workers/orders.py`; names, heartbeats and status are in `domain/workers/status.py`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

PROTOCOL = 1
"""The protocol of the plugin, as this version of Celeriac speaks it."""
OLDEST_PROTOCOL = 1
"""The protocol of a plugin that was left behind: what that says of itself still holds, and it obeys what we order."""
PLUGIN_VERSION = "0.1.0"
"""The version of the plugin that this version of Celeriac brings."""
RESIZABLE_POOLS = ("prefork", "gevent")
RESIZE_SETTLES = timedelta(seconds=8)
"""Prefork counts a new size only when it next looks after its processes: 5.6 s measured after a growth by 6."""


class Capability(StrEnum):
    """What a worker can be relied on for. Without `pause` it only stops fetching: what it has fetched still runs."""

    PAUSE = "pause"
    DRAIN = "drain"
    RESIZE = "resize"
    TERMINATE = "terminate"
    TIME_LIMITS = "time_limits"
    MAX_RETRIES = "max_retries"
    CANCEL_GATE = "cancel_gate"
    SINGLE_START = "single_start"
    TEN_PRIORITIES = "ten_priorities"


def common_capabilities(
    capabilities: Collection[str], *, protocol: int | None, oldest_protocol: int | None
) -> tuple[str, ...]:
    """What both sides know of what a plugin says it can do; nothing where they share no protocol.

    A plugin speaks all protocols from its `oldest_protocol` (None: only one) to its `protocol`, and so do we.
    """
    if protocol is None:
        return ()
    oldest = protocol if oldest_protocol is None else oldest_protocol
    if protocol < OLDEST_PROTOCOL or oldest > PROTOCOL:
        return ()
    return tuple(capability for capability in capabilities if capability in _KNOWN)


_KNOWN = frozenset(Capability)


class DrainState(StrEnum):
    """How far a drain has come."""

    DRAINING = "draining"
    DRAINED = "drained"
    OVERDUE = "overdue"
    """The deadline has passed; the drain goes on all the same, because nothing that runs is ever killed."""


@dataclass(frozen=True, slots=True)
class Desired:
    """The wishes that are stored; None is a thing that nobody has asked for, and is left alone."""

    paused: bool | None = None
    draining: bool = False
    capacity: int | None = None

    @property
    def stands_still(self) -> bool:
        """Whether it shall start nothing."""
        return self.draining or self.paused is True


@dataclass(frozen=True, slots=True)
class Observed:
    """What the worker answered when it was last asked."""

    pool: str | None = None
    concurrency: int | None = None
    consuming: tuple[str, ...] | None = None
    """Queues that it fetches from at this moment."""
    paused: bool | None = None
    """Whether it fetches nothing."""
    autoscales: bool = False
    plugin: str | None = None
    protocol: int | None = None
    announced: tuple[str, ...] = ()
    """What its plugin says it can do, as far as both sides know it."""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The plugin's word where we share a protocol, else what any Celery worker with this pool can do."""
        return self.announced or tuple(_stock_capabilities(self.pool, autoscales=self.autoscales))

    @property
    def pauses_exactly(self) -> bool:
        """Whether nothing starts any more from the moment it answers a pause."""
        return Capability.PAUSE in self.capabilities

    @property
    def is_resizable(self) -> bool:
        """Tell whether its plugin, or its pool, is known to take another size."""
        return Capability.RESIZE in self.capabilities


def fetches_as_desired(desired: Desired, observed: Observed, *, queues: Collection[str]) -> bool:
    """Whether it stands still or fetches from all its queues, whichever is wanted."""
    if desired.stands_still:
        return observed.paused is True
    if desired.paused is None:
        return True
    return observed.paused is False and set(queues) <= set(observed.consuming or ())


def is_sized_as_desired(desired: Desired, observed: Observed) -> bool:
    """Whether it runs as many tasks at once as wanted."""
    return desired.capacity is None or desired.capacity == observed.concurrency


def is_converged(desired: Desired, observed: Observed, *, queues: Collection[str], online: bool) -> bool:
    """Whether what is wanted is so. Of a worker that is offline only the absence of wishes is."""
    if not online:
        return not desired.stands_still and desired.capacity is None
    if desired.draining:
        return False
    return fetches_as_desired(desired, observed, queues=queues) and is_sized_as_desired(desired, observed)


def own_queues(before: Collection[str], answer: Collection[str], *, stands_still: bool, restarted: bool) -> list[str]:
    """The queues that a worker consumes, or will again: while it is held back it tells of none, or of some.

    A restarted worker that tells of any begins with what it was started for.
    """
    if not stands_still or (restarted and answer):
        return sorted(answer)
    return sorted({*before, *answer})


def drain_state(*, deadline_at: datetime | None, finished_at: datetime | None, now: datetime) -> DrainState:
    """Return how far a drain has come at this time."""
    if finished_at is not None:
        return DrainState.DRAINED
    return DrainState.OVERDUE if deadline_at is not None and now > deadline_at else DrainState.DRAINING


def resize_base(*, target: int | None, target_at: datetime | None, concurrency: int, now: datetime) -> int:
    """The size from which the next change is counted: what was ordered a moment ago may not be observed yet."""
    if target is not None and target_at is not None and now - target_at < RESIZE_SETTLES:
        return target
    return concurrency


def _stock_capabilities(pool: str | None, *, autoscales: bool) -> Iterator[Capability]:
    yield Capability.DRAIN
    if pool in RESIZABLE_POOLS:
        yield from (Capability.TERMINATE, Capability.TIME_LIMITS)
        if not autoscales:
            yield Capability.RESIZE
