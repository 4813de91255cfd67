"""Field types that several schemas share: times, text, JSON values."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema

from domain.filters import parse_ago
from domain.json_values import check_json, check_text
from domain.queue_names import MAX_BYTES, RULE, flaw_of

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2})?")


def _to_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


def _parse_time(value: object) -> datetime:
    """RFC 3339 only: pydantic alone would also take Unix seconds, `today` and times without an offset."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not (match := _TIME.fullmatch(value)):
        raise ValueError("should be an RFC 3339 time, e.g. 2026-01-25T14:30:00Z")
    if not match[3]:
        raise ValueError("needs an offset from UTC, e.g. 2026-01-25T14:30:00Z")
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError(f"is not a time: {error}") from None


def _parse_time_or_date(value: object) -> datetime:
    if isinstance(value, str) and _DATE.fullmatch(value):
        return _parse_time(f"{value}T00:00:00Z")
    return _parse_time(value)


Timestamp = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""A time in a response: `2026-01-25T14:00:00Z`, with a fraction only where there is one."""

Time = Annotated[AwareDatetime, BeforeValidator(_parse_time), AfterValidator(_to_utc)]
"""A time in a request body: RFC 3339 with an offset."""


def time_of(moment: str, now: datetime) -> datetime:
    """Return the time that a `Moment` stands for at this time; raises ValueError if it is none."""
    ago = parse_ago(moment)
    return _to_utc(_parse_time_or_date(moment)) if ago is None else now - ago


def _checked_moment(moment: str) -> str:
    time_of(moment, datetime.now(UTC))
    return moment


Moment = Annotated[str, AfterValidator(_checked_moment)]
"""A time in a filter that may be saved: as `Time`, a bare date, which means its start in UTC,
or relative: `-24h` is 24 hours ago (s, m, h, d)."""


def _checked_text(value: str) -> str:
    check_text(value)
    return value


def _checked_json(value: Any) -> Any:
    check_json(value)
    return value


Text = Annotated[str, AfterValidator(_checked_text)]
"""Text that Postgres can hold: no NUL."""


def _checked_queue_name(value: str) -> str:
    flaw = flaw_of(value)
    if flaw:
        raise ValueError(flaw)
    return value


QueueName = Annotated[
    str,
    AfterValidator(_checked_queue_name),
    Field(
        description=f"{RULE}.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_BYTES, "pattern": r"^[^\x00-\x1f\x7f-\x9f]+$"},
    ),
]

JsonArray = Annotated[list[Any], AfterValidator(_checked_json)]
JsonObject = Annotated[dict[str, Any], AfterValidator(_checked_json)]
JsonValue = Annotated[Any, WithJsonSchema({})]
"""Any JSON value in a response."""
