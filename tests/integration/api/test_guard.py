"""The guard around routes of the test's own, with kept answers on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from httpx import AsyncClient, Response
from starlette.responses import StreamingResponse

from api.declarations import Declared, caches_answers, reads_result, submits
from api.resilience import breakers as breakers_module
from api.resilience.breakers import Breakers
from api.resilience.guard import SUBMIT_SECONDS, Guard, access_of
from api.resilience.last_answers import LastAnswers
from api.routing import API_PREFIX, api_router
from domain.breakers import Breaker, BreakerState
from domain.degradation import Access, Mark, Marks, Strategy
from domain.errors import TaskNotFound
from domain.health import DATABASE
from gateway.connection import redis_client
from services.resident.degradation import DegradationMarks
from tests.patience import PATIENCE_SECONDS, until
from tests.unit.api.apps import app_of, client_of

TASKS = f"{API_PREFIX}/tasks"
ACCEPTS_AGE = {"Cache-Control": "max-age=5"}
CACHED, FAST, QUEUE = Strategy.RETURN_CACHED, Strategy.FAIL_FAST, Strategy.QUEUE_ONLY

router = api_router("/tasks", tag="tasks")
exempt = api_router("/resilience", tag="resilience")


@dataclass
class World:
    """What the routes do and what was asked of them."""

    client: AsyncClient
    breakers: Breakers
    guard: Guard
    marks: dict[str, Mark] = field(default_factory=dict)
    calls: int = 0
    frozen: asyncio.Event | None = None
    stubborn: bool = False

    def current(self) -> Marks:
        return self.marks

    async def fresh(self) -> Marks:
        return self.marks

    def mark(self, service_name: str, strategy: Strategy) -> None:
        until = datetime.now(UTC) + timedelta(minutes=5)
        self.marks = {service_name: Mark(service_name, strategy, until)}

    async def answer(self) -> None:
        self.calls += 1
        while self.frozen and not self.frozen.is_set():
            try:
                await self.frozen.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise

    def open_breaker(self) -> None:
        self.breakers._replace(DATABASE, Breaker(BreakerState.OPEN))

    async def get(self, path: str = "", **parameters: Any) -> Response:
        return await self.client.get(TASKS + path, params=parameters)

    async def get_shared(self, **parameters: Any) -> Response:
        return await self.client.get(TASKS, params=parameters, headers=ACCEPTS_AGE)


worlds: list[World] = []
"""The one of the test that runs."""


@router.get("")
@caches_answers
async def list_tasks(limit: int = 50, status: str = "") -> dict[str, int]:
    await here().answer()
    return {"calls": here().calls, "limit": limit}


@router.post("", status_code=201)
@submits
async def submit_task() -> dict[str, int]:
    await here().answer()
    return {"calls": here().calls}


@router.get("/{task_id}")
@reads_result
@caches_answers
async def get_task(task_id: str) -> dict[str, str]:
    if task_id == "unknown":
        raise TaskNotFound
    return {"task_id": task_id}


@router.get("/{task_id}/timeline")
async def get_timeline(task_id: str) -> dict[str, str]:
    return {"task_id": task_id}


@router.get("/{task_id}/csv", response_class=StreamingResponse)
async def export(task_id: str) -> StreamingResponse:
    async def rows() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number}\n"
            here().open_breaker()
            await asyncio.sleep(0)

    return StreamingResponse(rows(), media_type="text/csv")


@router.post("/{task_id}/cancel")
async def cancel_task(task_id: str) -> dict[str, str]:
    await here().answer()
    return {"task_id": task_id}


@exempt.get("/summary")
async def get_summary() -> dict[str, bool]:
    return {"here": True}


def here() -> World:
    (world,) = worlds
    return world


@pytest.fixture
async def world(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A parameter is how many seconds a submission is tried on."""
    redis = redis_client(redis_url)
    submit_seconds = getattr(request, "param", SUBMIT_SECONDS)
    app = app_of(router, exempt)
    async with client_of(app) as client, LastAnswers(redis) as answers:
        breakers = Breakers([DATABASE, "broker"])
        made = World(client, breakers, cast(Guard, None))
        made.guard = app.state.guard = Guard(
            cast(DegradationMarks, made), breakers, answers=answers, submit_seconds=submit_seconds
        )
        worlds.append(made)
        yield made
        worlds.clear()
    await redis.aclose()


async def test_without_marks_every_request_reaches_its_route(world: World) -> None:
    for calls in (1, 2):
        answer = await world.get()
        assert answer.json() == {"calls": calls, "limit": 50}
        assert "warning" not in answer.headers
        assert "age" not in answer.headers


async def test_who_accepts_an_age_gets_the_answer_that_is_made_for_another(world: World) -> None:
    world.frozen = asyncio.Event()
    asked = [asyncio.ensure_future(world.get_shared(limit=1)) for _ in range(3)]
    others = [asyncio.ensure_future(world.get(limit=1)), asyncio.ensure_future(world.get_shared(limit=2))]
    await until(lambda: world.calls == 3)
    world.frozen.set()
    answers = [await each for each in asked]
    assert [answer.json()["limit"] for answer in answers] == [1, 1, 1]
    assert sorted(answer.headers["age"] for answer in answers) == ["0", "1", "1"]
    assert {answer.headers["etag"] for answer in answers} == {answers[0].headers["etag"]}
    assert [(await each).json()["limit"] for each in others] == [1, 2]
    assert world.calls == 3


async def test_an_answer_that_went_wrong_is_made_again_by_each_who_waited_for_it(world: World) -> None:
    for calls in (1, 2):
        answer = await world.client.get(f"{TASKS}/unknown", headers=ACCEPTS_AGE)
        assert (answer.status_code, calls) == (404, calls)
    # What broke off in the middle is waited for by nobody.
    world.frozen = asyncio.Event()
    first = asyncio.ensure_future(world.get_shared())
    await until(lambda: world.calls == 1)
    second = asyncio.ensure_future(world.get_shared())
    first.cancel()
    await asyncio.wait({first})
    await until(lambda: world.calls == 2)
    world.frozen.set()
    assert (await second).json()["calls"] == 2


async def test_marked_return_cached_reads_get_the_last_good_answer_and_no_route_is_asked(world: World) -> None:
    for limit in (1, 2):
        await world.get(limit=limit)
    world.mark(DATABASE, CACHED)
    for limit in (1, 2):
        answer = await world.get(limit=limit)
        assert (answer.status_code, answer.json()) == (200, {"calls": limit, "limit": limit})
        assert answer.headers["warning"].startswith("110 ")
        assert int(answer.headers["age"]) < 5
        assert answer.headers["content-type"] == "application/json"
    assert world.calls == 2


async def test_the_order_of_parameters_makes_no_other_question_and_their_values_do(world: World) -> None:
    await world.client.get(f"{TASKS}?limit=1&status=FAILED")
    world.mark(DATABASE, CACHED)
    assert (await world.client.get(f"{TASKS}?status=FAILED&limit=1")).status_code == 200
    assert (await world.client.get(f"{TASKS}?limit=1&status=failed")).status_code == 503
    assert (await world.client.get(f"{TASKS}?limit=1")).status_code == 503


async def test_a_read_without_a_kept_answer_is_refused_with_the_reason(world: World) -> None:
    world.mark(DATABASE, CACHED)
    answer = await world.get()
    assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_DEGRADED")
    assert "database" in answer.json()["detail"]
    assert "retry-after" in answer.headers
    assert world.calls == 0


async def test_what_is_no_good_answer_of_a_kept_route_is_not_kept(world: World) -> None:
    for path in ("/unknown", "/one/timeline", "/one"):
        await world.get(path)
    world.mark(DATABASE, CACHED)
    assert [(await world.get(path)).status_code for path in ("/unknown", "/one/timeline", "/one")] == [503, 503, 200]


async def test_marked_return_cached_writes_go_on(world: World) -> None:
    world.mark(DATABASE, CACHED)
    assert (await world.client.post(TASKS)).status_code == 201


async def test_marked_fail_fast_nothing_reaches_a_route_but_what_is_exempt(world: World) -> None:
    await world.get()
    world.mark(DATABASE, FAST)
    for answer in (await world.get(), await world.client.post(TASKS), await world.client.post(f"{TASKS}/one/cancel")):
        assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_DEGRADED")
    assert world.calls == 1
    assert (await world.client.get(f"{API_PREFIX}/resilience/summary")).status_code == 200


async def test_with_the_workers_marked_fail_fast_new_work_is_refused_and_a_cancel_is_not(world: World) -> None:
    world.mark("workers", FAST)
    assert (await world.client.post(TASKS)).status_code == 503
    assert (await world.client.post(f"{TASKS}/one/cancel")).status_code == 200
    assert (await world.get()).status_code == 200


async def test_marked_queue_only_every_request_is_answered_as_ever(world: World) -> None:
    world.mark("broker", QUEUE)
    assert (await world.client.post(TASKS)).status_code == 201
    assert (await world.get()).status_code == 200


async def test_while_the_breaker_is_open_reads_come_from_the_cache_and_the_rest_is_refused(world: World) -> None:
    await world.get()
    world.open_breaker()
    cached = await world.get()
    assert (cached.status_code, cached.json()["calls"]) == (200, 1)
    assert "warning" in cached.headers
    assert (await world.get(limit=1)).status_code == 503
    assert (await world.client.post(TASKS)).status_code == 503
    world.breakers.succeeded(DATABASE)
    assert (await world.get()).json()["calls"] == 2


@pytest.mark.parametrize("stubborn", [False, True])
async def test_requests_in_the_middle_of_a_freeze_are_answered_when_the_breaker_opens(
    world: World, stubborn: bool
) -> None:
    await world.get()
    world.frozen, world.stubborn = asyncio.Event(), stubborn
    async with asyncio.timeout(PATIENCE_SECONDS):
        waiting = [
            asyncio.create_task(request)
            for request in (world.get(), world.get(limit=1), world.client.post(f"{TASKS}/one/cancel"))
        ]
        await until(lambda: world.calls == 4)
        world.open_breaker()
        answers = await asyncio.gather(*waiting)
        assert [answer.status_code for answer in answers] == [200, 503, 503]
        assert "warning" in answers[0].headers
        # What they left behind ends when the server thaws, and nobody hears of it.
        world.frozen.set()
        await until(lambda: not world.guard._left)


async def test_a_submission_outlasts_a_short_freeze(world: World) -> None:
    world.frozen = asyncio.Event()
    async with asyncio.timeout(PATIENCE_SECONDS):
        waiting = asyncio.create_task(world.client.post(TASKS))
        await until(lambda: world.calls)
        world.open_breaker()
        await asyncio.sleep(0.05)
        assert not waiting.done()
        world.frozen.set()
        assert (await waiting).status_code == 201


@pytest.mark.parametrize("world", [0.05], indirect=True)
async def test_a_submission_is_left_when_the_freeze_lasts(world: World) -> None:
    world.frozen = asyncio.Event()
    async with asyncio.timeout(PATIENCE_SECONDS):
        waiting = asyncio.create_task(world.client.post(TASKS))
        await until(lambda: world.calls)
        world.open_breaker()
        answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_DEGRADED")


async def test_an_answer_that_has_begun_is_sent_to_its_end(world: World) -> None:
    assert (await world.get("/one/csv")).text == "0\n1\n2\n"


@pytest.mark.parametrize(
    ("method", "tag", "declared", "access"),
    [
        ("GET", "tasks", Declared(), Access.READ),
        ("GET", "tasks", Declared(access=Access.READ_RESULT), Access.READ_RESULT),
        ("GET", "workers", Declared(), Access.READ_NODES),
        ("GET", "dashboard", Declared(), Access.READ_NODES),
        ("POST", "tasks", Declared(access=Access.SUBMIT), Access.SUBMIT),
        ("POST", "tasks", Declared(), Access.WRITE),
        ("POST", "workers", Declared(), Access.CONTROL),
        ("DELETE", "search", Declared(), Access.WRITE),
        ("POST", "resilience", Declared(), None),
        ("GET", "health", Declared(), None),
    ],
)
def test_what_a_request_needs_follows_from_its_route(
    method: str, tag: str, declared: Declared, access: Access | None
) -> None:
    assert access_of(declared, method, tag=tag) is access


async def test_a_breaker_that_has_closed_can_open_again(monkeypatch: pytest.MonkeyPatch) -> None:
    breakers = Breakers([DATABASE])
    times = iter(datetime(2026, 3, 1, 12, 0, second, tzinfo=UTC) for second in range(60))

    class Clock:
        @staticmethod
        def now(_: object) -> datetime:
            return next(times)

    monkeypatch.setattr(breakers_module, "datetime", Clock)
    for _ in range(2):
        assert breakers.open_ones() == frozenset()
        opening = breakers.opening(DATABASE)
        for _ in range(4):
            breakers.failed(DATABASE)
        assert breakers.open_ones() == {DATABASE}
        assert opening.done()
        breakers.succeeded(DATABASE)
        breakers.succeeded(DATABASE)
