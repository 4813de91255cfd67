"""The forms in which workers may store what became of a task, brought to JSON where that is safe.

JSON and msgpack are read, also under the marker of Celery's `result_compression`, with a bound on what they grow to. A
pickle is never loaded, nor YAML parsed: of those only the state is found, in the bytes themselves.
"""

import bz2
import lzma
import pickletools
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import msgspec

COMPRESSED = b"\x00celery-compressed\x00"
"""Celery's marker, before the content type, a NUL and the body."""
LZMA_MEMORY = 64 * 1024 * 1024
MOST_OPCODES = 32
"""Among how many opcodes of a pickle its state stands: the first of a meta's fields."""
HEAD_BYTES = 512

_JSON_STATE = re.compile(rb'\A\s*\{\s*"status"\s*:\s*"([A-Z_]{1,50})"')
_YAML = re.compile(rb"\A(?:#[^\n]*\n|---\n|%[^\n]*\n)*[a-z_]+:[ \n]")
_YAML_STATE = re.compile(rb"^status: ['\"]?([A-Z_]{1,50})['\"]?\s*$", re.MULTILINE)
_STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
_MEMOS = frozenset({"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"})


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was stored and is not read."""

    reason: str
    """Words for people, to stand behind "The result"."""
    state: str = ""
    """The state in Celery's word; empty where it is not known."""
    is_large: bool = False
    """Whether it could be read, if it were smaller."""


def as_json(stored: bytes, *, most_bytes: int) -> bytes | Sealed:
    """Return the JSON text of what a worker stored; `most_bytes`: of what is unpacked. Raises nothing."""
    if stored.startswith(COMPRESSED):
        unpacked = _unpacked(stored, most_bytes)
        return unpacked if isinstance(unpacked, Sealed) else _uncompressed(unpacked)
    return _uncompressed(stored)


def is_compressed(stored: bytes) -> bool:
    """Tell whether it may be far larger than it looks."""
    return stored.startswith(COMPRESSED)


def _uncompressed(stored: bytes) -> bytes | Sealed:
    if stored[:1] == b"\x80":
        return Sealed("is pickled, and pickles are never loaded", _pickled_state(stored[:HEAD_BYTES]))
    if 0x80 < stored[0] <= 0x8F or stored[0] in (0xDE, 0xDF):
        return _from_msgpack(stored)
    if _YAML.match(stored):
        state = _YAML_STATE.search(stored)
        return Sealed("is stored as YAML", state[1].decode() if state else "")
    return stored


def _zlib(body: bytes, most: int) -> tuple[bytes, bool]:
    unpacking = zlib.decompressobj()
    return unpacking.decompress(body, most), unpacking.eof


def _bz2(body: bytes, most: int) -> tuple[bytes, bool]:
    unpacking = bz2.BZ2Decompressor()
    return unpacking.decompress(body, most), unpacking.eof


def _lzma(body: bytes, most: int) -> tuple[bytes, bool]:
    unpacking = lzma.LZMADecompressor(memlimit=LZMA_MEMORY)
    return unpacking.decompress(body, most), unpacking.eof


_UNPACKING: dict[bytes, Callable[[bytes, int], tuple[bytes, bool]]] = {
    b"application/x-gzip": _zlib,
    b"application/x-bz2": _bz2,
    b"application/x-lzma": _lzma,
}
"""Unpackers by the content type that Celery writes: each returns what comes out, up to a size, and whether that is all.
"""


def _unpacked(stored: bytes, most_bytes: int) -> bytes | Sealed:
    kind, _, body = stored.removeprefix(COMPRESSED).partition(b"\x00")
    unpack = _UNPACKING.get(kind)
    if unpack is None:
        return Sealed("is compressed in a way that Celeriac does not read")
    try:
        text, is_all = unpack(body, most_bytes + 1)
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError):
        return Sealed("is compressed, and broken")
    if is_all and len(text) <= most_bytes:
        return text or Sealed("is compressed, and empty")
    if len(text) <= most_bytes:
        return Sealed("is compressed, and broken")
    state = _JSON_STATE.match(text[:HEAD_BYTES])
    return Sealed("is too large", state[1].decode() if state else "", is_large=True)


def _from_msgpack(stored: bytes) -> bytes | Sealed:
    try:
        return msgspec.json.encode(msgspec.msgpack.decode(stored))
    except Exception:  # anybody may store anything: deep nesting, keys that JSON does not have
        return Sealed("is in no form that Celeriac reads")


def _pickled_state(head: bytes) -> str:
    """The string that follows `status`, by the names of the pickle's operations: none of them is carried out."""
    previous: object = None
    try:
        for opcode, argument, _ in islice(pickletools.genops(head), MOST_OPCODES):
            if opcode.name in _MEMOS:
                continue
            text = argument if opcode.name in _STRINGS else None
            if previous == "status" and isinstance(text, str):
                return text if re.fullmatch("[A-Z_]{1,50}", text) else ""
            previous = text
    except Exception:  # cut off, or no pickle: whatever pickletools makes of it
        return ""
    return ""
