"""What one configuration hides: values under secret names, and places of certain tasks that pointers name.

The same rules make every way out: answers, files, the words of search, the texts in messages, and exceptions.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.json_values import segments_of
from domain.redaction.names import SecretNames, words_of
from domain.redaction.texts import MaskedText, unwrapped
from domain.redaction.values import Segments, mask_names, mask_place

MAX_RULES = 500
MAX_RULE_LENGTH = 1_024
MAX_SEGMENTS = 32
_FLAW_OF_POINTER = re.compile(r"~(?![01])")


class Branch(StrEnum):
    """What of a task a pointer begins with."""

    ARGS = "args"
    KWARGS = "kwargs"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class PlaceRule:
    """A place that is hidden in some tasks, as `shop.charge:/kwargs/pan` says it."""

    task_name: str
    """The name of the task; one that ends in `*` is the beginning of names."""
    branch: Branch
    segments: Segments

    @classmethod
    def parse(cls, text: str) -> "PlaceRule":
        """Read a rule; raises ValueError with a sentence."""
        task_name, colon, rest = text.partition(":/")
        segments = segments_of(f"/{rest}")
        if not colon or not task_name or len(text) > MAX_RULE_LENGTH or _FLAW_OF_POINTER.search(rest):
            raise ValueError(f"{_quoted(text)} is no task name with a JSON pointer, such as shop.charge:/kwargs/pan")
        if "*" in task_name[:-1]:
            raise ValueError(f"{_quoted(text)}: in a task name * stands at the end only")
        if segments[0] not in list(Branch):
            raise ValueError(f"{_quoted(text)}: a pointer begins with /args, /kwargs or /result")
        if len(segments) == 1 and segments[0] != Branch.RESULT:
            raise ValueError(f"{_quoted(text)}: name a place inside, such as /{segments[0]}/*")
        if "" in segments[1:] or len(segments) > MAX_SEGMENTS:
            raise ValueError(f"{_quoted(text)}: a pointer has 1 to {MAX_SEGMENTS} segments, none of them empty")
        return cls(task_name, Branch(segments[0]), segments[1:])

    def concerns(self, task_name: str | None) -> bool:
        """Tell whether it says something of this task; of one whose name is not known, whether it says so of all."""
        if self.task_name.endswith("*"):
            return (task_name or "").startswith(self.task_name[:-1])
        return task_name == self.task_name


class Redaction:
    """The rules of one configuration. `Redaction()` hides what has a common secret name."""

    def __init__(
        self, places: Sequence[PlaceRule] = (), *, names: Iterable[str] = (), common_names: bool = True
    ) -> None:
        """Make the rules; a name with a `-` before it is shown, whatever it ends in."""
        names = tuple(names)
        self._names = SecretNames(
            common=common_names,
            added=[name for name in names if not name.startswith("-")],
            shown=[name[1:] for name in names if name.startswith("-")],
        )
        self._places = tuple(places)
        self._is_secret: Callable[[str], bool] = self._names.is_secret

    def mask(self, value: Any, branch: Branch, *, task_name: str | None) -> Any:
        """Return a part of a task as it may be shown; the same object if nothing in it is hidden."""
        shown = mask_names(value, self._is_secret)
        for segments in self._places_in(branch, task_name):
            shown = mask_place(shown, segments)
        return shown

    def mask_text(self, text: str, branch: Branch, *, task_name: str | None) -> str:
        """Return a text of a branch, JSON or what Celery tells, whole or cut off, as it may be shown."""
        read = self._read(text, branch, task_name=task_name)
        return read.text if read and read.hidden_count else text

    def hidden_in_text(self, text: str, branch: Branch, *, task_name: str | None) -> list[str]:
        """Return how what is hidden in a text of a branch may stand in other texts, longest first."""
        read = self._read(text, branch, task_name=task_name)
        return sorted(read.hidden, key=len, reverse=True) if read else []

    def may_hide(self, text: str, *, task_name: str | None) -> bool:
        """Tell whether something may be hidden in a text of arguments: a quick look that is right when it says no."""
        lowered = text.lower()
        return any(stem in lowered for stem in self._names.stems) or any(
            rule.concerns(task_name) for rule in self._places
        )

    def _read(self, text: str, branch: Branch, *, task_name: str | None) -> MaskedText | None:
        if not self.may_hide(text, task_name=task_name):
            return None
        return MaskedText(unwrapped(text), is_secret=self._is_secret, places=self._places_in(branch, task_name))

    def _places_in(self, branch: Branch, task_name: str | None) -> list[Segments]:
        return [rule.segments for rule in self._places if rule.branch is branch and rule.concerns(task_name)]


def parse_places(texts: Sequence[str]) -> tuple[PlaceRule, ...]:
    """Read the rules of a setting; raises ValueError with a sentence."""
    if len(texts) > MAX_RULES:
        raise ValueError(f"has more than {MAX_RULES} rules")
    return tuple(map(PlaceRule.parse, texts))


def check_names(names: Sequence[str]) -> None:
    """Raises ValueError with a sentence if one of these can be no name to hide or to show."""
    if len(names) > MAX_RULES:
        raise ValueError(f"has more than {MAX_RULES} names")
    for name in names:
        if not words_of(name) or len(name) > MAX_RULE_LENGTH:
            raise ValueError(f"{_quoted(name)} has no word in it, or is longer than {MAX_RULE_LENGTH} characters")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:99] + "\N{HORIZONTAL ELLIPSIS}")


COMMON = Redaction()
"""What is hidden where nothing was configured."""
