"""Two tasks side by side: what is alike, and what differs in their arguments."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Op(StrEnum):
    """An operation of a JSON Patch (RFC 6902)."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Difference:
    """One step of the way from one JSON value to another."""

    op: Op
    path: str
    """The place in the arguments, as RFC 6901 writes it."""
    value: Any = None
    """What stands there in the other one; None for `remove`."""
    old_value: Any = None
    """What stood there; None for `add`."""


def differences(one: object, other: object, *, path: str = "") -> Iterator[Difference]:
    """The steps that make one JSON value into the other, applied in this order.

    Lists are compared place by place. 1, 1.0 and true are three values: a task may well treat them as such.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        yield from _of_objects(one, other, path=path)
    elif isinstance(one, list) and isinstance(other, list):
        yield from _of_lists(one, other, path=path)
    elif type(one) is not type(other) or one != other:
        yield Difference(Op.REPLACE, path, value=other, old_value=one)


def _of_objects(one: Mapping[str, object], other: Mapping[str, object], *, path: str) -> Iterator[Difference]:
    for name, value in one.items():
        if name in other:
            yield from differences(value, other[name], path=_inside(path, name))
        else:
            yield Difference(Op.REMOVE, _inside(path, name), old_value=value)
    for name, value in other.items():
        if name not in one:
            yield Difference(Op.ADD, _inside(path, name), value=value)


def _inside(path: str, name: str) -> str:
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"


def _of_lists(one: Sequence[object], other: Sequence[object], *, path: str) -> Iterator[Difference]:
    shared = min(len(one), len(other))
    for place in range(shared):
        # Most are alike, and are plain or empty: a million calls that find nothing would take seconds.
        ours, theirs = one[place], other[place]
        if type(ours) is not type(theirs) or ours != theirs or (ours and isinstance(ours, dict | list)):
            yield from differences(ours, theirs, path=f"{path}/{place}")
    for place in range(shared, len(other)):
        yield Difference(Op.ADD, f"{path}/{place}", value=other[place])
    # From the end, so that no removal moves what the next one names.
    for place in reversed(range(shared, len(one))):
        yield Difference(Op.REMOVE, f"{path}/{place}", old_value=one[place])


def is_same_json(one: object, other: object) -> bool:
    """Whether two JSON values are equal, numbers in their kind too."""
    return next(differences(one, other), None) is None


def is_same(one: object, other: object) -> bool | None:
    """Whether two known things are equal; None where either is not known."""
    return None if one is None or other is None else one == other
