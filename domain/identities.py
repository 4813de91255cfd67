"""What Celery tells about a task itself, as opposed to what happened to it."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Identity:
    """From `task-sent` and `task-received`; None is what this event did not say."""

    task_id: str
    task_name: str | None = None
    args_repr: str | None = None
    """Shortened by Celery to 1,024 characters: never parsed, never replayed."""
    kwargs_repr: str | None = None
    queue_name: str | None = None
    root_id: str | None = None
    parent_id: str | None = None


def combine(identities: Iterable[Identity]) -> dict[str, Identity]:
    """One identity for each task; what one event left out is taken from another."""
    combined: dict[str, Identity] = {}
    for identity in identities:
        known = combined.get(identity.task_id)
        combined[identity.task_id] = _filled(known, identity) if known else identity
    return combined


def _filled(known: Identity, other: Identity) -> Identity:
    missing = {field.name: getattr(other, field.name) for field in fields(known) if getattr(known, field.name) is None}
    if known.task_name is not None:
        # What is told by name is told with its parent, or has none: another parent is that of what took its place.
        missing.pop("parent_id", None)
    return replace(known, **missing) if missing else known
