"""JSON values that can be stored and sent on: what Python's parser lets through and Postgres or a worker would not.

NaN and Infinity are no JSON; `\\u0000` and lone surrogates have no place in a Postgres text; deep nesting
overflows somebody's stack. Whole lists are judged by their set of types first, since most hold plain numbers.
"""

import re
from collections.abc import Iterable
from itertools import accumulate
from math import isfinite
from typing import Any

MAX_DEPTH = 64
MAX_ANSWER_DEPTH = 200
"""The deepest value that we pass on. pydantic, which writes our answers, gives up at 255."""
MAX_SEGMENT_LENGTH = 64

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_DEPTH_CHANGE = tuple({ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}.get(byte, 0) for byte in range(256))
_ALWAYS_SOUND = frozenset({int, bool, type(None)})


def segments_of(pointer: str) -> tuple[str, ...]:
    """Return the segments of a JSON pointer (RFC 6901)."""
    return tuple(segment.replace("~1", "/").replace("~0", "~") for segment in pointer.split("/")[1:])


def check_json(value: object) -> None:
    """Raises ValueError, naming the place as `0.rows.3`, if the value cannot be stored or sent on."""
    try:
        _check(value, MAX_DEPTH)
    except _Flaw as flaw:
        place = ".".join(reversed(flaw.place))
        raise ValueError(f"{flaw.message} (at {place})" if place else flaw.message) from None


def check_text(text: str) -> None:
    """Raises ValueError if the text holds a NUL or a lone surrogate."""
    if "\x00" in text:
        raise ValueError("the character U+0000 cannot be stored")
    if not text.isascii() and not _is_encodable(text):
        raise ValueError("a lone surrogate is not a character")


def storable(value: Any) -> Any:
    """Return the value with a replacement character for all that Postgres cannot store: NUL and lone surrogates."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


def nests_deeper(text: bytes, *, than: int) -> bool:
    """Whether lists and objects lie deeper inside each other in this JSON text. 1 MiB of brackets takes 60 ms."""
    if text.count(b"[") + text.count(b"{") <= than:
        return False
    brackets = _STRING.sub(b"", text).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_DEPTH_CHANGE.__getitem__, brackets)), default=0) > than


def is_too_deep(value: object, *, most: int = MAX_ANSWER_DEPTH) -> bool:
    """Tell whether a value is nested deeper than that: it was stored before results were held to this."""
    layer = [value]
    for _ in range(most):
        layer = [inner for each in layer for inner in _inner(each)]
        if not layer:
            return False
    return True


def _inner(value: object) -> Iterable[object]:
    """The lists and objects in it."""
    items: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict | list)]


class _Flaw(Exception):
    """What is wrong, and on the way up where: innermost step first."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.place: list[str] = []


def _check(value: object, depth_left: int) -> None:
    if isinstance(value, str):
        _check_string(value)
    elif isinstance(value, float):
        if not isfinite(value):
            raise _Flaw("NaN and Infinity are not JSON")
    elif isinstance(value, dict):
        for key in value:
            _check_string(key)
        _check_items(value.items(), set(map(type, value.values())), depth_left=depth_left)
    elif isinstance(value, list):
        _check_items(enumerate(value), set(map(type, value)), depth_left=depth_left)


def _check_items(items: Iterable[tuple[object, object]], types: set[type], *, depth_left: int) -> None:
    if depth_left == 0:
        raise _Flaw(f"nested deeper than {MAX_DEPTH}")
    if types <= _ALWAYS_SOUND:
        return
    for segment, item in items:
        try:
            _check(item, depth_left - 1)
        except _Flaw as flaw:
            flaw.place.append(str(segment)[:MAX_SEGMENT_LENGTH])
            raise


def _check_string(text: str) -> None:
    try:
        check_text(text)
    except ValueError as error:
        raise _Flaw(str(error)) from None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
