"""The words for where a task is, and the one table of how it gets from place to place.

`docs/lifecycle.md` draws this table; a test keeps the two equal. What decides which words apply is
`domain/fold.py`.
"""

from enum import StrEnum


class Status(StrEnum):
    """What a client sees (docs/rest-contract.md)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


class Outcome(StrEnum):
    """What is said of an end beside its status, where the status alone would say too much."""

    UNKNOWN = "unknown"
    """The run is over, and nobody told how it went (docs/adr/0009)."""


class Phase(StrEnum):
    """The place where a task is; it tells the several kinds of PENDING apart."""

    SCHEDULED = "scheduled"
    DISPATCHING = "dispatching"
    QUEUED = "queued"
    RESERVED = "reserved"
    RUNNING = "running"
    RETRYING = "retrying"
    FINISHED = "finished"


class EventType(StrEnum):
    """The facts that a timeline is made of (docs/rest-contract.md)."""

    SUBMITTED = "submitted"
    DISPATCHED = "dispatched"
    RECEIVED = "received"
    STARTED = "started"
    RETRIED = "retried"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    REVOKED = "revoked"
    CANCEL_REQUESTED = "cancel_requested"
    REDELIVERED = "redelivered"
    LOST = "lost"
    ENDED = "ended"
    """The run is over, and that is all that is known: its worker no longer has it and told nothing."""
    REPLAYED = "replayed"


class AttemptState(StrEnum):
    """How far one delivery of a task to a worker came."""

    RECEIVED = "RECEIVED"
    STARTED = "STARTED"
    UNKNOWN = "UNKNOWN"
    """The attempt is over, without a word of how it went."""
    REPLACED = "REPLACED"
    """The attempt is over, as another task went on under its id (`self.replace()`); no event tells so."""
    LOST = "LOST"
    REJECTED = "REJECTED"
    RETRIED = "RETRIED"
    REVOKED = "REVOKED"
    FAILED = "FAILED"
    SUCCEEDED = "SUCCEEDED"


ATTEMPT_RANK = {state: rank for rank, state in enumerate(AttemptState)}
"""A later fact never lowers an attempt: of all its states the one of highest rank holds.

SUCCEEDED beats FAILED beats REVOKED because Celery may tell several ends of one run: SIGUSR1 gives
revoked and then failed, a rejected task failed and rejected. UNKNOWN gives way to whatever is told after all.
"""

ENDED = frozenset(AttemptState) - {AttemptState.RECEIVED, AttemptState.STARTED}

PHASE_OF_ATTEMPT = {
    AttemptState.RECEIVED: Phase.RESERVED,
    AttemptState.STARTED: Phase.RUNNING,
    AttemptState.UNKNOWN: Phase.FINISHED,
    AttemptState.REPLACED: Phase.QUEUED,
    AttemptState.LOST: Phase.QUEUED,
    AttemptState.REJECTED: Phase.QUEUED,
    AttemptState.RETRIED: Phase.RETRYING,
    AttemptState.REVOKED: Phase.FINISHED,
    AttemptState.FAILED: Phase.FINISHED,
    AttemptState.SUCCEEDED: Phase.FINISHED,
}

STATUS_OF_ATTEMPT = {
    AttemptState.UNKNOWN: Status.CANCELLED,
    AttemptState.SUCCEEDED: Status.COMPLETED,
    AttemptState.FAILED: Status.FAILED,
    AttemptState.REVOKED: Status.CANCELLED,
}

TRANSITIONS: frozenset[tuple[Phase, EventType, Phase]] = frozenset(
    {
        (Phase.SCHEDULED, EventType.DISPATCHED, Phase.QUEUED),
        (Phase.SCHEDULED, EventType.REVOKED, Phase.FINISHED),
        (Phase.DISPATCHING, EventType.DISPATCHED, Phase.QUEUED),
        (Phase.DISPATCHING, EventType.REVOKED, Phase.FINISHED),
        (Phase.QUEUED, EventType.LOST, Phase.DISPATCHING),
        (Phase.QUEUED, EventType.RECEIVED, Phase.RESERVED),
        (Phase.QUEUED, EventType.REVOKED, Phase.FINISHED),
        (Phase.RESERVED, EventType.STARTED, Phase.RUNNING),
        (Phase.RESERVED, EventType.FAILED, Phase.FINISHED),
        (Phase.RESERVED, EventType.REVOKED, Phase.FINISHED),
        (Phase.RESERVED, EventType.REJECTED, Phase.QUEUED),
        (Phase.RESERVED, EventType.LOST, Phase.QUEUED),
        (Phase.RUNNING, EventType.SUCCEEDED, Phase.FINISHED),
        (Phase.RUNNING, EventType.FAILED, Phase.FINISHED),
        (Phase.RUNNING, EventType.REVOKED, Phase.FINISHED),
        (Phase.RUNNING, EventType.RETRIED, Phase.RETRYING),
        (Phase.RUNNING, EventType.REJECTED, Phase.QUEUED),
        (Phase.RESERVED, EventType.LOST, Phase.FINISHED),
        (Phase.RUNNING, EventType.LOST, Phase.QUEUED),
        (Phase.RUNNING, EventType.LOST, Phase.FINISHED),
        (Phase.RETRYING, EventType.RECEIVED, Phase.RESERVED),
        (Phase.RETRYING, EventType.REVOKED, Phase.FINISHED),
        (Phase.RESERVED, EventType.ENDED, Phase.FINISHED),
        (Phase.RUNNING, EventType.ENDED, Phase.FINISHED),
        (Phase.FINISHED, EventType.RECEIVED, Phase.RESERVED),
    }
)
"""Every change of phase that a fully observed task can make. What is heard only in part may skip over
some of them. `finished` is left only where a run begins after it: another task under an id that somebody uses again, or
one that nobody knew to go on; a late success only makes it a completed one."""
