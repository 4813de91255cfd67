"""What a worker stored about a task (Celery calls it the meta), made fit for Postgres.

JSON texts are kept as they are, with these exceptions, which Postgres cannot store or JSON does not know:
NaN, Infinity and -Infinity become the strings of that name; U+0000 and lone surrogates become U+FFFD; Celery's wrappers
for dates, decimals, UUIDs and bytes (`{"__type__": "datetime", "__value__": "2026-..."}`) give way to their value.
A return value above 1 MiB is left out, other texts are shortened, and names and numbers have the bounds of events.
"""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from domain.results import StoredResult

MAX_RESULT_BYTES = 1024 * 1024
MAX_TEXT = 65_536
"""Characters of a traceback or of what an exception says. A traceback is told from its end."""
LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"
EXCEPTION_STATES = {"FAILURE", "RETRY", "REVOKED"}
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Only these need the slow way through Python's own parser; sound surrogate pairs take it too.
_SUSPECT = re.compile(rb'\\u0000|\\u[dD][89a-fA-F]|NaN|Infinity|"__type__"')
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


Name = Annotated[str, msgspec.Meta(max_length=255)]


class _Exception(msgspec.Struct):
    exc_type: Name = "Exception"
    exc_message: Any = None


class _Meta(msgspec.Struct):
    status: Name
    result: msgspec.Raw = msgspec.Raw(b"null")
    traceback: str | None = None
    date_done: str | None = None
    retries: Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)] | None = None
    worker: Name | None = None
    queue: Name | None = None
    name: Name | None = None


_decode = msgspec.json.Decoder(_Meta).decode


def decode_meta(task_id: str, stored: bytes, *, max_result_bytes: int = MAX_RESULT_BYTES) -> StoredResult | None:
    """None where it is not a meta in JSON: pickled, or none of Celery's."""
    try:
        meta = _decode(_plain_json(stored) if _SUSPECT.search(stored) else stored)
        return _stored_result(task_id, meta, max_result_bytes=max_result_bytes)
    except Exception:  # anybody may store anything: dates beyond the calendar, deep nesting, bytes that are no text
        return None


def _stored_result(task_id: str, meta: _Meta, *, max_result_bytes: int) -> StoredResult:
    succeeded = meta.status == "SUCCESS"
    truncated = succeeded and len(meta.result) > max_result_bytes
    exception = _exception(meta.result) if meta.status in EXCEPTION_STATES else None
    return StoredResult(
        task_id=task_id,
        state=meta.status,
        result_json=bytes(meta.result).decode() if succeeded and not truncated else None,
        result_truncated=truncated,
        exception_type=exception.exc_type if exception else None,
        exception_message=_message(exception.exc_message)[:MAX_TEXT] if exception else None,
        traceback=_end_of(meta.traceback) if meta.traceback else meta.traceback,
        date_done=_aware(meta.date_done),
        retries=meta.retries,
        worker=meta.worker,
        queue=meta.queue,
        name=meta.name,
    )


def _exception(result: msgspec.Raw) -> _Exception | None:
    """Celery stores `{"exc_type", "exc_message", "exc_module"}`; a custom `mark_as_failure` may store anything."""
    try:
        return msgspec.json.decode(result, type=_Exception)
    except msgspec.MsgspecError:
        return None


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
    value = json.loads(stored, parse_constant=str, object_hook=_unwrapped)
    return json.dumps(_storable(value), ensure_ascii=False).encode()


def _unwrapped(value: dict[str, Any]) -> Any:
    """The value inside kombu's wrapper; a UUID lies one deeper, as `{"hex": ...}`."""
    if value.keys() != {"__type__", "__value__"}:
        return value
    inner = value["__value__"]
    return inner["hex"] if isinstance(inner, dict) and "hex" in inner else inner


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value
