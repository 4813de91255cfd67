from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
import structlog
from fastapi.responses import StreamingResponse
from httpx import AsyncClient
from structlog.testing import capture_logs

from api.routing import API_PREFIX, api_router
from tests.unit.api.apps import app_of, client_of

router = api_router(tag="test")
log = structlog.get_logger(__name__)


@router.get("/echo/{name}")
async def echo(name: str) -> dict[str, str]:
    log.info("route_ran")
    return {"request_id": structlog.contextvars.get_contextvars()["request_id"]}


@router.get("/bug")
async def bug() -> None:
    raise RuntimeError("boom")


@router.get("/half")
async def half() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("boom")

    return StreamingResponse(parts())


@router.get("/health")
async def health() -> None: ...


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with client_of(app_of(router)) as client:
        yield client


@pytest.mark.parametrize("sent", ["a", "req-42", "x" * 128, "two words", "~!@#"])
async def test_a_sane_request_id_is_echoed(client: AsyncClient, sent: str) -> None:
    answer = await client.get(f"{API_PREFIX}/echo/x", headers={"X-Request-ID": sent})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == sent


@pytest.mark.parametrize("sent", [b"", b"x" * 129, b"tab\there", b"caf\xe9", b" "])
async def test_any_other_is_replaced_by_a_time_ordered_uuid(client: AsyncClient, sent: bytes) -> None:
    answer = await client.get(f"{API_PREFIX}/echo/x", headers={b"X-Request-ID": sent})
    assert UUID(answer.headers["x-request-id"]).version == 7


async def test_it_is_on_answers_to_unknown_paths_and_on_failures(client: AsyncClient) -> None:
    for path, status in (("/nowhere", 404), (f"{API_PREFIX}/bug", 500)):
        answer = await client.get(path, headers={"X-Request-ID": "mine"})
        assert (answer.status_code, answer.headers["x-request-id"]) == (status, "mine")


async def test_one_line_tells_of_a_request_by_its_template_and_never_by_its_path(client: AsyncClient) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await client.get(f"{API_PREFIX}/echo/secret-id?", headers={"X-Request-ID": "mine"})
    inside, finished = logs
    assert inside["request_id"] == finished["request_id"] == "mine"
    assert finished["event"] == "request_finished"
    assert (finished["method"], finished["status"]) == ("GET", 200)
    assert finished["route"] == f"{API_PREFIX}/echo/{{name}}"
    assert finished["duration_ms"] > 0
    assert "secret-id" not in str(logs)


async def test_nothing_is_left_bound_after_a_request(client: AsyncClient) -> None:
    await client.get(f"{API_PREFIX}/echo/x")
    assert "request_id" not in structlog.contextvars.get_contextvars()


async def test_requests_for_health_are_logged_at_debug_only(client: AsyncClient) -> None:
    with capture_logs() as logs:
        await client.get(f"{API_PREFIX}/health")
    assert [event["log_level"] for event in logs] == ["debug"]


async def test_an_unexpected_failure_is_logged_with_its_traceback(client: AsyncClient) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer = await client.get(f"{API_PREFIX}/bug")
    failed, finished = logs
    assert (failed["event"], failed["exc_info"]) == ("request_failed", True)
    assert failed["request_id"] == finished["request_id"] == answer.json()["request_id"]
    assert finished["status"] == 500


async def test_half_an_answer_is_not_made_whole(client: AsyncClient) -> None:
    with capture_logs() as logs, pytest.raises((RuntimeError, httpx.HTTPError)):
        await client.get(f"{API_PREFIX}/half")
    assert [event["event"] for event in logs] == ["request_failed", "request_finished"]
