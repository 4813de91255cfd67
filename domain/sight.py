"""What of all tasks a principal is shown: limits to queues and task names, and whether only what he submitted himself.

Outside of it a task does not exist for him: it is in no list and no count, and its id is unknown. What SQL is made of
it is in `store/queries/sight.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.json_values import check_text

MAX_PATTERNS = 50
MAX_PATTERN = 255
"""The most characters of a pattern, as many as a task's name may have."""
PATTERN_RULE = f"1 to {MAX_PATTERN} characters; `etl.*` stands for every name that begins with `etl.`"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_pattern(pattern: str) -> None:
    """Raises ValueError, which does not repeat it, for what is no name and no beginning of names."""
    if not 1 <= len(pattern) <= MAX_PATTERN:
        raise ValueError(f"takes 1 to {MAX_PATTERN} characters")
    check_text(pattern)
    if _CONTROL.search(pattern):
        raise ValueError("holds a control character")
    if pattern == "*":
        raise ValueError("limits nothing: leave the list empty")
    if "*" in pattern[:-1]:
        raise ValueError("may have a * at its end only")


def split_patterns(patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the whole names, and the beginnings of names."""
    names = [pattern for pattern in patterns if not pattern.endswith("*")]
    return names, [pattern[:-1] for pattern in patterns if pattern.endswith("*")]


@dataclass(frozen=True, slots=True)
class Limits:
    """The queues and the task names that an API key is limited to, as patterns; none of a kind limits nothing."""

    queues: tuple[str, ...] = ()
    task_names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything lies outside."""
        return bool(self.queues or self.task_names)

    def allows(self, queue_name: str | None, task_name: str | None) -> bool:
        """Whether such a task lies within; what is not known of it lies outside where it is limited."""
        return fits_patterns(queue_name, self.queues) and fits_patterns(task_name, self.task_names)

    def may_name(self, task_name: str) -> bool:
        """Whether a task may be spoken of by this name alone: where queues are limited, its queue is not known."""
        return not self or (bool(self.task_names) and fits_patterns(task_name, self.task_names))

    def flaws(self, queue_name: str, task_name: str) -> list[tuple[str, str]]:
        """Return what of such a submission lies outside, as pairs (field, message)."""
        found = [("queue_name", queue_name, self.queues), ("task_name", task_name, self.task_names)]
        return [
            (field, OUTSIDE.format(value)) for field, value, patterns in found if not fits_patterns(value, patterns)
        ]


OUTSIDE = "{!r} lies outside the limits of this API key"
UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Sight:
    """The tasks that exist for whoever makes a request. All that is given must hold."""

    limits: Limits = UNLIMITED
    submitted_by: str | None = None
    """The author whose tasks alone he sees; None: everybody's."""

    @property
    def is_bounded(self) -> bool:
        """Whether there may be a task that he does not see."""
        return bool(self.limits) or self.submitted_by is not None


EVERYTHING = Sight()


def fits_patterns(name: str | None, patterns: Sequence[str]) -> bool:
    """Whether it is one of these names, or begins as one with a `*`. Where there is no pattern, all fit."""
    if not patterns:
        return True
    if name is None:
        return False
    names, beginnings = split_patterns(patterns)
    return name in names or name.startswith(tuple(beginnings))
