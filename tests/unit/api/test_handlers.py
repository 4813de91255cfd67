from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import redis.exceptions
import sqlalchemy.exc
from httpx import AsyncClient
from structlog.testing import capture_logs

from api.routing import API_PREFIX, api_router
from api.schemas.base import ResponseModel
from domain.errors import Conflict, InvalidRequest, Overloaded, TaskAlreadyFinished, TaskNotFound, UnknownTaskName
from tests.unit.api.apps import app_of, client_of

REFUSED = psycopg.OperationalError("connection to server at 10.0.0.7 failed for user secret")
FAULTS: dict[str, Exception] = {
    "not-found": TaskNotFound(),
    "conflict": Conflict(),
    "finished": TaskAlreadyFinished(),
    "unknown-name": UnknownTaskName("No worker knows `ad`. Close: add."),
    "invalid": InvalidRequest("Bad cursor.", errors=(("cursor", "is not one of ours"),)),
    "overloaded": Overloaded(),
    "refused": sqlalchemy.exc.OperationalError("select 1", {}, REFUSED),
    "pool": sqlalchemy.exc.TimeoutError("QueuePool limit reached"),
    "redis": redis.exceptions.ConnectionError("Error 111 connecting to 10.0.0.8"),
    "slow": TimeoutError(),
    "bug": RuntimeError("password=secret"),
    "long": InvalidRequest("x" * 100_000, errors=(("f" * 100_000, "m" * 100_000),) * 1_000),
    "our-sql": sqlalchemy.exc.ProgrammingError("selct", {}, psycopg.ProgrammingError("syntax error")),
}

router = api_router("/faults", tag="faults")


@router.get("/{name}")
async def fail(name: str) -> None:
    raise FAULTS[name]


@router.post("/{name}")
async def fail_too(name: str) -> None:
    raise FAULTS[name]


class Counted(ResponseModel):
    count: int


broken = api_router(tag="broken")


@broken.get("/broken-form", response_model=Counted)
async def answer_in_another_form() -> dict[str, str]:
    return {"count": "secret"}


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with client_of(app_of(router, broken)) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("not-found", 404, "TASK_NOT_FOUND"),
        ("conflict", 409, "CONFLICT"),
        ("finished", 409, "TASK_ALREADY_FINISHED"),
        ("unknown-name", 400, "UNKNOWN_TASK_NAME"),
        ("invalid", 400, "VALIDATION_ERROR"),
        ("overloaded", 503, "OVERLOADED"),
        ("refused", 503, "DATABASE_UNAVAILABLE"),
        ("pool", 503, "DATABASE_UNAVAILABLE"),
        ("redis", 503, "SERVICE_DEGRADED"),
        ("slow", 503, "SERVICE_DEGRADED"),
        ("bug", 500, "INTERNAL_ERROR"),
        ("our-sql", 500, "INTERNAL_ERROR"),
    ],
)
async def test_every_error_has_its_status_and_code(client: AsyncClient, name: str, status: int, code: str) -> None:
    answer = await client.get(f"{API_PREFIX}/faults/{name}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("retry-after" in answer.headers) is (status == 503)


@pytest.mark.parametrize("name", FAULTS)
async def test_every_error_has_the_one_form_and_tells_nothing_of_internals(client: AsyncClient, name: str) -> None:
    answer = await client.get(f"{API_PREFIX}/faults/{name}", headers={"X-Request-ID": "req-7"})
    body: dict[str, Any] = answer.json()
    expected = {"detail", "code", "request_id", "timestamp"} | ({"errors"} if name in ("invalid", "long") else set())
    assert body.keys() == expected
    assert body["request_id"] == answer.headers["x-request-id"] == "req-7"
    assert body["timestamp"].endswith("Z")
    assert not any(word in answer.text for word in ("secret", "10.0.0", "select", "Traceback", "QueuePool"))


async def test_a_domain_errors_own_sentence_reaches_the_client(client: AsyncClient) -> None:
    answer = await client.get(f"{API_PREFIX}/faults/unknown-name")
    assert answer.json()["detail"] == "No worker knows `ad`. Close: add."


async def test_named_fields_of_a_domain_error_are_listed(client: AsyncClient) -> None:
    answer = await client.get(f"{API_PREFIX}/faults/invalid")
    assert answer.json()["errors"] == [{"field": "cursor", "message": "is not one of ours"}]


async def test_an_unknown_path_is_a_404_in_the_one_form(client: AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_wrong_method_is_a_405_that_names_the_methods_of_all_routes_of_the_path(client: AsyncClient) -> None:
    answer = await client.delete(f"{API_PREFIX}/faults/bug")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["detail"] == "This path takes GET, POST, not DELETE."


async def test_a_trailing_slash_is_another_path(client: AsyncClient) -> None:
    assert (await client.get(f"{API_PREFIX}/faults/bug/")).status_code == 404


async def test_a_server_that_is_down_is_logged_by_the_name_of_its_error(client: AsyncClient) -> None:
    with capture_logs() as logs:
        await client.get(f"{API_PREFIX}/faults/refused")
    (event,) = [event for event in logs if event["event"] == "component_unavailable"]
    assert (event["code"], event["error"]) == ("DATABASE_UNAVAILABLE", "OperationalError")
    assert "secret" not in str(logs)


async def test_a_response_that_breaks_its_own_form_is_logged_without_its_values(client: AsyncClient) -> None:
    with capture_logs() as logs:
        answer = await client.get(f"{API_PREFIX}/broken-form")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    (event,) = [event for event in logs if event["event"] == "response_invalid"]
    assert event["fields"] == [("count", "Input should be a valid integer, unable to parse string as an integer")]
    assert "secret" not in str(logs)


async def test_an_error_is_short_however_long_the_names_are_that_it_tells(client: AsyncClient) -> None:
    answer = await client.get(f"{API_PREFIX}/faults/long")
    assert answer.status_code == 400
    told = answer.json()
    assert (len(told["detail"]), len(told["errors"])) == (4_000, 100)
    assert {len(error["field"]) for error in told["errors"]} == {200}
    assert {len(error["message"]) for error in told["errors"]} == {300}
    assert len(answer.content) < 64 * 1024
