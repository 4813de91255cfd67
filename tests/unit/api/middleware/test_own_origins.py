"""The layer around the routes: what it answers, and that nothing gets past it. Its rules are tested in `domain`."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient
from starlette.types import Message, Receive, Scope, Send

from api.app import create_app
from api.middleware.own_origins import OwnOriginsOnly
from api.routing import API_PREFIX, HEALTH_TAG, api_router
from domain.origins import own_origins
from settings import Settings
from tests.unit.api.apps import app_of, client_of

THINGS = f"{API_PREFIX}/things"
EVIL = {"Origin": "https://evil.example"}
router = api_router(tag=HEALTH_TAG)


@router.get("/things")
@router.post("/things")
@router.get("/health")
async def done() -> dict[str, bool]:
    return {"done": True}


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with client_of(app_of(router, layers=((OwnOriginsOnly, {"own": own_origins("127.0.0.1", ())}),))) as client:
        yield client


async def test_a_page_of_another_site_is_a_403_in_the_one_form(client: AsyncClient) -> None:
    for method, headers in (("POST", EVIL), ("GET", EVIL), ("GET", {"Sec-Fetch-Site": "cross-site"})):
        answer = await client.request(method, THINGS, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        assert "CELERIAC_ALLOWED_HOSTS" in answer.json()["detail"]
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_another_host_is_a_421_that_names_the_setting_and_repeats_nothing(client: AsyncClient) -> None:
    answer = await client.get(THINGS, headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (421, "UNKNOWN_HOST")
    assert "CELERIAC_ALLOWED_HOSTS" in answer.json()["detail"]
    assert "evil" not in answer.text


async def test_two_hosts_are_a_400(client: AsyncClient) -> None:
    answer = await client.get(THINGS, headers=[("Host", "localhost"), ("Host", "localhost")])
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["errors"] == [{"field": "host", "message": "not one host"}]


async def test_health_is_asked_by_the_address_of_a_pod(client: AsyncClient) -> None:
    assert (await client.get(f"{API_PREFIX}/health", headers={"Host": "10.4.0.17:8000"})).status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/metrics", "/api/v1/health", "/api/v1/tasks", "/nowhere"])
async def test_no_path_is_left_out_keys_or_no_keys(path: str) -> None:
    for keys in ((), ("a-key-of-this-test",)):
        async with client_of(create_app(Settings(api_keys=keys))) as client:
            assert (await client.get(path, headers={"Host": "evil.example"})).status_code == 421
            assert (await client.get(path, headers=EVIL)).status_code == 403


async def test_a_refusal_tells_browsers_to_be_strict_too() -> None:
    async with client_of(create_app(Settings())) as client:
        answer = await client.get("/docs", headers={"Host": "evil.example"})
    assert answer.headers["x-frame-options"] == "DENY"


async def test_a_link_to_the_documentation_is_followed_from_anywhere() -> None:
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with client_of(create_app(Settings(rate_limit_per_minute=0))) as client:
        assert (await client.get("/docs", headers=visit)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ([(b"host", b"localhost:8000")], True),
        ([(b"host", b"localhost:8000"), (b"origin", b"http://localhost:8000")], True),
        ([(b"host", b"localhost:8000"), (b"origin", b"http://evil.example")], False),
        ([(b"host", b"evil.example"), (b"origin", b"http://evil.example")], False),
        ([(b"host", b"localhost"), (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"websocket")], False),
    ],
)
async def test_websockets_are_held_to_the_same(headers: list[tuple[bytes, bytes]], is_let_in: bool) -> None:
    reached: list[Scope] = []
    sent: list[Message] = []

    async def inner(scope: Scope, receive: Receive, send: Send, /) -> None:
        reached.append(scope)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "websocket", "headers": headers}
    await OwnOriginsOnly(inner, own_origins("127.0.0.1", ()))(scope, receive, send)
    assert bool(reached) is is_let_in
    assert [message["type"] for message in sent] == ([] if is_let_in else ["websocket.close"])
