"""A batch is written until Postgres takes it; only what it refuses for good is skipped, and that is told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    StatementError,
)
from structlog.testing import capture_logs

from domain.results import StoredResult, ToldResult
from gateway.events.sources import Blind, EventMessage
from mirror import writer as writer_module
from mirror.writer import SEEN_SECONDS, TELL_SECONDS, Writer, Written
from services.record import Follows, News
from store.queries import gaps
from store.queries.workers import nodes, signs
from store.queries.workflows.steps import follow_tasks

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Raised(Exception):
    """What a driver raises, with Postgres' code of it."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("s3cret")
        self.sqlstate = sqlstate


def driver_error(kind: type[DBAPIError], sqlstate: str | None = None) -> DBAPIError:
    return kind("INSERT ... s3cret", {"args": "s3cret"}, Raised(sqlstate))


class Postgres:
    """Stands in for the engine and for what is stored; refuses what a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.news: list[News] = []
        self.heard: list[list[str]] = []
        self.seen: list[dict[str, datetime]] = []
        self.gaps: list[tuple[str, datetime, datetime]] = []
        self.last_sign: datetime | None = None
        self.follows: list[Follows] = []
        self.errors: list[Exception] = []
        """What the next transactions raise, one after another."""
        self.refused_ids: dict[str, Exception] = {}
        """Tasks of which nothing can be stored."""
        self.transactions = 0
        monkeypatch.setattr(writer_module, "record", self._record)
        monkeypatch.setattr(nodes, "hear", self._hear)
        monkeypatch.setattr(signs, "see", self._see)
        monkeypatch.setattr(gaps, "add_gap", self._add_gap)
        monkeypatch.setattr(gaps, "get_last_heard_at", self._last_sign)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        self.transactions += 1
        if self.errors:
            raise self.errors.pop(0)
        yield self

    @property
    def stored(self) -> list[str]:
        """Return the ids of the tasks that are stored, in order."""
        return [fact.task_id for news in self.news for fact in news.facts]

    async def _record(self, _connection: Any, news: News, *, follow: Follows) -> None:
        self.follows.append(follow)
        for fact in news.facts:
            if fact.task_id in self.refused_ids:
                raise self.refused_ids[fact.task_id]
        self.news.append(news)

    async def _hear(self, _connection: Any, heartbeats: Any) -> None:
        self.heard.append(sorted(heartbeat.node for heartbeat in heartbeats))

    async def _see(self, _connection: Any, *, seen: dict[str, datetime], tells_of_tasks: bool) -> None:
        assert tells_of_tasks
        self.seen.append(seen)

    async def _add_gap(self, _connection: Any, *, source: str, started_at: datetime, ended_at: datetime) -> None:
        self.gaps.append((source, started_at, ended_at))

    async def _last_sign(self, _connection: Any, *, streamed: bool) -> datetime | None:
        return self.last_sign


class Results:
    """Stands in for the result backend."""

    def __init__(self, *results: StoredResult) -> None:
        self.results = results
        self.asked: list[list[str]] = []
        self.error: BaseException | None = None
        self.is_silent = False

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        self.asked.append(list(task_ids))
        if self.error:
            raise self.error
        if self.is_silent:
            await asyncio.Event().wait()
        return {result.task_id: result for result in self.results}


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Postgres:
    return Postgres(monkeypatch)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between tries."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        assert len(waited) < 50, "tried for ever"

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waited


def writer(postgres: Postgres, *results: StoredResult, backend: Results | None = None, **options: Any) -> Writer:
    engine: Any = postgres
    return Writer(engine, backend or Results(*results), **options)


def event(kind: str, task_id: str | None = None, *, node: str = "one", **more: Any) -> dict[str, Any]:
    told = {"uuid": task_id} if task_id else {}
    return {"type": kind, "timestamp": NOW.timestamp(), "hostname": node, "pid": 1, "clock": 1, **told, **more}


def message(*events: dict[str, Any]) -> EventMessage:
    return EventMessage(json.dumps(list(events) if len(events) > 1 else events[0]).encode(), NOW)


async def test_what_was_written_is_counted_in_events_and_not_in_messages(postgres: Postgres) -> None:
    batch = [message(event("task-started", "a"), event("task-started", "b")), message(event("worker-heartbeat"))]
    assert await writer(postgres).write([*batch, EventMessage(b"junk", NOW)]) == Written(3, 1)
    assert (postgres.stored, postgres.heard) == (["a", "b"], [["one"]])


async def test_of_a_batch_without_heartbeats_no_worker_is_written(postgres: Postgres) -> None:
    await writer(postgres).write([message(event("task-started", "a"))])
    assert postgres.heard == []


async def test_news_begin_where_retention_ends(postgres: Postgres) -> None:
    batch = [message(event("task-started", "a"))]
    await writer(postgres).write(batch)
    await writer(postgres, forgets_after=timedelta(days=2)).write(batch)
    never, begins_at = (news.begins_at for news in postgres.news)
    assert never is None
    assert begins_at is not None
    assert abs(datetime.now(UTC) - timedelta(days=2) - begins_at) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("", {}, ConnectionResetError()),
        InterfaceError("", {}, Raised(None)),
        driver_error(OperationalError, "40P01"),
        driver_error(OperationalError, "40001"),
        driver_error(ProgrammingError, "42P01"),
        driver_error(DBAPIError, "53300"),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
)
async def test_what_another_try_may_mend_is_tried_until_postgres_takes_it(
    error: Exception, postgres: Postgres, waits: list[float]
) -> None:
    postgres.errors = [error] * 6
    with capture_logs() as logs:
        written = await writer(postgres, retry_seconds=(0.1, 0.2, 0.5)).write([message(event("task-started", "a"))])
    assert written == Written(1, 0)
    assert postgres.follows == [follow_tasks], "workflows are taken further by the first try alone"
    assert waits == [0.1, 0.2, 0.5, 0.5, 0.5], "the last wait repeats"
    tries = [line for line in logs if line["event"] == "batch_not_written"]
    assert [line["again_in"] for line in tries] == waits
    assert {line["error"] for line in tries} == {type(error).__name__}
    assert "s3cret" not in str(logs)


@pytest.mark.parametrize(
    "error",
    [
        driver_error(DataError, "22021"),
        driver_error(IntegrityError, "23514"),
        driver_error(OperationalError, "54000"),
        StatementError("s3cret", "INSERT", {}, UnicodeEncodeError("utf-8", "\ud800", 0, 1, "s3cret")),
        KeyError("s3cret"),
    ],
)
async def test_what_is_refused_for_good_is_skipped_at_once_and_the_rest_is_stored(
    error: Exception, postgres: Postgres, waits: list[float]
) -> None:
    postgres.refused_ids = {"bad": error}
    batch = [message(event("task-started", name)) for name in ("a", "b", "bad", "c", "d")]
    with capture_logs() as logs:
        assert await writer(postgres).write(batch) == Written(4, 1)
    assert (postgres.stored, waits) == (["a", "b", "c", "d"], [])
    assert logs == [
        {
            "event": "events_not_understood",
            "count": 1,
            "refused_because": type(error).__name__,
            "log_level": "warning",
        }
    ]
    assert "s3cret" not in str(logs)


async def test_one_event_of_a_message_of_many_is_skipped_alone(postgres: Postgres) -> None:
    postgres.refused_ids = {"bad": driver_error(DataError)}
    together = message(*(event("task-started", name) for name in ("a", "bad", "b")))
    assert await writer(postgres).write([together]) == Written(2, 1)
    assert postgres.stored == ["a", "b"]


async def test_where_all_is_refused_all_is_skipped(postgres: Postgres) -> None:
    names = ("a", "b", "c")
    postgres.refused_ids = dict.fromkeys(names, driver_error(DataError))
    assert await writer(postgres).write([message(event("task-started", name)) for name in names]) == Written(0, 3)


async def test_what_is_skipped_is_told_once_in_a_while_with_all_that_was_skipped_since(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    told, junk = writer(postgres), EventMessage(b"junk", NOW)
    with capture_logs() as logs:
        await told.write([junk])
        await told.write([junk, junk])
        now[0] += TELL_SECONDS - 0.1
        await told.write([junk])
        now[0] += 0.1
        await told.write([message(event("task-started", "a"))])
        now[0] += TELL_SECONDS
        await told.write([message(event("task-started", "b"))])
    assert [line["count"] for line in logs] == [1, 3], "the last ones by a batch with none"


async def test_an_event_that_is_of_no_use_is_told_with_why(postgres: Postgres) -> None:
    with capture_logs() as logs:
        await writer(postgres).write([message(event("task-started"))])
    assert [line["refused_because"] for line in logs] == ["a task event without an id"]


async def test_results_are_asked_for_only_of_tasks_that_ended(postgres: Postgres) -> None:
    backend = Results()
    await writer(postgres, backend=backend).write([message(event("task-started", "a"))])
    assert backend.asked == []
    ended = [message(event("task-succeeded", "b", result="5")), message(event("task-failed", "c"))]
    await writer(postgres, backend=backend).write([*ended, message(event("task-started", "a"))])
    assert backend.asked == [["b", "c"]]


@pytest.mark.parametrize("error", [RuntimeError("s3cret"), OSError("s3cret"), RecursionError("s3cret"), None])
async def test_a_backend_that_is_away_or_silent_is_no_reason_to_store_no_events(
    error: Exception | None, postgres: Postgres
) -> None:
    backend = Results()
    backend.error, backend.is_silent = error, error is None
    batch = [message(event("task-succeeded", "a", result="'5'"))]
    with capture_logs() as logs:
        written = await writer(postgres, backend=backend, result_timeout_seconds=0.001).write(batch)
    assert (written, postgres.stored) == (Written(1, 0), ["a"])
    assert logs == [
        {
            "event": "results_not_fetched",
            "count": 1,
            "error": type(error).__name__ if error else "TimeoutError",
            "log_level": "warning",
        }
    ]


async def test_a_mirror_that_is_told_to_end_does_not_take_that_for_a_backend_that_is_away(postgres: Postgres) -> None:
    backend = Results()
    backend.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await writer(postgres, backend=backend).write([message(event("task-succeeded", "a"))])
    assert postgres.transactions == 0


@pytest.mark.parametrize(
    ("stored", "results", "told"),
    [
        (None, [], [ToldResult("a", "'5'", None)]),
        (StoredResult("a", "SUCCESS", result_json="5"), [StoredResult("a", "SUCCESS", result_json="5")], []),
        (
            StoredResult("a", "SUCCESS", unreadable="is pickled"),
            [StoredResult("a", "SUCCESS", unreadable="is pickled", result_repr="'5'")],
            [],
        ),
        (StoredResult("a", "", unreadable="is pickled"), [], [ToldResult("a", "'5'", "is pickled")]),
        (StoredResult("a", "STARTED"), [], [ToldResult("a", "'5'", None)]),
    ],
)
async def test_what_the_event_told_of_a_result_stands_in_for_what_the_backend_does_not_tell(
    stored: StoredResult | None, results: list[StoredResult], told: list[ToldResult], postgres: Postgres
) -> None:
    backend = Results(*([stored] if stored else []))
    await writer(postgres, backend=backend).write([message(event("task-succeeded", "a", result="'5'"))])
    (news,) = postgres.news
    assert (list(news.results), list(news.told_results)) == (results, told)


async def test_a_node_that_tells_of_tasks_is_noted_every_few_seconds(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    noting, batch = writer(postgres), [message(event("task-started", "a"))]
    await noting.write(batch)
    now[0] += SEEN_SECONDS - 0.1
    await noting.write([*batch, message(event("task-started", "b", node="two"))])
    now[0] += 0.1
    await noting.write(batch)
    assert postgres.seen == [{"one": NOW}, {"two": NOW}, {"one": NOW}]


async def test_no_more_nodes_are_remembered_than_there_is_room_for(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "MOST_NODES", 2)
    noting = writer(postgres)
    for node in ("one", "two", "three", "three"):
        await noting.write([message(event("task-started", "a", node=node))])
    assert [list(seen) for seen in postgres.seen] == [["one"], ["two"], ["three"]]
    assert list(noting._seen_at) == ["three"]


@pytest.mark.parametrize(
    ("last_sign", "begun"),
    [(NOW - timedelta(hours=3), NOW - timedelta(hours=3)), (NOW, NOW - timedelta(hours=1))],
)
@pytest.mark.parametrize(("streamed", "source"), [(True, "stream"), (False, "broker")])
async def test_a_gap_reaches_back_to_when_anybody_was_last_heard(
    streamed: bool, source: str, last_sign: datetime, begun: datetime, postgres: Postgres
) -> None:
    postgres.last_sign = last_sign
    await writer(postgres).note_blindness(Blind(NOW - timedelta(hours=1), NOW, streamed))
    assert postgres.gaps == [(source, begun, NOW)]


async def test_where_nobody_was_ever_heard_nothing_was_missed(postgres: Postgres) -> None:
    await writer(postgres).note_blindness(Blind(NOW, NOW))
    assert postgres.gaps == []


async def test_a_gap_is_tried_until_postgres_takes_it(postgres: Postgres, waits: list[float]) -> None:
    postgres.errors, postgres.last_sign = [ConnectionRefusedError()], NOW
    await writer(postgres).note_blindness(Blind(NOW, NOW))
    assert (len(postgres.gaps), len(waits)) == (1, 1)
