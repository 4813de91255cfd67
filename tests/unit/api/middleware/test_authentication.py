from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, FastAPI
from httpx import AsyncClient

from api.app import create_app
from api.middleware.authentication import Authentication
from api.openapi.docs_pages import ASSETS_URL
from api.routing import API_PREFIX, HEALTH_TAG, api_router
from settings import Settings
from tests.unit.api.apps import app_of, client_of

THINGS = f"{API_PREFIX}/things"
WRITER = {"Authorization": "Bearer writer-key"}
READER = {"Authorization": "Bearer reader-key"}

router = api_router(tag=HEALTH_TAG)


@router.get("/things")
@router.post("/things")
@router.delete("/things")
@router.get("/health")
@router.get("/health/live")
@router.get("/healthy")
async def done() -> dict[str, bool]:
    return {"done": True}


metrics = APIRouter()
metrics.add_api_route("/metrics", done)


def app_with_keys(*keys: str) -> FastAPI:
    return app_of(router, layers=((Authentication, {"keys": keys, "host": "127.0.0.1"}),))


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with client_of(app_with_keys("writer-key", "reader-key:read")) as client:
        yield client


async def test_without_configured_keys_nobody_needs_one() -> None:
    async with client_of(app_with_keys()) as client:
        assert (await client.post(THINGS)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "writer-key"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer nobody"},
        {"Authorization": "Bearer reader-key:read"},
        {"Authorization": "Bearer writer-ke"},
        {"Authorization": "Basic writer-key"},
        {"Authorization": b"Bearer caf\xe9"},
        {"X-API-Key": "writer-key"},
    ],
)
async def test_without_a_valid_key_it_is_a_401_that_says_how(client: AsyncClient, header: dict[str, str]) -> None:
    answer = await client.get(THINGS, headers=header)
    assert answer.status_code == 401
    assert answer.json()["code"] == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def test_a_full_key_reads_and_writes_whatever_the_case_of_its_scheme(client: AsyncClient) -> None:
    for headers in (WRITER, {"Authorization": "bearer writer-key"}):
        assert (await client.get(THINGS, headers=headers)).status_code == 200
        assert (await client.post(THINGS, headers=headers)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "PUT"])
async def test_a_reading_key_may_not_write(client: AsyncClient, method: str) -> None:
    assert (await client.get(THINGS, headers=READER)).status_code == 200
    answer = await client.request(method, THINGS, headers=READER)
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_a_key_given_for_both_may_write() -> None:
    async with client_of(app_with_keys("key:read", "key")) as client:
        assert (await client.post(THINGS, headers={"Authorization": "Bearer key"})).status_code == 200


@pytest.mark.parametrize("path", ["health", "health/live"])
async def test_health_needs_no_key(client: AsyncClient, path: str) -> None:
    assert (await client.get(f"{API_PREFIX}/{path}")).status_code == 200


async def test_what_only_begins_like_health_needs_one(client: AsyncClient) -> None:
    assert (await client.get(f"{API_PREFIX}/healthy")).status_code == 401


async def test_unknown_paths_tell_strangers_nothing(client: AsyncClient) -> None:
    assert (await client.get("/nowhere")).status_code == 401


async def test_the_documentation_pages_need_one_too() -> None:
    settings = Settings(api_keys=("a-key-of-this-test",), rate_limit_per_minute=0)
    async with client_of(create_app(settings)) as client:
        for path in ("/docs", "/redoc", "/openapi.json", f"{ASSETS_URL}/favicon.png"):
            assert (await client.get(path)).status_code == 401, path


@pytest.mark.parametrize("sent", [("writer-key", "nobody"), ("nobody", "writer-key"), ("writer-key", "writer-key")])
async def test_a_key_that_is_sent_twice_is_none(client: AsyncClient, sent: tuple[str, str]) -> None:
    """A proxy that adds one, and a client that sends one: each might believe in another of them."""
    answer = await client.get(THINGS, headers=[("Authorization", f"Bearer {key}") for key in sent])
    assert answer.status_code == 401


async def test_a_key_for_metrics_opens_them_alone() -> None:
    layer = (Authentication, {"keys": ("key:read",), "host": "127.0.0.1", "metrics_key": "scraper"})
    async with client_of(app_of(router, metrics, layers=(layer,))) as client:
        given = {None: 401, "nobody": 401, "scraper": 200, "key": 200}
        for key, status in given.items():
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            assert (await client.get("/metrics", headers=headers)).status_code == status, key
        assert (await client.get(THINGS, headers={"Authorization": "Bearer scraper"})).status_code == 401
        assert (await client.get(f"{API_PREFIX}/health")).status_code == 200


async def test_a_key_for_metrics_closes_nothing_else() -> None:
    layer = (Authentication, {"keys": (), "host": "127.0.0.1", "metrics_key": "scraper"})
    async with client_of(app_of(router, metrics, layers=(layer,))) as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers={"Authorization": "Bearer "})).status_code == 401
        assert (await client.post(THINGS)).status_code == 200


@pytest.mark.parametrize(
    ("host", "keys", "status"),
    [
        ("127.0.0.1", ("key",), 200),
        ("127.9.9.9", ("key",), 200),
        ("::1", ("key",), 200),
        ("localhost", ("key",), 200),
        ("0.0.0.0", ("key",), 401),
        ("::", ("key",), 401),
        ("10.1.2.3", ("key",), 401),
        ("celeriac.internal", ("key",), 401),
        ("0.0.0.0", (), 200),
    ],
)
async def test_metrics_need_a_key_as_all_else_where_others_may_ask(
    host: str, keys: tuple[str, ...], status: int
) -> None:
    """Without keys nothing needs one: whoever listens there so has said that he means it."""
    layer = (Authentication, {"keys": keys, "host": host})
    async with client_of(app_of(router, metrics, layers=(layer,))) as client:
        assert (await client.get("/metrics")).status_code == status
        for read in ("nobody", "key"):
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {read}"})
            assert answer.status_code == (200 if read == "key" else status)
