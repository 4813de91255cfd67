"""What Celery tells about a task itself, as opposed to what happened to it."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from uuid import UUID

MAX_ID_BYTES = 1_024
"""The longest id of a task, in UTF-8. Two of them stand in one row of an index, which holds 2.7 kB."""
MAX_NAME = 255
"""Characters of a task's name; of a longer one the beginning is kept."""
LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"


def fits(task_id: str) -> bool:
    """Whether a task may have this id here."""
    return len(task_id) <= MAX_ID_BYTES and (task_id.isascii() or len(task_id.encode()) <= MAX_ID_BYTES)


def ids_beginning(text: str) -> tuple[UUID, UUID]:
    """Return the least and the greatest UUID that begins with these hexadecimal digits, wherever their dashes are."""
    digits = text.replace("-", "")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def shown_name(name: str) -> str:
    """A task's name as it is kept."""
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + LEFT_OUT


@dataclass(frozen=True, slots=True)
class Identity:
    """What `task-sent` and `task-received` tell of a task; None is what this event did not say."""

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
        earlier = combined.get(identity.task_id)
        combined[identity.task_id] = _filled(earlier, identity) if earlier else identity
    return combined


def _filled(one: Identity, other: Identity) -> Identity:
    missing = {field.name: getattr(other, field.name) for field in fields(one) if getattr(one, field.name) is None}
    if one.task_name is not None:
        # What is told by name is told with its parent, or has none: another parent is that of what took its place.
        missing.pop("parent_id", None)
    return replace(one, **missing) if missing else one
