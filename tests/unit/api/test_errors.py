"""The status, the sentence and the body of each error; what a route makes of one that is raised is in
`test_handlers.py`.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import redis.exceptions
import sqlalchemy.exc
from starlette.responses import Response

from api import errors as api_errors
from api.errors import (
    MAX_DETAIL,
    MAX_FIELD,
    MAX_FIELD_ERRORS,
    MAX_MESSAGE,
    InternalError,
    RateLimited,
    Unauthenticated,
    error_response,
    http_status_of,
    sentence,
    translate,
)
from domain import errors as domain_errors
from domain.errors import (
    CeleriacError,
    Conflict,
    DatabaseUnavailable,
    InvalidRequest,
    Overloaded,
    TaskNotFound,
    Unavailable,
    UnknownTaskName,
    WorkerExists,
)

SECRET = "postgresql://user:s3cret@10.0.0.7/db"

EVERY_ERROR = sorted(
    {
        value
        for module in (api_errors, domain_errors)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, CeleriacError)
    },
    key=lambda error: error.__name__,
)


def answer_to(error: CeleriacError) -> Response:
    return error_response(error, {"type": "http", "request_id": "req-7"})


def body_of(error: CeleriacError) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(answer_to(error).body))
    return body


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.__name__)
def test_every_error_has_a_status_of_its_own_kind_a_code_and_a_sentence(error: type[CeleriacError]) -> None:
    assert 400 <= http_status_of(error) <= 503
    assert error.code == error.code.upper()
    assert (error.__doc__ or "").strip()
    is_ours = issubclass(error, InternalError) or error is CeleriacError
    assert (http_status_of(error) == 500) is is_ours, "only what is our own fault is a 500"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest, 400),
        (UnknownTaskName, 400),
        (TaskNotFound, 404),
        (WorkerExists, 409),
        (Overloaded, 503),
        (DatabaseUnavailable, 503),
        (RateLimited, 429),
        (CeleriacError, 500),
    ],
)
def test_an_error_has_the_status_of_its_nearest_ancestor(error: type[CeleriacError], status: int) -> None:
    assert http_status_of(error) == status


def test_a_code_has_one_status_whichever_class_it_comes_from() -> None:
    statuses: dict[str, set[int]] = {}
    for error in EVERY_ERROR:
        statuses.setdefault(error.code, set()).add(http_status_of(error))
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("error", "translated"),
    [
        (sqlalchemy.exc.OperationalError("select 1", {}, Exception(SECRET)), DatabaseUnavailable),
        (sqlalchemy.exc.InterfaceError("select 1", {}, Exception(SECRET)), DatabaseUnavailable),
        (sqlalchemy.exc.TimeoutError(SECRET), DatabaseUnavailable),
        (redis.exceptions.ConnectionError(SECRET), Unavailable),
        (redis.exceptions.BusyLoadingError(SECRET), Unavailable),
        (redis.exceptions.AuthenticationError(SECRET), Unavailable),
        (redis.exceptions.TimeoutError(SECRET), Unavailable),
        (TimeoutError(SECRET), Unavailable),
        (redis.exceptions.ResponseError(SECRET), InternalError),
        (sqlalchemy.exc.IntegrityError("insert", {}, Exception(SECRET)), InternalError),
        (sqlalchemy.exc.ProgrammingError("selct", {}, Exception(SECRET)), InternalError),
        (OSError(SECRET), InternalError),
        (KeyError(SECRET), InternalError),
    ],
)
def test_a_drivers_error_is_an_outage_or_our_fault_and_its_text_is_told_to_nobody(
    error: Exception, translated: type[CeleriacError]
) -> None:
    assert type(translate(error)) is translated
    assert "s3cret" not in bytes(answer_to(translate(error)).body).decode()


def test_our_own_error_is_passed_as_it_is() -> None:
    error = Conflict("Somebody else was first.")
    assert translate(error) is error


def test_the_body_has_the_four_things_that_every_error_has() -> None:
    body = body_of(TaskNotFound())
    assert body.keys() == {"detail", "code", "request_id", "timestamp"}
    assert (body["detail"], body["code"], body["request_id"]) == ("Task not found", "TASK_NOT_FOUND", "req-7")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(body["timestamp"])).total_seconds()) < 60
    assert answer_to(TaskNotFound()).headers["content-type"] == "application/json"


@pytest.mark.parametrize("error", [Overloaded(), DatabaseUnavailable(), Unavailable()])
def test_what_is_unavailable_says_when_to_come_again(error: Unavailable) -> None:
    assert answer_to(error).headers["retry-after"] == str(error.retry_after_seconds)
    assert int(answer_to(error).headers["retry-after"]) >= 1


def test_who_needs_a_key_is_told_of_which_kind() -> None:
    headers = answer_to(Unauthenticated()).headers
    assert headers["www-authenticate"] == 'Bearer realm="celeriac"'
    assert "retry-after" not in headers


def test_no_other_error_has_such_headers() -> None:
    assert not {"retry-after", "www-authenticate"} & set(answer_to(Conflict()).headers.keys())


@pytest.mark.parametrize("count", [1, MAX_FIELD_ERRORS, MAX_FIELD_ERRORS + 1])
def test_a_hundred_fields_are_listed_at_most(count: int) -> None:
    body = body_of(InvalidRequest("Bad.", errors=tuple((f"f{number}", "wrong") for number in range(count))))
    assert [error["field"] for error in body["errors"]] == [f"f{number}" for number in range(min(count, 100))]


def test_an_invalid_request_that_names_no_field_has_an_empty_list_and_a_subclass_none() -> None:
    assert body_of(InvalidRequest("Bad."))["errors"] == []
    assert "errors" not in body_of(UnknownTaskName("No worker knows `ad`."))
    assert "errors" not in body_of(Conflict())


@pytest.mark.parametrize(("length", "shown"), [(MAX_DETAIL, MAX_DETAIL), (MAX_DETAIL + 1, MAX_DETAIL)])
def test_a_long_sentence_is_cut_and_says_so(length: int, shown: int) -> None:
    detail = body_of(Conflict("x" * length))["detail"]
    assert len(detail) == shown
    assert detail.endswith("...") is (length > MAX_DETAIL)


def test_long_names_and_messages_of_fields_are_cut() -> None:
    (error,) = body_of(InvalidRequest("Bad.", errors=(("f" * 1_000, "m" * 1_000),)))["errors"]
    assert error == {"field": "f" * (MAX_FIELD - 3) + "...", "message": "m" * (MAX_MESSAGE - 3) + "..."}


def test_a_name_that_is_taken_says_whose_it_is() -> None:
    assert body_of(WorkerExists(worker_id="0198-5a2c"))["worker_id"] == "0198-5a2c"
    assert "worker_id" not in body_of(WorkerExists())


@pytest.mark.parametrize(
    ("errors", "more", "told"),
    [
        ([("a", "wrong")], False, "a: wrong"),
        ([("a", "wrong")], True, "a: wrong"),
        ([("a", "wrong"), ("b", "too")], False, "a: wrong (and 1 more)"),
        ([("a", "wrong")] * 100, True, "a: wrong (and at least 99 more)"),
    ],
)
def test_a_sentence_names_the_first_flaw_and_how_many_follow(
    errors: list[tuple[str, str]], more: bool, told: str
) -> None:
    assert sentence(errors, more=more) == told


@pytest.mark.parametrize("text", ['"\\', "\n\r\t", "\x00\x1b[31m", "<script>alert(1)</script>", "\u2028\U0001f600"])
def test_hostile_text_in_a_sentence_is_json_all_the_same(text: str) -> None:
    body = body_of(InvalidRequest(text, errors=((text, text),)))
    assert (body["detail"], body["errors"]) == (text, [{"field": text, "message": text}])
