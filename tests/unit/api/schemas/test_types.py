from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.types import JsonArray, JsonObject, Moment, Text, Time, Timestamp, time_of

NOON = datetime(2026, 1, 24, 12, 0, tzinfo=UTC)


class Stamped(ResponseModel):
    at: Timestamp


class Submission(RequestModel):
    name: Text
    count: int = 0
    at: Time | None = None
    args: JsonArray = Field(default_factory=list)
    kwargs: JsonObject = Field(default_factory=dict)


def parse(annotation: Any, value: object) -> object:
    return TypeAdapter[Any](annotation).validate_python(value)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 1, 25, 14, 0, tzinfo=UTC), "2026-01-25T14:00:00Z"),
        (datetime(2026, 1, 25, 14, 0, 0, 123456, tzinfo=UTC), "2026-01-25T14:00:00.123456Z"),
        (datetime(2026, 1, 25, 14, 0, 0, 120000, tzinfo=UTC), "2026-01-25T14:00:00.120000Z"),
        (datetime(2026, 1, 25, 16, 0, tzinfo=timezone(timedelta(hours=2))), "2026-01-25T14:00:00Z"),
        # psycopg's own zone.
        (datetime(2026, 1, 25, 14, 0, tzinfo=ZoneInfo("UTC")), "2026-01-25T14:00:00Z"),
    ],
)
def test_times_leave_in_utc_with_a_fraction_only_where_there_is_one(at: datetime, text: str) -> None:
    assert Stamped(at=at).model_dump_json() == f'{{"at":"{text}"}}'


def test_a_naive_time_cannot_leave() -> None:
    with pytest.raises(ValidationError):
        Stamped(at=datetime(2026, 1, 25))


@pytest.mark.parametrize(
    "text",
    ["2026-01-24T12:00:00Z", "2026-01-24t12:00:00.000z", "2026-01-24 12:00Z", "2026-01-24T14:30:00+02:30"],
)
def test_rfc_3339_times_with_an_offset_are_read(text: str) -> None:
    assert parse(Time, text) == time_of(text, NOON) == NOON


def test_a_bare_date_is_its_start_in_utc_in_filters_only() -> None:
    assert time_of("2026-01-24", NOON) == datetime(2026, 1, 24, tzinfo=UTC)
    with pytest.raises(ValidationError, match="RFC 3339"):
        parse(Time, "2026-01-24")


@pytest.mark.parametrize("annotation", [Time, Moment])
@pytest.mark.parametrize("text", ["2026-01-24T12:00:00", "2026-01-24 12:00"])
def test_a_time_without_an_offset_is_refused_and_told_why(annotation: Any, text: str) -> None:
    with pytest.raises(ValidationError, match="needs an offset"):
        parse(annotation, text)


@pytest.mark.parametrize("annotation", [Time, Moment])
@pytest.mark.parametrize(
    "value",
    [
        "now",
        "",
        "1769256000",
        1769256000,
        True,
        None,
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-24T25:00:00Z",
        "2026-W04-6T12:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-01-24T12:00:00+99:99",
        "\u0662026-01-24T12:00:00Z",
    ],
)
def test_anything_else_is_no_time(annotation: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        parse(annotation, value)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": 5},
        {"name": "a", "count": "5"},
        {"name": "a", "count": True},
        {"name": "a", "surplus": 1},
        {"name": "a\x00"},
        {"name": "a", "args": {}},
        {"name": "a", "args": [float("nan")]},
        {"name": "a", "kwargs": []},
        {"name": "a", "kwargs": {"k\ud800": 1}},
    ],
)
def test_requests_are_taken_literally_or_not_at_all(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Submission.model_validate(fields)


def test_a_sound_request_is_taken() -> None:
    fields = {"name": "ü", "at": "2026-01-24T12:00:00Z", "args": [1, None, {"a": [2.5]}], "kwargs": {"k": "v"}}
    assert Submission.model_validate(fields).at == NOON


def test_a_refusal_never_repeats_what_was_sent() -> None:
    with pytest.raises(ValidationError) as refusal:
        Submission.model_validate({"name": "a", "count": "hunter2"})
    assert "hunter2" not in str(refusal.value)
