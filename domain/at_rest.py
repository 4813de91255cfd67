"""What tasks were given and gave back, as it stands encrypted in PostgreSQL: by which key, in which form and place.

The cipher itself is in `store/at_rest.py`. A text that is encrypted begins with `MARK`; what anybody else has begun so
is written with `ESCAPE` before it, so that no value can pass for an encrypted one (docs/encryption.md).
"""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MARK = "$at_rest:"
ESCAPE = "$at_rest::"
VERSION = 1
HEAD_BYTES = 3
"""One byte of version and two of the key's number: exactly four characters of base64, which SQL can look for."""
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32
MAX_NUMBER = 65_535
FEWEST_DIFFERENT = 12
"""How many different bytes a key has at least: 32 random ones with fewer are rarer than a lucky guess."""


class CannotOpen(Exception):
    """A value that is encrypted and cannot be read; the text says why, to stand behind "The value"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def shown(self) -> str:
        """What stands in the place of a text that cannot be read."""
        return f"[{self.reason}]"


@dataclass(frozen=True, slots=True)
class AtRestKeys:
    """Keys by their numbers: the current one encrypts, all of them decrypt."""

    current: int
    by_number: Mapping[int, bytes] = field(repr=False)


def parse_keys(entries: Sequence[str]) -> AtRestKeys | None:
    """Return the keys of `2:<base64>`, `1:<base64>`; None if there are none. Raises ValueError, which shows no key."""
    keys: dict[int, bytes] = {}
    for place, entry in enumerate(entries, start=1):
        number, key = _parse_key(entry, place)
        if number in keys:
            raise ValueError(f"names two keys {number}")
        keys[number] = key
    return AtRestKeys(next(iter(keys)), keys) if keys else None


def _parse_key(entry: str, place: int) -> tuple[int, bytes]:
    number, colon, encoded = entry.partition(":")
    is_number = number.isascii() and number.isdigit() and len(number) <= len(str(MAX_NUMBER))
    if not colon or not is_number or not 1 <= int(number) <= MAX_NUMBER:
        raise ValueError(f"entry {place} must be a number from 1 to {MAX_NUMBER}, a colon, and 32 bytes in base64")
    try:
        key = b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"key {int(number)} must be 32 bytes in base64")
    if len(set(key)) < FEWEST_DIFFERENT:
        raise ValueError(f"key {int(number)} is not random")
    return int(number), key


def head_of(number: int) -> bytes:
    """Return what stands before all that this key encrypts."""
    return bytes((VERSION,)) + number.to_bytes(2, "big")


def prefix_of(number: int) -> str:
    """Return how each text begins that this key has encrypted."""
    return MARK + urlsafe_b64encode(head_of(number)).decode()


def context(head: bytes, owner: str, *, column: str) -> bytes:
    """Return the additional data (AAD) of a value: moved to another row or column, it does not open."""
    return head + "\0".join(("celeriac", "at rest", owner, column)).encode()


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value, taken apart."""

    number: int
    head: bytes
    nonce: bytes
    text: bytes
    """The ciphertext with its tag."""


def write(head: bytes, nonce: bytes, *, text: bytes) -> str:
    """Return an encrypted value as it is stored."""
    return MARK + urlsafe_b64encode(head + nonce + text).decode()


def read(stored: str) -> Sealed:
    """Take apart what `write` made. Raises CannotOpen."""
    try:
        raw = b64decode(stored.removeprefix(MARK), altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    if len(raw) < HEAD_BYTES + NONCE_BYTES + TAG_BYTES or raw[0] != VERSION:
        raise CannotOpen("is encrypted, in a form that is not known")
    head, rest = raw[:HEAD_BYTES], raw[HEAD_BYTES:]
    return Sealed(int.from_bytes(head[1:], "big"), head, rest[:NONCE_BYTES], rest[NONCE_BYTES:])


def is_marked(stored: str) -> bool:
    """Tell whether a stored text is not simply what it says: it is encrypted, or escaped."""
    return stored.startswith(MARK)


def is_escaped(stored: str) -> bool:
    """Tell whether a stored text is somebody's own, and only begins as encrypted ones do."""
    return stored.startswith(ESCAPE)


def escape(text: str) -> str:
    """Return a text as it is stored where nothing is encrypted."""
    return ESCAPE + text if text.startswith(MARK) else text


def unescape(stored: str) -> str:
    """Return what `escape` was given."""
    return stored.removeprefix(ESCAPE)


def escape_json(text: str) -> str:
    """Return a JSON text as it is stored where nothing is encrypted. Only a text in JSON can be one that is marked."""
    if text.lstrip(" \t\r\n")[:2] not in ('"$', '"\\'):
        return text
    value: str = json.loads(text)
    return json.dumps(escape(value)) if value.startswith(MARK) else text
