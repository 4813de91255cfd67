"""What is a complaint about an answer, and what is none."""

import json
from collections.abc import Mapping

import pytest

from bench.fuzzing.answers import complaints, is_outage
from bench.fuzzing.operations import Operation
from bench.fuzzing.requests import Expected, FuzzedRequest
from bench.fuzzing.wire import Answer

CODES: Mapping[int, frozenset[str]] = {
    200: frozenset(),
    400: frozenset({"VALIDATION_ERROR"}),
    503: frozenset({"OVERLOADED"}),
}
OPERATION = Operation("GET", "/api/v1/tasks", CODES, takes_body=False, query=())


def request(expected: Expected = Expected.DOCUMENTED) -> FuzzedRequest:
    return FuzzedRequest(b"", expected, OPERATION)


def answer(status: int | None = 400, **changes: object) -> Answer:
    body = {"detail": "x", "code": "VALIDATION_ERROR", "request_id": "1", "timestamp": "2026-01-25T14:00:00Z"} | changes
    return Answer(0.1, status, {"x-request-id": "1"}, json.dumps(body).encode(), whole=True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(500), "server error"),
        (answer(503, code=None), "undocumented code|not the form"),
        (answer(404), "undocumented status"),
        (answer(code="OTHER"), "undocumented code"),
        (answer(code="other"), "undocumented code"),
        (answer(request_id="2"), "request_id"),
        (answer(timestamp="2026-01-25T14:00:00"), "timestamp"),
        (answer(errors=[{}] * 101), "101 errors"),
        (answer(detail="x" * 70_000), "an error of"),
        (Answer(0.1, 200, {"x-request-id": "a\x1b[2J"}, b"{}"), "X-Request-ID"),
        (Answer(0.1, None), "hung up"),
        (Answer(9.0, None, timed_out=True), "no answer within 9 s"),
    ],
)
def test_what_the_document_does_not_show_is_a_complaint(given: Answer, words: str) -> None:
    found = complaints(request(), given)
    assert any(word in complaint for complaint in found for word in words.split("|")), found


@pytest.mark.parametrize("given", [answer(), answer(503, code="OVERLOADED"), Answer(0.1, 200, {"x-request-id": "1"})])
def test_what_it_shows_is_none(given: Answer) -> None:
    assert complaints(request(), given) == []


def test_a_server_that_takes_what_it_may_not_is_complained_of() -> None:
    assert complaints(request(Expected.REFUSED), answer(200)) == ["taken with 200"]
    assert complaints(request(Expected.REFUSED), Answer(0.1, None)) == []
    assert complaints(request(Expected.REFUSED), Answer(0.1, 431)) == []


def test_what_is_hardly_http_may_be_answered_in_any_way_but_a_server_error() -> None:
    assert complaints(request(Expected.ANYTHING), Answer(0.1, 400, {}, b"Invalid HTTP request received.")) == []
    assert complaints(request(Expected.ANYTHING), Answer(2.0, None, timed_out=True)) == []
    assert complaints(request(Expected.ANYTHING), Answer(0.1, 500)) != []
    assert complaints(request(Expected.NOTHING), Answer(0.1, 502)) == ["answered 502"]


def test_an_outage_is_a_503_in_the_form_of_our_errors() -> None:
    assert is_outage(answer(503))
    assert not is_outage(Answer(0.1, 503, {}, b"no"))
    assert not is_outage(answer(500))
