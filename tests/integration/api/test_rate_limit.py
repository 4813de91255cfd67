import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from fastapi import FastAPI
from httpx import AsyncClient, Response
from structlog.testing import capture_logs

from api.middleware import rate_limit
from api.middleware.client_address import ClientAddress
from api.middleware.rate_limit import STORE_TIMEOUT_SECONDS, RateLimit, WindowCounter
from api.routing import API_PREFIX, api_router
from gateway.connection import redis_client
from tests.embedded import valkey
from tests.patience import PATIENCE_SECONDS, until
from tests.unit.api.apps import app_of, client_of

LIMIT = 5
THINGS = f"{API_PREFIX}/things"

router = api_router(tag="test")


@router.get("/things")
@router.get("/health")
async def done() -> dict[str, bool]:
    return {"done": True}


MakeApp = Callable[..., FastAPI]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that answers counts, however late on a busy machine; what is tested of its silence is `impatient`."""
    monkeypatch.setattr(rate_limit, "STORE_TIMEOUT_SECONDS", PATIENCE_SECONDS)


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "STORE_TIMEOUT_SECONDS", STORE_TIMEOUT_SECONDS)


@pytest.fixture
async def make_app() -> AsyncIterator[MakeApp]:
    """Apps as separate processes have them: each with its own connections to the same store."""
    async with AsyncExitStack() as stack:

        def make(url: str, *, limit: int = LIMIT, trusted: tuple[str, ...] = (), **counting: Any) -> FastAPI:
            client = redis_client(url)
            stack.push_async_callback(client.aclose)
            app = app_of(router, layers=((RateLimit, {"limit": limit, "address": ClientAddress(trusted)}),))
            app.state.resources = SimpleNamespace(request_counter=WindowCounter(client, **counting))
            return app

        yield make


def remaining(answer: Response) -> int:
    return int(answer.headers["x-ratelimit-remaining"])


async def statuses(client: AsyncClient, count: int) -> list[int]:
    return [(await client.get(THINGS)).status_code for _ in range(count)]


async def test_every_answer_counts_down_to_a_reset_within_the_minute(make_app: MakeApp, redis_url: str) -> None:
    async with client_of(make_app(redis_url)) as client:
        before = time.time()
        answers = [await client.get(path) for path in (THINGS, "/nowhere", THINGS)]
    assert [remaining(answer) for answer in answers] == [4, 3, 2]
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {str(LIMIT)}
    (reset,) = {int(answer.headers["x-ratelimit-reset"]) for answer in answers}
    assert before + 55 < reset < before + 63


async def test_beyond_the_limit_it_is_a_429_that_says_when_to_come_back(make_app: MakeApp, redis_url: str) -> None:
    async with client_of(make_app(redis_url)) as client:
        assert await statuses(client, LIMIT) == [200] * LIMIT
        answer = await client.get(THINGS)
    assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert remaining(answer) == 0
    assert 55 < int(answer.headers["retry-after"]) <= 62


async def test_two_processes_share_the_count(make_app: MakeApp, redis_url: str) -> None:
    async with client_of(make_app(redis_url)) as one, client_of(make_app(redis_url)) as other:
        answers = [await client.get(THINGS) for client in (one, other, one, other)]
        assert [remaining(answer) for answer in answers] == [4, 3, 2, 1]
        assert await statuses(other, 1) == [200]
        assert await statuses(one, 1) == [429]


async def test_concurrent_requests_are_counted_each_once(make_app: MakeApp, redis_url: str) -> None:
    async with client_of(make_app(redis_url, limit=30)) as client:
        answers = await asyncio.gather(*(client.get(THINGS) for _ in range(40)))
    assert sorted(remaining(answer) for answer in answers) == [0] * 10 + list(range(30))
    assert sum(answer.status_code == 429 for answer in answers) == 10


async def test_each_address_has_its_own_count(make_app: MakeApp, redis_url: str) -> None:
    app = make_app(redis_url)
    async with client_of(app, address="203.0.113.1") as one, client_of(app, address="203.0.113.2") as other:
        assert await statuses(one, LIMIT + 1) == [200] * LIMIT + [429]
        assert await statuses(other, 1) == [200]


async def test_a_client_cannot_forge_its_address_and_a_trusted_proxy_can_tell_it(
    make_app: MakeApp, redis_url: str
) -> None:
    app = make_app(redis_url, trusted=("10.0.0.0/8",))
    async with client_of(app, address="203.0.113.1") as client:
        forged = [await client.get(THINGS, headers={"X-Forwarded-For": f"198.51.100.{n}"}) for n in (1, 2)]
    async with client_of(app, address="10.0.0.9") as proxy:
        told = [await proxy.get(THINGS, headers={"X-Forwarded-For": f"198.51.100.{n}"}) for n in (1, 2)]
    assert [remaining(answer) for answer in forged + told] == [4, 3, 4, 4]


async def test_health_is_neither_counted_nor_told_of_a_limit(make_app: MakeApp, redis_url: str) -> None:
    async with client_of(make_app(redis_url)) as client:
        for _ in range(LIMIT + 1):
            answer = await client.get(f"{API_PREFIX}/health")
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
        assert remaining(await client.get(THINGS)) == LIMIT - 1


async def test_after_the_reset_the_count_starts_anew(make_app: MakeApp, redis_url: str) -> None:
    async with client_of(make_app(redis_url, limit=1, window_seconds=1)) as client:
        first = await client.get(THINGS)

        async def taken() -> Response | None:
            answer = await client.get(THINGS)
            return None if answer.status_code == 429 else answer

        answer = await until(taken)
    assert remaining(answer) == 0
    assert int(answer.headers["x-ratelimit-reset"]) > int(first.headers["x-ratelimit-reset"])


async def test_without_a_store_each_process_counts_by_itself_and_logs_it_once(make_app: MakeApp) -> None:
    with capture_logs() as logs:
        async with client_of(make_app("redis://127.0.0.1:1/0", limit=2)) as client:
            before = time.time()
            answers = [await client.get(THINGS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [remaining(answer) for answer in answers] == [1, 0, 0]
    # The client is told nothing of it.
    (reset,) = {int(answer.headers["x-ratelimit-reset"]) for answer in answers}
    assert before + 55 < reset < before + 63
    assert 55 < int(answers[-1].headers["retry-after"]) <= 62
    assert [e["event"] for e in logs if e["event"].startswith("rate_limit")] == ["rate_limit_store_unavailable"]


async def test_an_event_loop_that_was_busy_is_no_reason_to_let_a_request_pass(
    make_app: MakeApp, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 20
    impatient(monkeypatch)
    async with client_of(make_app(redis_url, limit=turns)) as client:
        await client.get(THINGS)
        for turn in range(1, turns):
            asked = asyncio.create_task(client.get(THINGS))
            for _ in range(turn):
                await asyncio.sleep(0)
            time.sleep(2 * STORE_TIMEOUT_SECONDS)  # noqa: ASYNC251  somewhere between the question and its answer
            assert remaining(await asked) == turns - 1 - turn


async def test_without_a_store_concurrent_requests_are_counted_each_once(make_app: MakeApp) -> None:
    async with client_of(make_app("redis://127.0.0.1:1/0", limit=30)) as client:
        answers = await asyncio.gather(*(client.get(THINGS) for _ in range(40)))
    assert sorted(remaining(answer) for answer in answers) == [0] * 10 + list(range(30))


async def test_without_a_store_so_many_addresses_are_kept_and_no_more(make_app: MakeApp) -> None:
    app = make_app("redis://127.0.0.1:1/0", limit=3, max_windows=10)
    for n in range(50):
        async with client_of(app, address=f"203.0.113.{n}") as client:
            assert remaining(await client.get(THINGS)) == 2
    assert len(app.state.resources.request_counter._windows) == 10
    async with client_of(app, address="203.0.113.49") as latest, client_of(app, address="203.0.113.1") as forgotten:
        assert [remaining(await client.get(THINGS)) for client in (latest, forgotten)] == [1, 2]


async def test_a_frozen_store_delays_one_request_briefly_and_counts_again_once_thawed(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with valkey(tmp_path) as url, redis.Redis.from_url(url) as plain:
        pid = plain.info("server")["process_id"]
        one, other = (make_app(f"{url}/2", limit=8, break_seconds=0.5) for _ in range(2))
        async with client_of(one) as client, client_of(other) as beside:
            before = [await client.get(THINGS), await beside.get(THINGS), await client.get(THINGS)]
            impatient(monkeypatch)
            os.kill(pid, signal.SIGSTOP)
            try:
                frozen = [await client.get(THINGS) for _ in range(8)]
            finally:
                os.kill(pid, signal.SIGCONT)
            # Each goes on by itself from what it has seen of the shared count.
            assert [remaining(answer) for answer in before + frozen] == [7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0]
            assert [answer.status_code for answer in frozen] == [200] * 5 + [429] * 3
            assert {int(answer.headers["x-ratelimit-reset"]) for answer in frozen} == {
                int(before[-1].headers["x-ratelimit-reset"])
            }
            # The shared count knows nothing of what the other has refused.
            monkeypatch.setattr(rate_limit, "STORE_TIMEOUT_SECONDS", PATIENCE_SECONDS)
            assert (await beside.get(THINGS)).status_code == 200

            async def is_refused() -> bool:
                return await statuses(beside, 1) == [429]

            await until(is_refused, "the breaker asks Redis again")
