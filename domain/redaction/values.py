"""The mask in JSON values. What holds nothing to be hidden comes back as the very same object, and costs one look at
each name.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from domain.json_values import segments_of

MASK = "[masked]"
"""What stands in the place of a hidden value. It tells neither its length nor its type."""
ANY = "*"
"""A segment of a pointer that stands for every one."""
BELOW_ANY_SECRET = 100
"""Whole numbers below this are counts: `{"token": 3}` tells how often a word was seen, and no secret has two digits."""
MAX_DEPTH = 256
"""How deep a value is looked into; what lies deeper is hidden. Nothing that is stored nests deeper than 200."""
SHORTEST = 6
"""Characters of a hidden value that is also hidden where a text repeats it; shorter ones stand in many texts."""
MAX_LITERALS = 200
"""How many hidden values of one task are looked for in its texts."""
SHORTEST_PIECE = 12
"""Characters of a part between spaces that is looked for by itself: the key in `Bearer KEY`."""

Segments = tuple[str, ...]
_CONTAINERS = (dict, list, tuple)


def mask_names(value: Any, is_secret: Callable[[str], bool], *, depth_left: int = MAX_DEPTH) -> Any:
    """Return the value with the mask for everything under a secret name, at any depth."""
    if not value or not isinstance(value, _CONTAINERS):
        return value
    if depth_left == 0:
        return MASK
    changes: dict[Any, Any] = {}
    if isinstance(value, dict):
        if any(map(is_secret, value)):
            changes = {name: MASK for name, item in value.items() if is_secret(name) and not _is_count(item)}
        items: Iterable[tuple[Any, Any]] = value.items()
        types = set(map(type, value.values()))
    else:
        items, types = enumerate(value), set(map(type, value))
    # Most hold plain values alone, which a look at their types tells at a tenth of the cost of a look at each.
    if not types.isdisjoint(_CONTAINERS):
        for key, item in items:
            shown = item if key in changes else mask_names(item, is_secret, depth_left=depth_left - 1)
            if shown is not item:
                changes[key] = shown
    return _changed(value, changes) if changes else value


def mask_place(value: Any, segments: Sequence[str]) -> Any:
    """Return the value with the mask at the place that a pointer names; as it is where there is no such place."""
    if not segments:
        return MASK
    changes: dict[Any, Any] = {}
    for key in _keys(value, segments[0]):
        shown = mask_place(value[key], segments[1:])
        if shown is not value[key]:
            changes[key] = shown
    return _changed(value, changes) if changes else value


def value_at(value: Any, pointer: str) -> Any:
    """Return what stands at a place of a masked value (RFC 6901); the mask where it or something around it is hidden.

    None where there is no such place.
    """
    for segment in segments_of(pointer):
        if value == MASK:
            return MASK
        keys = list(_keys(value, segment, any_key=None))
        if not keys:
            return None
        value = value[keys[0]]
    return value


def has_mask(value: Any) -> bool:
    """Tell whether the mask stands somewhere in a JSON value."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if item == MASK:
            return True
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return False


def hidden_texts(value: Any, shown: Any) -> list[str]:
    """Return how hidden values may stand in a text, longest first; `shown` is the value with its masks."""
    spelled: set[str] = set()
    for leaf in islice(_hidden_leaves(value, shown), MAX_LITERALS):
        spelled |= spellings(leaf)
    return sorted(spelled, key=lambda text: (-len(text), text))


def spellings(leaf: str) -> set[str]:
    """Return the ways in which a text may repeat this one: as it is, as Python or JSON writes it, or one long part."""
    pieces = [piece for piece in leaf.split()[:MAX_LITERALS] if len(piece) >= SHORTEST_PIECE]
    return {leaf, repr(leaf)[1:-1], json.dumps(leaf)[1:-1], *pieces} if len(leaf) >= SHORTEST else set()


def hide_texts(text: str, hidden: Iterable[str]) -> str:
    """Return the text with the mask in the place of each of these."""
    for literal in hidden:
        if literal in text:
            text = text.replace(literal, MASK)
    return text


def _is_count(value: Any) -> bool:
    """Tell whether a value under a secret name is a number too small to be secret."""
    return type(value) is int and 0 <= value < BELOW_ANY_SECRET


def _keys(value: Any, segment: str, *, any_key: str | None = ANY) -> Iterable[Any]:
    if isinstance(value, dict):
        return list(value) if segment == any_key else [segment] if segment in value else ()
    if isinstance(value, list):
        if segment == any_key:
            return range(len(value))
        is_number = segment.isascii() and segment.isdecimal() and len(segment) < 10
        return [int(segment)] if is_number and int(segment) < len(value) else ()
    return ()


def _changed(value: Any, changes: dict[Any, Any]) -> Any:
    if isinstance(value, dict):
        return value | changes
    return type(value)(changes.get(place, item) for place, item in enumerate(value))


def _hidden_leaves(value: Any, shown: Any) -> Iterator[str]:
    """Yield the texts and numbers in what is hidden."""
    waiting = [(value, shown)]
    while waiting:
        item, seen = waiting.pop()
        if item is seen:
            continue
        if isinstance(item, dict):
            waiting += [(inner, seen if seen == MASK else seen[key]) for key, inner in item.items()]
        elif isinstance(item, list | tuple):
            waiting += [(inner, seen if seen == MASK else seen[place]) for place, inner in enumerate(item)]
        elif isinstance(item, str | int | float) and not isinstance(item, bool):
            yield str(item)
