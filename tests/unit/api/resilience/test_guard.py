"""The guard around routes of these tests' own, with answers kept in memory; with a Valkey it is in the integration
tests.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from api.declarations import Declared
from api.middleware.scopes import SIGHT
from api.resilience import guard as module
from api.resilience.breakers import Breakers
from api.resilience.guard import Guard, access_of
from api.resilience.last_answers import MAX_ANSWER_BYTES, LastAnswer, LastAnswers
from domain.breakers import Breaker, BreakerState
from domain.degradation import BROKER, MIRROR, WORKERS, Access, Mark, Strategy
from domain.errors import ServiceDegraded
from domain.health import DATABASE
from domain.sight import EVERYTHING, Limits, Sight
from services.resident.degradation import DegradationMarks

CACHED, FAST, QUEUE = Strategy.RETURN_CACHED, Strategy.FAIL_FAST, Strategy.QUEUE_ONLY
UNTIL = datetime(2026, 1, 25, 14, 0, tzinfo=UTC)
JSON = [(b"content-type", b"application/json")]
PATH = "/api/v1/tasks"


class Marks:
    """What is marked; set by a test."""

    def __init__(self) -> None:
        self.set: dict[str, Mark] = {}
        self.looks = 0

    def current(self) -> dict[str, Mark]:
        return self.set

    async def fresh(self) -> dict[str, Mark]:
        self.looks += 1
        return self.set

    def add(self, service: str, strategy: Strategy) -> None:
        self.set[service] = Mark(service, strategy, UNTIL)


class Answers:
    """Keeps answers in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def remember(self, question: str, body: bytes) -> None:
        self.kept[question] = body

    async def find(self, question: str) -> LastAnswer | None:
        body = self.kept.get(question)
        return LastAnswer(body, 61.9) if body is not None else None


class Route:
    """Answers with what a test gives it, after `may_answer`."""

    def __init__(self) -> None:
        self.calls = 0
        self.messages: list[Message] = answer(b"[1]")
        self.may_begin, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_begin.set()
        self.may_end.set()
        self.error: Exception | None = None
        self.was_cancelled = False
        self.sent_after_cancel: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        self.calls += 1
        try:
            await self.may_begin.wait()
            if self.error:
                raise self.error
            first, *others = self.messages
            await send(first)
            await self.may_end.wait()
            for message in others:
                await send(message)
        except asyncio.CancelledError:
            self.was_cancelled = True
            for message in self.sent_after_cancel:
                await send(message)
            raise


class World:
    """A guard and all around it."""

    def __init__(self) -> None:
        self.marks, self.answers, self.route = Marks(), Answers(), Route()
        self.breakers = Breakers([DATABASE, BROKER])
        self.guard = Guard(cast(DegradationMarks, self.marks), self.breakers, answers=cast(LastAnswers, self.answers))
        self.sent: list[Message] = []

    async def ask(
        self,
        access: Access = Access.READ,
        *,
        path: str = PATH,
        query: str = "",
        caches: bool = True,
        sight: Sight = EVERYTHING,
    ) -> None:
        async def send(message: Message) -> None:
            self.sent.append(message)

        scope: Scope = {"type": "http", "path": path, "query_string": query.encode(), "method": "GET", "headers": []}
        scope[SIGHT] = sight
        await self.guard.pass_through(
            self.route, scope, receive=cast(Receive, None), send=send, access=access, caches=caches
        )

    def open_breaker(self, name: str = DATABASE) -> None:
        self.breakers._replace(name, Breaker(BreakerState.OPEN))

    async def begin(self, access: Access = Access.READ, *, caches: bool = True) -> "asyncio.Task[None]":
        """Ask, and come as far as the route lets."""
        asking = asyncio.ensure_future(self.ask(access, caches=caches))
        for _ in range(5):
            await asyncio.sleep(0)
        return asking

    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def answer(body: bytes, *, status: int = 200, headers: list[tuple[bytes, bytes]] = JSON) -> list[Message]:
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body, "more_body": False},
    ]


@pytest.fixture
async def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("declared", "method", "tag", "access"),
    [
        (Declared(), "GET", "tasks", Access.READ),
        (Declared(), "GET", "workers", Access.READ_NODES),
        (Declared(), "GET", "dashboard", Access.READ_NODES),
        (Declared(), "POST", "tasks", Access.WRITE),
        (Declared(), "DELETE", "workflows", Access.WRITE),
        (Declared(), "PUT", "workers", Access.CONTROL),
        (Declared(), "POST", "dashboard", Access.WRITE),
        (Declared(), "HEAD", "tasks", Access.WRITE),
        (Declared(access=Access.SUBMIT), "POST", "tasks", Access.SUBMIT),
        (Declared(access=Access.READ_RESULT), "GET", "workers", Access.READ_RESULT),
        (Declared(), "GET", "health", None),
        (Declared(access=Access.SUBMIT), "POST", "resilience", None),
    ],
)
def test_what_a_request_needs_is_told_by_its_route(
    declared: Declared, method: str, tag: str, access: Access | None
) -> None:
    assert access_of(declared, method, tag=tag) is access


async def test_where_nothing_is_marked_the_routes_answer_is_passed_on_and_kept(world: World) -> None:
    await world.ask()
    assert world.sent == world.route.messages
    assert list(world.answers.kept.values()) == [b"[1]"]
    assert world.marks.looks == 1


async def test_an_answer_in_parts_is_kept_whole(world: World) -> None:
    start, _ = world.route.messages
    parts = [{"type": "http.response.body", "body": body, "more_body": True} for body in (b"[1", b",2", b"]")]
    world.route.messages = [start, *parts, {"type": "http.response.body"}]
    await world.ask()
    assert list(world.answers.kept.values()) == [b"[1,2]"]


@pytest.mark.parametrize(
    "messages",
    [
        answer(b"{}", status=201),
        answer(b"{}", status=404),
        answer(b"{}", status=500),
        answer(b"a,b", headers=[(b"content-type", b"text/csv")]),
        answer(b"{}", headers=[]),
        answer(b"x" * (MAX_ANSWER_BYTES + 1)),
    ],
)
async def test_what_is_not_good_not_json_or_too_large_is_not_kept(world: World, messages: list[Message]) -> None:
    world.route.messages = messages
    await world.ask()
    assert world.sent == messages
    assert world.answers.kept == {}


async def test_an_answer_as_large_as_the_bound_is_kept(world: World) -> None:
    world.route.messages = answer(b"x" * MAX_ANSWER_BYTES)
    await world.ask()
    assert [len(body) for body in world.answers.kept.values()] == [MAX_ANSWER_BYTES]


async def test_a_route_that_does_not_declare_it_keeps_nothing(world: World) -> None:
    await world.ask(caches=False)
    assert world.answers.kept == {}


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        ("a=1&b=2", "b=2&a=1", True),
        ("a=%31", "a=1", True),
        ("a=x+y", "a=x%20y", True),
        ("a=1&a=2", "a=2&a=1", True),
        ("a=", "", False),
        ("a=1", "a=2", False),
        ("a=1%26b=2", "a=1&b=2", False),
        ("a=%C3%A4", "a=%C3%B6", False),
    ],
)
async def test_one_question_in_two_spellings_is_kept_once(world: World, first: str, second: str, are_one: bool) -> None:
    await world.ask(query=first)
    await world.ask(query=second)
    assert len(world.answers.kept) == (1 if are_one else 2)


async def test_a_path_cannot_be_mistaken_for_a_path_with_a_query(world: World) -> None:
    await world.ask(path="/api/v1/tasks", query="a=1")
    await world.ask(path="/api/v1/tasks?a=1")
    await world.ask(path="/api/v1/tasksa=1")
    assert len(world.answers.kept) == 3


async def test_fail_fast_refuses_without_asking_the_route(world: World) -> None:
    world.marks.add(DATABASE, FAST)
    with pytest.raises(ServiceDegraded) as refused:
        await world.ask()
    assert refused.value.detail == ("database is degraded until 2026-01-25T14:00:00Z (fail_fast); try again later.")
    assert world.route.calls == 0
    assert world.sent == []


async def test_return_cached_answers_with_the_last_good_answer_and_its_age(world: World) -> None:
    await world.ask()
    world.sent.clear()
    world.marks.add(MIRROR, CACHED)
    await world.ask()
    assert (world.sent[0]["status"], world.body()) == (200, b"[1]")
    assert world.headers()[b"warning"] == b'110 celeriac "Response is Stale"'
    assert world.headers()[b"age"] == b"61"
    assert world.headers()[b"content-type"] == b"application/json"
    assert world.route.calls == 1


@pytest.mark.parametrize("caches", [True, False])
async def test_return_cached_without_an_answer_refuses(world: World, caches: bool) -> None:
    world.marks.add(MIRROR, CACHED)
    if not caches:
        world.answers.kept[f"{PATH}\x00"] = b"of another time"
    with pytest.raises(ServiceDegraded, match="mirror is degraded until 2026-01-25T14:00:00Z"):
        await world.ask(caches=caches)
    assert world.route.calls == 0


@pytest.mark.parametrize(
    ("access", "service", "strategy"),
    [
        (Access.READ, WORKERS, FAST),
        (Access.WRITE, BROKER, FAST),
        (Access.SUBMIT, DATABASE, CACHED),
        (Access.SUBMIT, BROKER, QUEUE),
        (Access.READ, DATABASE, QUEUE),
        (Access.SUBMIT, "queue:payments", FAST),
    ],
)
async def test_marks_that_do_not_concern_a_request_change_nothing(
    world: World, access: Access, service: str, strategy: Strategy
) -> None:
    world.marks.add(service, strategy)
    await world.ask(access)
    assert world.body() == b"[1]"


@pytest.mark.parametrize("access", [Access.WRITE, Access.SUBMIT, Access.CONTROL])
async def test_while_the_database_fails_writes_are_refused_at_once(world: World, access: Access) -> None:
    world.open_breaker()
    with pytest.raises(ServiceDegraded, match=r"^database is degraded \(fail_fast\); try again later\.$"):
        await world.ask(access, caches=False)
    assert world.route.calls == 0


async def test_while_only_the_broker_fails_requests_pass(world: World) -> None:
    world.open_breaker(BROKER)
    await world.ask(Access.SUBMIT)
    assert world.body() == b"[1]"


async def test_a_database_that_fails_in_the_middle_of_a_read_is_answered_with_the_last_answer(world: World) -> None:
    await world.ask()
    world.sent.clear()
    world.route.may_begin.clear()
    asking = await world.begin()
    assert world.sent == []
    with capture_logs() as logs:
        world.open_breaker()
        await asking
    assert world.body() == b"[1]"
    assert b"warning" in world.headers()
    assert "request_left" in [event["event"] for event in logs]


async def test_a_route_that_was_left_is_cancelled_and_what_it_still_says_goes_nowhere(world: World) -> None:
    world.answers.kept[f"{PATH}\x00"] = b'"kept"'
    world.route.sent_after_cancel = answer(b"late")
    world.route.may_begin.clear()
    asking = await world.begin()
    world.open_breaker()
    await asking
    await asyncio.sleep(0)
    assert world.route.was_cancelled
    assert world.body() == b'"kept"'


async def test_a_read_without_a_last_answer_is_refused_when_the_database_fails(world: World) -> None:
    world.route.may_begin.clear()
    asking = await world.begin()
    world.open_breaker()
    with pytest.raises(ServiceDegraded, match=r"^database is degraded \(return_cached\)"):
        await asking


async def test_a_database_that_is_back_before_the_refusal_is_said_is_still_refused_as_failing(world: World) -> None:
    """The route was left already: it cannot be asked on."""
    world.route.may_begin.clear()
    asking = await world.begin(Access.WRITE, caches=False)
    world.open_breaker()
    world.breakers.succeeded(DATABASE)
    with pytest.raises(ServiceDegraded, match=r"^database is degraded \(fail_fast\)"):
        await asking


async def test_an_answer_that_has_begun_is_not_left(world: World) -> None:
    world.route.may_end.clear()
    asking = await world.begin()
    assert len(world.sent) == 1
    world.open_breaker()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not asking.done()
    world.route.may_end.set()
    await asking
    assert world.body() == b"[1]"
    assert b"warning" not in world.headers()


async def test_a_submission_is_tried_on_when_the_database_fails(world: World) -> None:
    world.route.may_begin.clear()
    asking = await world.begin(Access.SUBMIT, caches=False)
    world.open_breaker()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not asking.done()
    world.route.may_begin.set()
    await asking
    assert world.body() == b"[1]"


async def test_a_submission_is_left_when_the_freeze_lasts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SUBMIT_SECONDS", 0.01)
    world.route.may_begin.clear()
    asking = await world.begin(Access.SUBMIT, caches=False)
    world.open_breaker()
    with pytest.raises(ServiceDegraded):
        await asking
    assert world.sent == []


async def test_an_error_of_the_route_is_raised_and_nothing_is_kept(world: World) -> None:
    world.route.error = LookupError("bug")
    with pytest.raises(LookupError):
        await world.ask()
    assert world.answers.kept == {}


async def test_a_client_that_goes_away_takes_its_route_along(world: World) -> None:
    world.route.may_begin.clear()
    asking = await world.begin()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0)
    assert world.route.was_cancelled


async def test_the_failure_of_a_route_that_was_left_is_logged_by_its_name_alone(world: World) -> None:
    async def fail_late(scope: Scope, receive: Receive, send: Send, /) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("s3cret") from None

    world.route = cast(Any, fail_late)
    asking = await world.begin(Access.WRITE, caches=False)
    with capture_logs() as logs:
        world.open_breaker()
        with pytest.raises(ServiceDegraded):
            await asking
        for _ in range(3):
            await asyncio.sleep(0)
    (event,) = [event for event in logs if event["event"] == "left_request_failed"]
    assert event["error"] == "ConnectionError"
    assert "s3cret" not in str(logs)


async def test_a_kept_answer_is_shown_to_those_alone_who_see_the_same(world: World) -> None:
    etl, shop = Sight(Limits(queues=("etl",))), Sight(Limits(queues=("shop",)))
    own = [Sight(submitted_by=author) for author in ("api_key:a", "api_key:b")]
    await world.ask()
    await world.ask(sight=etl)
    await world.ask(sight=own[0])
    world.marks.add(DATABASE, CACHED)
    for sight in (shop, own[1], Sight(Limits(task_names=("etl",)))):
        with pytest.raises(ServiceDegraded):
            await world.ask(sight=sight)
    for sight in (EVERYTHING, etl, own[0]):
        world.sent.clear()
        await world.ask(sight=sight)
        assert world.headers()[b"warning"]
