import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from fastapi import APIRouter, FastAPI
from httpx import AsyncClient

from api.app import create_app
from api.declarations import needs, within_limits
from api.middleware.failed_keys import MOST_FAILURES
from api.openapi.docs_pages import ASSETS_URL
from api.routing import API_PREFIX, HEALTH_TAG, api_router
from domain.api_keys import ApiKey, compose, digest_of
from domain.scopes import Scope
from services.resident.key_ring import TRUSTED_SECONDS, KeyRing
from settings import Settings
from tests.unit.api.apps import app_of, client_of
from tests.unit.api.keys import layer, ring_of, seen

THINGS = f"{API_PREFIX}/things"
WRITER = {"Authorization": "Bearer writer-key"}
READER = {"Authorization": "Bearer reader-key"}

router = api_router(tag=HEALTH_TAG)


@router.get("/health")
@router.get("/health/live")
@router.get("/healthy")
async def done() -> dict[str, bool]:
    return {"done": True}


@router.get("/things")
@needs(Scope.READ)
async def read() -> dict[str, bool]:
    return {"done": True}


@router.api_route("/things", methods=["POST", "DELETE", "PATCH", "PUT"])
@needs(Scope.OPERATE)
async def write() -> dict[str, bool]:
    return {"done": True}


@router.get("/within")
@needs(Scope.READ)
@within_limits
async def read_within() -> dict[str, bool]:
    return {"done": True}


OPENED = {f"{API_PREFIX}/within": 200, THINGS: 403, "/metrics": 403}

metrics = APIRouter()
metrics.add_api_route("/metrics", done)


def app_with_keys(*keys: str, ring: KeyRing | None = None) -> FastAPI:
    return app_of(router, layers=(layer(*keys, ring=ring),))


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
    assert answer.json()["errors"] == [{"field": "scope", "message": "needs operate"}]


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
    async with client_of(app_of(router, metrics, layers=(layer("key:read", metrics_key="scraper"),))) as client:
        given = {None: 401, "nobody": 401, "scraper": 200, "key": 200}
        for key, status in given.items():
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            assert (await client.get("/metrics", headers=headers)).status_code == status, key
        assert (await client.get(THINGS, headers={"Authorization": "Bearer scraper"})).status_code == 401
        assert (await client.get(f"{API_PREFIX}/health")).status_code == 200


async def test_a_key_for_metrics_closes_nothing_else() -> None:
    async with client_of(app_of(router, metrics, layers=(layer(metrics_key="scraper"),))) as client:
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
    async with client_of(app_of(router, metrics, layers=(layer(*keys, host=host),))) as client:
        assert (await client.get("/metrics")).status_code == status
        for read in ("nobody", "key"):
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {read}"})
            assert answer.status_code == (200 if read == "key" else status)


TEXT = compose("k7Qm2ZpX4rT1", "s" * 43)
STRANGER = compose("k7Qm2ZpX4rT1", "t" * 43)
KEY = ApiKey(
    key_id="k7Qm2ZpX4rT1",
    name="etl",
    secret_hash=digest_of(TEXT),
    scopes=frozenset({Scope.READ}),
    created_at=datetime.now(UTC),
    created_by="cli",
)


async def statuses(ring: KeyRing, *sent: str | None, keys: tuple[str, ...] = (), method: str = "GET") -> list[int]:
    """What each of these is answered, in this order."""
    async with client_of(app_with_keys(*keys, ring=ring)) as client:
        return [
            (
                await client.request(method, THINGS, headers={"Authorization": f"Bearer {key}"} if key else {})
            ).status_code
            for key in sent
        ]


async def test_a_stored_key_opens_what_its_scopes_say() -> None:
    ring = ring_of(KEY, is_closed=True)
    assert await statuses(ring, TEXT, STRANGER, None) == [200, 401, 401]
    assert await statuses(ring, TEXT, method="DELETE") == [403]


async def test_a_stored_key_and_one_of_the_environment_open_beside_each_other() -> None:
    assert await statuses(ring_of(KEY), TEXT, "writer-key", None, keys=("writer-key",)) == [200, 200, 401]


async def test_while_nobody_could_read_the_keys_nobody_is_let_through() -> None:
    ring = ring_of()
    ring.is_closed = None
    assert await statuses(ring, None, TEXT) == [503, 503]
    assert await statuses(ring, "writer-key", None, keys=("writer-key",)) == [200, 401]


async def test_what_was_read_long_ago_lets_nobody_in_any_more() -> None:
    ring = KeyRing()
    ring.look_again = seen  # type: ignore[method-assign]  # nobody reads here
    ring.fill([KEY], is_closed=True, read_at=time.monotonic() - TRUSTED_SECONDS - 1)
    assert await statuses(ring, TEXT, "garbage") == [503, 401]


async def test_a_key_that_opens_nothing_says_why_to_its_holder_alone() -> None:
    for change, reason in (
        ({"disabled_at": datetime.now(UTC)}, "is disabled"),
        ({"expires_at": datetime.now(UTC) - timedelta(seconds=1)}, "has expired"),
    ):
        ring = ring_of(replace(KEY, **change), is_closed=True)  # type: ignore[arg-type]
        async with client_of(app_with_keys(ring=ring)) as client:
            answer = await client.get(THINGS, headers={"Authorization": f"Bearer {TEXT}"})
            assert (answer.status_code, reason in answer.json()["detail"]) == (401, True)
            answer = await client.get(THINGS, headers={"Authorization": f"Bearer {STRANGER}"})
            assert (answer.status_code, reason in answer.json()["detail"]) == (401, False)


@pytest.mark.parametrize(("networks", "status"), [(("127.0.0.0/8",), 200), (("10.0.0.0/8", "::1/128"), 403)])
async def test_a_key_opens_only_from_its_networks(networks: tuple[str, ...], status: int) -> None:
    assert await statuses(ring_of(replace(KEY, networks=networks), is_closed=True), TEXT) == [status]


async def test_a_key_with_limits_opens_what_does_not_go_beyond_them() -> None:
    ring = ring_of(replace(KEY, queues=("etl",)), is_closed=True)
    app = app_of(router, metrics, layers=(layer(host="0.0.0.0", ring=ring),))
    async with client_of(app) as client:
        answers = {path: await client.get(path, headers={"Authorization": f"Bearer {TEXT}"}) for path in OPENED}
    assert {path: answer.status_code for path, answer in answers.items()} == OPENED
    assert answers["/metrics"].json()["errors"][0]["field"] == "limits"


async def test_who_shows_many_wrong_keys_is_told_to_wait_and_right_ones_still_open() -> None:
    ring = ring_of(KEY, is_closed=True)
    sent = ["wrong"] * (MOST_FAILURES + 2)
    assert await statuses(ring, *sent, STRANGER, TEXT) == [401] * MOST_FAILURES + [429, 429, 429, 200]


async def test_garbage_is_refused_without_a_look() -> None:
    ring, looks = ring_of(is_closed=True), []

    async def look() -> None:
        looks.append(1)

    ring.look_again = look  # type: ignore[method-assign]
    assert await statuses(ring, TEXT[:-1] + ("A" if TEXT[-1] != "A" else "B")) == [401]
    assert looks == []
    assert await statuses(ring, TEXT) == [401]
    assert looks == [1]


async def test_a_use_is_noted_once_a_minute_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ring, clock = ring_of(KEY, is_closed=True), iter((60_030.25, 60_050.5))
    monkeypatch.setattr("api.middleware.authentication.time", SimpleNamespace(time=lambda: next(clock)))
    assert await statuses(ring, TEXT, TEXT) == [200, 200]
    ((key_id, at, source),) = ring.unwritten_uses()
    assert (key_id, at.timestamp(), source) == (KEY.key_id, 60_030.25, "127.0.0.1")
    ring.fill([replace(KEY, last_used_at=at)], is_closed=True, read_at=time.monotonic())
    assert ring.unwritten_uses() == []


async def test_metrics_need_a_key_once_there_is_one_where_others_may_ask() -> None:
    for host, status in (("0.0.0.0", 401), ("127.0.0.1", 200)):
        app = app_of(router, metrics, layers=(layer(host=host, ring=ring_of(KEY, is_closed=True)),))
        async with client_of(app) as client:
            assert (await client.get("/metrics")).status_code == status
            assert (await client.get("/metrics", headers={"Authorization": f"Bearer {TEXT}"})).status_code == 200
