"""Hostile JSON: values, as text that `json.dumps` would never write, and sound bodies with something wrong in them."""

import json
import zlib
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

HOLE = "\N{REPLACEMENT CHARACTER}hole"

CONTROL = '"\\u001b]0;pwned\\u0007\\u001b[2J\\r\\nforged: line"'
RESERVED_NAMES = (
    "_kombu.binding.celery",
    "_kombu.binding.reply.celery.pidbox",
    "unacked",
    "unacked_index",
    "unacked_mutex",
    "celery-task-meta-1",
    "celery-taskset-meta-1",
    "celeryev",
    "celeryev.1",
    "celery@host.celery.pidbox",
    "reply.celery.pidbox",
    "celeriac.events",
    "celeriac.events.witness",
    "celeriac:events",
)
"""Keys of kombu, of Celery and of ours."""

TIMES = (
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "2026-02-30T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-01-24T25:61:61Z",
    "2026-01-24T14:30:00",
    "now",
    "-999999999999d",
)
NAMES = (
    "",
    " ",
    ".",
    "..",
    "../../etc/passwd",
    "a" * 256,
    "a" * 100_000,
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj",
    "\N{ZERO WIDTH SPACE}",
    "__proto__",
    "%00",
    "%s%n%x",
    "{{7*7}}",
    "${jndi:ldap://127.0.0.1/a}",
    "'; drop table tasks; --",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "\N{SNOWMAN}" * 255,
)

SCALARS = (
    *("null", "true", "false", "0", "-1", "1.5", "-0.0", '""', "[]", "{}", "[[]]", "[null]", '{"":null}'),
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "2147483648", "9223372036854775808"),
    *("1" * 400, "1" * 5_000, "-" + "9" * 5_000, "0." + "1" * 5_000, "1e5000000", "01", "+1", ".5", "0x10", "'a'"),
    *('"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udfff\\ud800"', '"\\ud83d"', '"\\uDEAD"', '{"\\u0000":1}'),
    *('{"\\ud800":1}', '["\\ud800"]', '"\\x41"', '"\\u12"', '"\t"', '"\x01"', CONTROL, "undefined", "", "//", "/**/1"),
    *(json.dumps(name) for name in (*RESERVED_NAMES, *TIMES, *NAMES)),
    *('{"$result":"s0"}', '{"$result":null}', '{"$result":"s0","pointer":"~"}', '{"$result":"s0","pointer":"/a/0"}'),
)
"""Texts of one small value; some are no JSON at all."""


def deep(depth: int, *, closed: bool = True, opening: str = "[", closing: str = "]") -> str:
    """Return lists in lists, or with `{"a":` and `}` objects in objects."""
    return opening * depth + "1" + closing * (depth if closed else 0)


def deep_value(random: Random) -> str:
    """Return a value just within the bound, or far beyond it."""
    depth = random.choice((60, 64, 65, 200, 1_000, 5_000, 100_000))
    opening, closing = random.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")))
    return deep(depth, closed=random.random() < 0.8, opening=opening, closing=closing)


@cache
def wide(count: int, item: str = "0") -> str:
    """Return a list of so many of one item."""
    return "[" + ",".join([item] * count) + "]"


@cache
def many_keys(count: int) -> str:
    """Return members of an object, without its braces."""
    return ",".join(f'"k{number}":1' for number in range(count))


@cache
def blanks(mebibytes: int) -> bytes:
    """Return so many MiB of blanks in a thousandth of their size."""
    return zlib.compress(b" " * (mebibytes * 2**20), 9)


def with_value(body: Any, random: Random, *, text: str) -> str:
    """Return the body with this text in the place of one of its values."""
    copied = json.loads(json.dumps(body))
    places = list(_places(copied))
    if not places:
        return text
    container, key = random.choice(places)
    container[key] = HOLE
    return json.dumps(copied, ensure_ascii=False).replace(json.dumps(HOLE, ensure_ascii=False), text)


def with_key(body: Any, random: Random, *, text: str) -> str:
    """Return the body with one key written as this text."""
    copied = json.loads(json.dumps(body))
    objects = [each for each in _objects(copied) if each]
    if not objects:
        return text
    chosen = random.choice(objects)
    chosen[HOLE] = chosen.pop(random.choice(list(chosen)))
    return json.dumps(copied, ensure_ascii=False).replace(json.dumps(HOLE, ensure_ascii=False), text)


def without_key(body: Any, random: Random) -> str:
    """Return the body without one of its keys."""
    copied = json.loads(json.dumps(body))
    objects = [each for each in _objects(copied) if each]
    if objects:
        chosen = random.choice(objects)
        del chosen[random.choice(list(chosen))]
    return json.dumps(copied)


def with_members(body: Any, members: str, *, first: bool = False) -> str:
    """Return the object with more members, as text: repeated or unknown ones too."""
    inner = json.dumps(body)[1:-1]
    parts = [members, inner] if first else [inner, members]
    return "{" + ",".join(part for part in parts if part) + "}"


def spoilt(raw: bytes, random: Random) -> bytes:
    """Return the bytes with some changed, removed or doubled."""
    data = bytearray(raw)
    for _ in range(random.choice((1, 1, 2, 8))):
        place = random.randrange(len(data) + 1)
        match random.randrange(4):
            case 0:
                data[place : place + 1] = bytes([random.randrange(256)])
            case 1:
                del data[place : place + random.randrange(1, 9)]
            case 2:
                data[place:place] = data[place : place + random.randrange(1, 33)]
            case _:
                data[place:place] = random.choice((b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\xf5", b'"'))
    return bytes(data)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for container in _containers(value):
        keys = list(container) if isinstance(container, dict) else range(len(container))
        yield from ((container, key) for key in keys)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    yield from (each for each in _containers(value) if isinstance(each, dict))


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)
