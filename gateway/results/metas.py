"""What a worker stored about a task (Celery calls it the meta), made fit for Postgres.

JSON texts are kept as they are, with these exceptions, which Postgres cannot store or JSON does not know:
NaN, Infinity and -Infinity become the strings of that name, and so do whole numbers that Python does not take for one;
U+0000 and lone surrogates become U+FFFD; Celery's own wrappers for dates, decimals, UUIDs and bytes
(`{"__type__": "datetime", "__value__": "2026-..."}`) give way to their value, those of an application stay.
A return value above 1 MiB or nested too deep is left out, other texts are shortened, and names and numbers have the
bounds of events. What is in no form that is read (`forms.py`) is said to be so: that it exists proves a run.
"""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from domain.json_values import MAX_ANSWER_DEPTH, nests_deeper, storable
from domain.results import StoredResult
from gateway.results.forms import Sealed, as_json

MAX_RESULT_BYTES = 1024 * 1024
MAX_UNPACKED_BYTES = 4 * 1024 * 1024
"""Bytes of an unpacked meta: a result of 1 MiB with all that is told around it."""
MAX_TEXT = 65_536
"""Characters of a traceback or of what an exception says. A traceback is told from its end."""
LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"
EXCEPTION_STATES = {"FAILURE", "RETRY", "REVOKED"}

MAX_DIGITS = 4_300
"""Digits of a number; Python turns no longer text into one."""
NO_META = "is in no form that Celeriac reads"

# Only these need the slow way through Python's own parser; sound surrogate pairs take it too.
_SUSPECT = re.compile(rb'\\u0000|\\u[dD][89a-fA-F]|NaN|Infinity|"__type__"|[0-9]{4300}')
_CELERYS_TYPES = frozenset({"datetime", "date", "time", "decimal", "uuid", "bytes", "base64"})


MAX_NAME = 255
Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]


class _Exception(msgspec.Struct):
    exc_type: Name
    exc_message: Any = None


class _Meta(msgspec.Struct):
    status: Name
    result: msgspec.Raw = msgspec.Raw(b"null")
    traceback: str | None = None
    date_done: str | None = None
    retries: Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)] | None = None
    worker: str | None = None
    queue: str | None = None
    name: str | None = None


_decode = msgspec.json.Decoder(_Meta).decode


def decode_meta(task_id: str, stored: bytes, *, whole_bytes: int | None = None) -> StoredResult:
    """Return what a meta tells; where it cannot be read, that and why: `unreadable`.

    `whole_bytes`: a result up to this size is kept whole, and however deep it is nested.
    """
    text = as_json(stored, most_bytes=whole_bytes or MAX_UNPACKED_BYTES) if stored else Sealed(NO_META)
    if isinstance(text, Sealed):
        return _sealed(task_id, text)
    try:
        meta = _decode(_plain_json(text) if _SUSPECT.search(text) else text)
        return _stored_result(task_id, meta, whole_bytes=whole_bytes)
    except Exception:  # anybody may store anything: dates beyond the calendar, deep nesting, bytes that are no text
        return _sealed(task_id, Sealed(NO_META))


def _sealed(task_id: str, sealed: Sealed) -> StoredResult:
    if sealed.is_large and sealed.state == "SUCCESS":
        return StoredResult(task_id, sealed.state, result_truncated=True)
    return StoredResult(task_id, sealed.state, unreadable=sealed.reason)


def _stored_result(task_id: str, meta: _Meta, *, whole_bytes: int | None) -> StoredResult:
    succeeded = meta.status == "SUCCESS"
    truncated = succeeded and _is_too_much(meta.result, whole_bytes)
    error_type, message = _error(meta.result) if meta.status in EXCEPTION_STATES else (None, None)
    return StoredResult(
        task_id=task_id,
        state=meta.status,
        result_json=bytes(meta.result).decode() if succeeded and not truncated else None,
        result_truncated=truncated,
        exception_type=error_type,
        exception_message=message[:MAX_TEXT] if message is not None else None,
        traceback=_end_of(meta.traceback) if meta.traceback else meta.traceback,
        date_done=_aware(meta.date_done),
        retries=meta.retries,
        worker=_name(meta.worker),
        queue=_name(meta.queue),
        name=_name(meta.name),
    )


def _is_too_much(result: msgspec.Raw, whole_bytes: int | None) -> bool:
    if whole_bytes is not None:
        return len(result) > whole_bytes
    return len(result) > MAX_RESULT_BYTES or nests_deeper(bytes(result), than=MAX_ANSWER_DEPTH)


def _name(name: str | None) -> str | None:
    """Return the name; None for one that is too long: it says nothing that is not known otherwise."""
    return name if name is None or len(name) <= MAX_NAME else None


def _error(result: msgspec.Raw) -> tuple[str | None, str | None]:
    """Class and message: Celery stores `{"exc_type", "exc_message", "exc_module"}`.

    Whoever sets a state by himself may store anything in the place of an exception; that is the message, without class.
    """
    try:
        exception = msgspec.json.decode(result, type=_Exception)
    except msgspec.MsgspecError:
        return None, _text(result)
    return exception.exc_type, _message(exception.exc_message)


def _text(result: msgspec.Raw) -> str | None:
    """A string as it is, anything else as JSON; None for null."""
    text = bytes(result).decode()
    if text.startswith('"'):
        return str(json.loads(text))
    return None if text == "null" else text


def _message(arguments: object) -> str:
    """What `str(exception)` said: its arguments are what is stored."""
    if not isinstance(arguments, list):
        return str(arguments)
    return str(arguments[0]) if len(arguments) == 1 else ", ".join(map(str, arguments))


def _end_of(text: str) -> str:
    return text if len(text) <= MAX_TEXT else LEFT_OUT + text[1 - MAX_TEXT :]


def _aware(date_done: str | None) -> datetime | None:
    """Celery writes UTC, without an offset where `enable_utc` and an old version meet."""
    if date_done is None:
        return None
    at = datetime.fromisoformat(date_done)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _plain_json(stored: bytes) -> bytes:
    value = json.loads(stored, parse_constant=str, parse_int=_number, object_hook=_unwrapped)
    return json.dumps(storable(value), ensure_ascii=False).encode()


def _number(digits: str) -> int | str:
    """Return the number; as text where Python, which reads it again for every answer, would refuse it."""
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def _unwrapped(value: dict[str, Any]) -> Any:
    """The value inside one of kombu's own wrappers; a UUID lies one deeper, as `{"hex": ...}`."""
    if value.keys() != {"__type__", "__value__"}:
        return value
    kind = value["__type__"]
    if not isinstance(kind, str) or kind not in _CELERYS_TYPES:
        return value
    inner = value["__value__"]
    return inner["hex"] if isinstance(inner, dict) and "hex" in inner else inner
