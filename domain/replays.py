"""A replay: a new submission made of a finished task and of what the client wants otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.errors import ArgumentsNotRecorded, InvalidRequest
from domain.payloads import check_encrypted
from domain.queue_names import flaw_of
from domain.submissions import DEFAULT_MAX_RETRIES, DEFAULT_PRIORITY, Submission, check_size


@dataclass(frozen=True, slots=True)
class Original:
    """A finished task as it was submitted; None where nobody told us, as may be with tasks that others submitted."""

    task_id: str
    task_name: str | None
    args: str | None
    """JSON text, as `kwargs` is."""
    kwargs: str | None
    queue_name: str | None
    priority: int | None
    max_retries: int | None
    timeout_seconds: int | None
    """The hard limit of one run; None also means that there is none."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What of a replay does not come from the original."""

    task_id: str
    created_at: datetime
    default_queue: str
    changes: Mapping[str, Any]
    """Fields of `Submission` that the client named, and their values."""


def replay_of(original: Original, replay: Replay, *, author: str | None = None) -> Submission:
    """The new submission, by this author. What neither the client nor the original says is as in any submission that
    leaves it out.

    Raises ArgumentsNotRecorded without a name or arguments, InvalidRequest if the arguments are too large, an
    encrypted part of them is malformed, or the original's queue may not be used.
    """
    args, kwargs = (replay.changes.get(name, getattr(original, name)) for name in ("args", "kwargs"))
    if original.task_name is None or args is None or kwargs is None:
        raise ArgumentsNotRecorded
    check_size(args, kwargs)
    check_encrypted(args, kwargs)
    changeable: dict[str, Any] = {
        "queue_name": original.queue_name or replay.default_queue,
        "priority": DEFAULT_PRIORITY if original.priority is None else original.priority,
        "max_retries": DEFAULT_MAX_RETRIES if original.max_retries is None else original.max_retries,
        "timeout_seconds": original.timeout_seconds,
        "scheduled_at": None,
        "args": args,
        "kwargs": kwargs,
    }
    new = changeable | dict(replay.changes)
    flaw = flaw_of(new["queue_name"])
    if flaw:
        raise InvalidRequest.of_field("queue_name", flaw)
    return Submission(
        task_id=replay.task_id,
        task_name=original.task_name,
        created_at=replay.created_at,
        original_task_id=original.task_id,
        submitted_by=author,
        **new,
    )
