"""Counting requests with a store and a clock of these tests' own; a real Valkey counts in the integration tests."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from structlog.testing import capture_logs

from api.middleware import rate_limit
from api.middleware.client_address import ClientAddress
from api.middleware.rate_limit import BREAK_SECONDS, RateLimit, WindowCounter
from api.routing import API_PREFIX, api_router
from domain.errors import TaskNotFound
from domain.redis_keys import requests_key
from tests.unit.api.apps import app_of, client_of

ADDRESS = "10.0.0.1"
SECRET = "redis://:s3cret@h"


class Store:
    """Stands in for the storage of `limits`: counts, remembers what it was asked, and fails when it is told to."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.expiry = 1_060.7
        self.error: Exception | None = None
        self.silent = False

    async def incr(self, key: str, seconds: int, amount: int, /) -> int:
        self.asked.append(("incr", key, seconds, amount))
        if self.silent:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        self.counts[key] = self.counts.get(key, 0) + amount
        return self.counts[key]

    async def get_expiry(self, key: str) -> float:
        self.asked.append(("expiry", key))
        return self.expiry


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(rate_limit, "RedisStorage", lambda *_, **__: store)
    return store


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """`clock.now` is the time."""
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(rate_limit, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


@pytest.fixture
def counter(store: Store, clock: SimpleNamespace) -> WindowCounter:
    return counter_of()


def counter_of(**options: Any) -> WindowCounter:
    return WindowCounter(cast(Redis, SimpleNamespace(connection_pool=None)), **options)


def asked_for(store: Store, kind: str) -> int:
    return sum(question[0] == kind for question in store.asked)


async def test_requests_of_one_turn_are_counted_with_one_command_and_keep_their_order(
    store: Store, counter: WindowCounter
) -> None:
    counts = await asyncio.gather(*(counter.count(ADDRESS) for _ in range(5)))
    assert counts == [(number, 1_061) for number in range(1, 6)]
    assert store.asked == [("incr", requests_key(ADDRESS), 60, 5), ("expiry", requests_key(ADDRESS))]
    assert await counter.count(ADDRESS) == (6, 1_061)


async def test_addresses_are_counted_apart(store: Store, counter: WindowCounter) -> None:
    counts = await asyncio.gather(counter.count("10.0.0.1"), counter.count("10.0.0.2"), counter.count("10.0.0.1"))
    assert [count for count, _ in counts] == [1, 1, 2]
    assert asked_for(store, "incr") == 2


async def test_the_end_of_a_window_is_asked_for_once(store: Store, counter: WindowCounter) -> None:
    for _ in range(3):
        await counter.count(ADDRESS)
    assert asked_for(store, "expiry") == 1


async def test_a_window_that_redis_began_anew_has_a_new_end(
    store: Store, counter: WindowCounter, clock: SimpleNamespace
) -> None:
    await counter.count(ADDRESS)
    store.counts.clear()
    store.expiry = 1_090.2
    assert await counter.count(ADDRESS) == (1, 1_091)


async def test_a_window_whose_end_has_come_is_not_told_again(
    store: Store, counter: WindowCounter, clock: SimpleNamespace
) -> None:
    await counter.count(ADDRESS)
    clock.now, store.expiry = 1_061.0, 1_120.0
    assert await counter.count(ADDRESS) == (2, 1_121)  # another process began it


async def test_what_another_process_counted_is_in_the_number(store: Store, counter: WindowCounter) -> None:
    store.counts[requests_key(ADDRESS)] = 10
    first, second = await asyncio.gather(counter.count(ADDRESS), counter.count(ADDRESS))
    assert (first[0], second[0]) == (11, 12)


@pytest.mark.parametrize(
    "error", [RedisConnectionError(SECRET), ResponseError(SECRET), OSError(SECRET), TimeoutError()]
)
async def test_a_store_that_fails_holds_nobody_up_and_the_count_goes_on_from_what_was_known(
    store: Store, counter: WindowCounter, error: Exception
) -> None:
    for _ in range(3):
        await counter.count(ADDRESS)
    store.error = error
    with capture_logs() as logs:
        counts = [await counter.count(ADDRESS) for _ in range(3)]
    assert counts == [(4, 1_061), (5, 1_061), (6, 1_061)]
    (event,) = logs
    assert event == {
        "event": "rate_limit_store_unavailable",
        "log_level": "warning",
        "error": type(error).__name__,
    }


async def test_for_five_seconds_nobody_asks_a_store_that_failed(
    store: Store, counter: WindowCounter, clock: SimpleNamespace
) -> None:
    store.error = RedisError()
    await counter.count(ADDRESS)
    clock.now += BREAK_SECONDS - 0.001
    await counter.count(ADDRESS)
    assert asked_for(store, "incr") == 1
    clock.now += 0.001
    await counter.count(ADDRESS)
    assert asked_for(store, "incr") == 2


async def test_a_long_outage_is_one_log_line_and_its_end_another(
    store: Store, counter: WindowCounter, clock: SimpleNamespace
) -> None:
    store.error = RedisError()
    with capture_logs() as logs:
        for _ in range(3):
            await counter.count(ADDRESS)
            clock.now += BREAK_SECONDS
        store.error = None
        await counter.count(ADDRESS)
        await counter.count(ADDRESS)
    assert [event["event"] for event in logs] == ["rate_limit_store_unavailable", "rate_limit_store_recovered"]


async def test_after_an_outage_the_count_that_all_share_holds(
    store: Store, counter: WindowCounter, clock: SimpleNamespace
) -> None:
    await counter.count(ADDRESS)
    store.error = RedisError()
    for _ in range(10):
        await counter.count(ADDRESS)
    store.error = None
    clock.now += BREAK_SECONDS
    assert await counter.count(ADDRESS) == (2, 1_061)


async def test_without_a_store_from_the_start_a_window_lasts_as_long_and_then_begins_anew(
    store: Store, counter: WindowCounter, clock: SimpleNamespace
) -> None:
    store.error = RedisError()
    assert await counter.count(ADDRESS) == (1, 1_061)
    clock.now = 1_060.9
    assert await counter.count(ADDRESS) == (2, 1_061)
    clock.now = 1_061.0
    assert await counter.count(ADDRESS) == (1, 1_122)


async def test_requests_that_were_counted_together_when_the_store_failed_have_numbers_of_their_own(
    store: Store, counter: WindowCounter
) -> None:
    store.error = RedisError()
    counts = await asyncio.gather(*(counter.count(ADDRESS) for _ in range(4)))
    assert [count for count, _ in counts] == [1, 2, 3, 4]


async def test_a_store_that_does_not_answer_is_given_up(store: Store, counter: WindowCounter) -> None:
    store.silent = True
    assert (await counter.count(ADDRESS))[0] == 1
    store.silent = False
    assert (await counter.count(ADDRESS))[0] == 2
    assert asked_for(store, "incr") == 1


async def test_a_fault_of_ours_is_not_taken_for_an_outage(store: Store, counter: WindowCounter) -> None:
    store.error = LookupError("a bug")
    with pytest.raises(LookupError):
        await counter.count(ADDRESS)
    store.error = None
    assert await counter.count(ADDRESS) == (1, 1_061)


async def test_whoever_goes_away_leaves_the_count_to_the_others(store: Store, counter: WindowCounter) -> None:
    leaving, staying = asyncio.ensure_future(counter.count(ADDRESS)), asyncio.ensure_future(counter.count(ADDRESS))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying)[0] == 2
    assert leaving.cancelled()


async def test_where_addresses_are_too_many_the_one_that_began_first_is_forgotten(
    store: Store, clock: SimpleNamespace
) -> None:
    counter = counter_of(max_windows=2)
    store.error = RedisError()
    for address in ("a", "b", "a", "c"):
        await counter.count(address)
    assert (await counter.count("b"))[0] == 2
    assert (await counter.count("c"))[0] == 2
    assert (await counter.count("a"))[0] == 1


# The layer.

router = api_router("/things", tag="things")
health = api_router("/health", tag="health")


@router.get("")
async def get_things() -> dict[str, bool]:
    return {"ok": True}


@router.get("/none")
async def get_nothing() -> None:
    raise TaskNotFound


@health.get("/live")
async def live() -> dict[str, bool]:
    return {"ok": True}


class Count:
    """Answers with the number that a test sets."""

    number, reset = 1, 0

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def count(self, address: str) -> tuple[int, int]:
        self.addresses.append(address)
        return self.number, self.reset


@pytest.fixture
def count() -> Count:
    return Count()


@pytest.fixture
def asking(count: Count) -> Callable[[str], Awaitable[Any]]:
    app = app_of(
        router,
        health,
        layers=((RateLimit, {"limit": 3, "address": ClientAddress(["127.0.0.1"])}),),
    )
    app.state.resources = SimpleNamespace(request_counter=count)

    async def ask(path: str, **headers: str) -> Any:
        client: AsyncClient
        async with client_of(app) as client:
            return await client.get(path, headers=headers)

    return ask


@pytest.mark.parametrize(("number", "left"), [(1, "2"), (3, "0")])
async def test_up_to_the_limit_requests_pass_and_say_what_is_left(
    asking: Callable[..., Any], count: Count, number: int, left: str
) -> None:
    count.number, count.reset = number, 2_000_000_000
    answer = await asking(f"{API_PREFIX}/things")
    assert answer.status_code == 200
    told = {name: answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")}
    assert told == {"limit": "3", "remaining": left, "reset": "2000000000"}
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("number", [4, 4_000])
async def test_one_beyond_the_limit_is_a_429_in_the_one_form(
    asking: Callable[..., Any], count: Count, number: int, clock: SimpleNamespace
) -> None:
    count.number, count.reset = number, 1_042
    answer = await asking(f"{API_PREFIX}/things")
    assert answer.status_code == 429
    told = json.loads(answer.text)
    assert (told["code"], told["detail"]) == ("RATE_LIMITED", "Too many requests; try again later.")
    assert told["request_id"] == answer.headers["x-request-id"]
    assert (answer.headers["retry-after"], answer.headers["x-ratelimit-remaining"]) == ("42", "0")


@pytest.mark.parametrize("reset", [0, 999, 1_000])
async def test_a_refused_client_is_never_told_to_come_again_at_once(
    asking: Callable[..., Any], count: Count, clock: SimpleNamespace, reset: int
) -> None:
    count.number, count.reset = 4, reset
    assert (await asking(f"{API_PREFIX}/things")).headers["retry-after"] == "1"


async def test_errors_say_where_the_client_stands_too(asking: Callable[..., Any]) -> None:
    answer = await asking(f"{API_PREFIX}/things/none")
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (404, "2")


async def test_health_is_neither_counted_nor_refused(asking: Callable[..., Any], count: Count) -> None:
    count.number = 1_000
    answer = await asking(f"{API_PREFIX}/health/live")
    assert answer.status_code == 200
    assert "x-ratelimit-limit" not in answer.headers
    assert count.addresses == []


async def test_behind_a_trusted_proxy_it_is_the_client_that_is_counted(
    asking: Callable[..., Any], count: Count
) -> None:
    await asking(f"{API_PREFIX}/things", **{"X-Forwarded-For": "6.6.6.6, 192.0.2.7"})
    assert count.addresses == ["192.0.2.7"]


async def test_what_is_no_request_is_passed_on() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any, /) -> None:
        seen.append(scope["type"])

    layer = RateLimit(app, limit=1, address=ClientAddress([]))
    for kind in ("lifespan", "websocket"):
        await layer({"type": kind}, cast(Any, None), cast(Any, None))
    assert seen == ["lifespan", "websocket"]
