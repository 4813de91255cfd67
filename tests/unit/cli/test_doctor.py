"""What doctor says of servers and workers in every state, with the mend, and never with a password."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
import redis

from cli import doctor
from cli.doctor import CheckResult, examine, examine_servers
from domain.errors import Unavailable
from domain.workers.control import PLUGIN_VERSION
from settings import Settings
from store.inspection import ServerFacts
from tests.oidc_issuer import open_id_server
from tests.unit.cli.apis import answering

DATABASE = "postgresql://u:s3cret@db.test/x"
REDIS = "redis://:s3cret@redis.test/0"


@pytest.fixture(autouse=True)
def _nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why a server refuses for good is tested with `cli/servers.py`."""
    monkeypatch.setattr(doctor, "reasons_against", lambda *_: iter(()))


class Redis:
    """One that answers, at a time and with a policy of its own."""

    def __init__(self, *, ahead: float = 0.0, policy: str | None = "noeviction", refused: bytes | None = None) -> None:
        self._ahead, self._policy, self._refused = ahead, policy, refused

    def time(self) -> tuple[int, int]:
        now = time.time() + self._ahead
        return int(now), int(now % 1 * 1e6)

    def info(self, _section: str) -> dict[str, str]:
        return {} if self._policy is None else {"maxmemory_policy": self._policy}

    def hget(self, _key: str, _field: str) -> bytes | None:
        return self._refused


def answer_with(monkeypatch: pytest.MonkeyPatch, server: Redis | Exception) -> None:
    @contextmanager
    def client(_url: str) -> Iterator[Redis]:
        if isinstance(server, Exception):
            raise server
        yield server

    monkeypatch.setattr(doctor, "blocking_redis_client", client)


def lines(findings: Any) -> list[tuple[str, str, str]]:
    return [(found.subject, found.verdict, found.detail) for found in findings]


@pytest.mark.parametrize(
    ("python", "verdict"), [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((3, 13, 9), "ok"), ((3, 14, 0), "fail")]
)
def test_a_python_that_nobody_has_tested_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, python: tuple[int, int, int], verdict: str
) -> None:
    monkeypatch.setattr(sys, "version_info", python)
    found = next(doctor._versions())
    assert (found.verdict, found.detail) == (verdict, ".".join(map(str, python)))
    assert (found.mend == "Use Python 3.11, 3.12 or 3.13.") is (verdict == "fail")


def test_another_celery_than_the_tested_one_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: ["celery==1.0", "kombu>=1"])
    _, celery, kombu = doctor._versions()
    assert (celery.subject, celery.verdict, kombu.verdict) == ("celery", "warn", "ok")
    assert celery.mend == "Tested with celery==1.0; run `make install`."


def test_from_a_clone_that_was_never_installed_versions_are_told_and_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", fail)
    assert [found.verdict for found in doctor._versions()] == ["ok"] * 3


@pytest.mark.parametrize("subject", ["database", "broker", "results", "redis"])
def test_a_server_that_is_not_named_is_a_failure_with_the_ways_out(subject: str) -> None:
    findings = {
        "database": doctor._database(None),
        "broker": doctor._broker(None),
        "results": doctor._results(None, ""),
        "redis": doctor._redis("redis", None),
    }
    (found,) = findings[subject]
    assert (found.subject, found.verdict) == (subject, "fail")
    assert found.detail.endswith("is not set")
    assert found.mend == "Set it, or name the --data folder of a running `up`."


@pytest.mark.parametrize(("major", "verdict"), [(14, "fail"), (15, "ok"), (18, "ok")])
@pytest.mark.parametrize("pending", [[], ["0007", "0008"]])
def test_a_database_is_judged_by_its_release_and_its_migrations(
    monkeypatch: pytest.MonkeyPatch, major: int, verdict: str, pending: list[str]
) -> None:
    monkeypatch.setattr(doctor, "ask_server", lambda _: ServerFacts(major, datetime.now(UTC)))
    monkeypatch.setattr(doctor, "pending_revisions", lambda _: pending)
    server, clock, migrations = doctor._database(DATABASE)
    assert (server.verdict, server.detail, clock.verdict) == (verdict, f"PostgreSQL {major}", "ok")
    expected = ("fail", "pending: 0007, 0008", "Run `celeriac migrate`.") if pending else ("ok", "none pending", None)
    assert (migrations.verdict, migrations.detail, migrations.mend) == expected


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (psycopg.OperationalError("connection refused\n\tIs the server running?"), "connection refused"),
        (psycopg.OperationalError(""), "OperationalError"),
        (psycopg.OperationalError(" \n"), "OperationalError"),
    ],
)
def test_a_database_that_is_away_is_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(_: str) -> ServerFacts:
        raise error

    monkeypatch.setattr(doctor, "ask_server", fail)
    (found,) = doctor._database(DATABASE)
    assert found == CheckResult(
        "database", "fail", f"postgresql://u:***@db.test/x: {reason}", "Is the server running, and the URL right?"
    )


def test_what_a_server_refuses_for_good_is_said_in_place_of_the_drivers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "reasons_against", lambda *_: iter(["we are not let in (WRONGPASS)."]))
    answer_with(monkeypatch, redis.AuthenticationError("WRONGPASS and more"))
    (found,) = doctor._redis("redis", REDIS)
    assert found.detail == "redis://:***@redis.test/0: we are not let in (WRONGPASS)."
    assert found.mend == "Mend the URL, or what the server lets us do."


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(0.0, "ok"), (0.9, "ok"), (-0.9, "ok"), (1.5, "warn"), (-1.5, "warn"), (-7200.0, "warn")]
)
def test_clocks_may_be_a_second_apart(monkeypatch: pytest.MonkeyPatch, ahead: float, verdict: str) -> None:
    now = 1_700_000_000.5
    monkeypatch.setattr(time, "time", lambda: now)
    found = doctor._clock("redis clock", now + ahead, asked_at=now)
    assert found.verdict == verdict
    assert found.detail == ("agrees with ours" if verdict == "ok" else f"{abs(ahead):.1f} s apart from ours")


def test_a_clock_is_not_blamed_for_a_slow_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was read at some moment of the round trip, which took ten seconds."""
    monkeypatch.setattr(time, "time", lambda: 1_010.0)
    for theirs in (1_000.0, 1_005.0, 1_010.0):
        assert doctor._clock("clock", theirs, asked_at=1_000.0).verdict == "ok"
    assert doctor._clock("clock", 998.0, asked_at=1_000.0).detail == "2.0 s apart from ours"


@pytest.mark.parametrize(
    ("policy", "verdict", "detail"),
    [
        ("noeviction", "ok", "reachable"),
        ("allkeys-lru", "warn", "maxmemory-policy is allkeys-lru"),
        (None, "warn", "maxmemory-policy is unknown"),
    ],
)
def test_a_redis_that_may_throw_tasks_away_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, policy: str | None, verdict: str, detail: str
) -> None:
    answer_with(monkeypatch, Redis(policy=policy))
    reached, clock = doctor._redis("redis", REDIS)
    assert (reached.verdict, reached.detail, clock.verdict) == (verdict, detail, "ok")


@pytest.mark.parametrize(
    "error",
    [redis.ConnectionError("Error 111"), redis.ResponseError("LOADING"), OSError("no route"), ValueError("odd")],
)
def test_a_redis_that_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    answer_with(monkeypatch, error)
    (found,) = doctor._redis("results", REDIS)
    assert (found.subject, found.verdict, found.detail) == ("results", "fail", f"redis://:***@redis.test/0: {error}")


class Broker:
    def __init__(self, error: Exception | None = None) -> None:
        self.transport = SimpleNamespace(driver_name="py-amqp")
        self._error = error
        self.is_closed = False

    def __enter__(self) -> "Broker":
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True

    def ensure_connection(self, *, max_retries: int, timeout: int) -> None:
        assert (max_retries, timeout) == (1, 3), "nobody waits for ever"
        if self._error:
            raise self._error


@pytest.mark.parametrize(
    ("error", "verdict", "detail"),
    [
        (None, "ok", "py-amqp"),
        (ConnectionRefusedError(111, "Connection refused"), "fail", "amqp://u:***@h//: [Errno 111] Connection refused"),
        (KeyError("sqs"), "fail", "amqp://u:***@h//: 'sqs'"),
    ],
)
def test_a_broker_is_reached_or_not_and_always_left(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, verdict: str, detail: str
) -> None:
    broker = Broker(error)
    monkeypatch.setattr(doctor, "connect", lambda _: broker)
    assert lines(doctor._broker("amqp://u:s3cret@h//")) == [("broker", verdict, detail)]
    assert broker.is_closed


class Reader:
    """A reader of results of another backend."""

    def __init__(self, _url: str, *, prefix: str) -> None:
        self.blind: str | None = None
        self.error: Exception | None = None
        self.is_closed = False
        self.prefix = prefix

    async def ping(self) -> None:
        if self.error:
            raise self.error

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("blind", "error", "verdict", "detail"),
    [
        (None, None, "ok", "reachable"),
        ("rpc:// cannot be read", None, "warn", "rpc:// cannot be read"),
        (None, Unavailable("the results do not answer"), "fail", "db+mysql://u:***@h/x: the results do not answer"),
    ],
)
def test_another_backend_is_asked_or_its_blindness_is_said_and_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, blind: str | None, error: Exception | None, verdict: str, detail: str
) -> None:
    reader = Reader("", prefix="")
    reader.blind, reader.error = blind, error
    monkeypatch.setattr(doctor, "ResultReader", lambda _url, *, prefix: reader)
    assert lines(doctor._results("db+mysql://u:s3cret@h/x", "")) == [("results", verdict, detail)]
    assert reader.is_closed


def test_results_in_a_redis_are_examined_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, Redis())
    assert [found.subject for found in doctor._results(REDIS, "")] == ["results", "results clock"]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, []),
        ({"is pickled": 3}, ["the result is pickled (3 times)"]),
        (
            {"is pickled": 3, "is compressed": 1},
            ["the result is pickled (3 times); the result is compressed (1 time)"],
        ),
    ],
)
def test_results_that_could_not_be_read_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, counts: dict[str, int], said: list[str]
) -> None:
    monkeypatch.setattr(doctor, "count_unread", lambda _: counts)
    assert [found.detail for found in doctor._unread(DATABASE)] == said
    assert {found.verdict for found in doctor._unread(DATABASE)} <= {"warn"}


def test_where_unread_results_cannot_be_counted_nothing_is_said_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> dict[str, int]:
        raise psycopg.OperationalError

    monkeypatch.setattr(doctor, "count_unread", fail)
    assert list(doctor._unread(DATABASE)) == []
    assert list(doctor._unread(None)) == []


@pytest.mark.parametrize(("refused", "said"), [(None, 0), (b"0", 0), (b"1", 1), (b"x", 0)])
def test_events_that_could_not_be_taken_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, refused: bytes | None, said: int
) -> None:
    answer_with(monkeypatch, Redis(refused=refused))
    findings = list(doctor._skipped(REDIS))
    assert [found.verdict for found in findings] == ["warn"] * said
    answer_with(monkeypatch, redis.ConnectionError())
    assert list(doctor._skipped(REDIS)) == []


def test_rights_that_are_missing_are_said_for_each_server_and_other_reasons_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reasons(url: str, _probes: object) -> Iterator[str]:
        yield "rights are missing (SET k); docs/brokers.md lists those that are needed." if "redis" in url else "TLS is"

    monkeypatch.setattr(doctor, "reasons_against", reasons)
    settings = Settings(broker_url="amqp://h//", result_url=REDIS, redis_url=REDIS)
    found = list(doctor._rights(settings))
    assert [each.subject for each in found] == ["result", "redis"]
    assert all(each.detail.startswith("redis://:***@redis.test/0: rights are missing (SET k)") for each in found)


HEALTHY = {"status": "healthy", "checks": {"postgres": "healthy"}}


@pytest.mark.parametrize(
    ("health", "verdict", "detail"),
    [
        (HEALTHY, "ok", "healthy"),
        (
            {"status": "unhealthy", "checks": {"postgres": "healthy", "redis": "unhealthy", "loops": "unknown"}},
            "warn",
            "unhealthy: redis, loops",
        ),
        ({"status": "unhealthy", "checks": ["odd"]}, "warn", "unhealthy: "),
        ({}, "warn", "None: "),
    ],
)
def test_what_is_unwell_is_named(health: dict[str, object], verdict: str, detail: str) -> None:
    found = doctor._health(health)
    assert (found.verdict, found.detail) == (verdict, detail)


@pytest.mark.parametrize(
    ("worker", "verdict", "detail", "mend"),
    [
        ({"status": "OFFLINE", "plugin": PLUGIN_VERSION}, "warn", "OFFLINE", "Start it again"),
        ({"status": "ACTIVE", "events": "off"}, "warn", "ACTIVE, sends no events of its tasks", "Start it with -E"),
        ({"status": "PAUSED", "plugin": PLUGIN_VERSION}, "ok", f"PAUSED, plugin {PLUGIN_VERSION}", None),
        ({"status": "ACTIVE", "plugin": "0.0.1"}, "warn", "ACTIVE, plugin 0.0.1", f"brings {PLUGIN_VERSION}"),
        ({"status": "ACTIVE", "plugin": None}, "warn", "ACTIVE, no plugin", "Install celeriac_worker"),
    ],
)
def test_of_a_worker_the_worst_is_said_with_its_mend(
    worker: dict[str, object], verdict: str, detail: str, mend: str | None
) -> None:
    found = doctor._worker({"hostname": "one", **worker})
    assert (found.subject, found.verdict, found.detail) == ("worker one", verdict, detail)
    assert (found.mend is None) if mend is None else mend in (found.mend or "")


def test_an_api_is_asked_for_its_health_its_workers_and_options_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    alert = {"description": "The worker one has sep ':'. Its messages are not seen. Give both the same options"}
    answers = [(200, HEALTHY), (200, {"data": []}), (200, {"alerts": [alert]})]
    with answering(monkeypatch, *answers) as api:
        health, workers, options = doctor._api("http://api.test")
    assert (health.verdict, workers.detail, workers.mend) == ("ok", "none seen", "Start one with `celeriac worker`.")
    assert (options.subject, options.verdict) == ("broker options", "fail")
    assert options.detail == "The worker one has sep ':'. Its messages are not seen"
    assert options.mend == "Give both the same options."
    assert api.lines[-1] == "GET /api/v1/alerts?type=BROKER_OPTIONS_DIFFER"


def test_an_alert_of_one_sentence_is_said_whole() -> None:
    found = doctor._differing({"description": "Workers use the broker by another sep"})
    assert (found.detail, found.mend) == ("Workers use the broker by another sep", None)


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_an_api_that_goes_away_in_between_is_one_failure(monkeypatch: pytest.MonkeyPatch, asked: int) -> None:
    answers: list[Any] = [(200, HEALTHY), (200, {"data": []}), (200, {"alerts": []})][: asked - 1]
    with answering(monkeypatch, *answers, httpx.ConnectError("refused")):
        found = list(doctor._api("http://u:s3cret@api.test"))
    assert [each.verdict for each in found if each.verdict == "fail"] == ["fail"]
    assert found[-1].mend == "Start it with `celeriac up` or `celeriac api`."
    assert "s3cret" not in str(found)


@pytest.fixture
def all_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise psycopg.OperationalError("no answer")

    monkeypatch.setattr(doctor, "ask_server", fail)
    monkeypatch.setattr(doctor, "count_unread", fail)
    monkeypatch.setattr(doctor, "connect", lambda _: Broker(OSError("no answer")))
    answer_with(monkeypatch, redis.ConnectionError("no answer"))


@pytest.mark.usefixtures("all_away")
def test_where_everything_is_away_each_server_has_its_line_and_nothing_is_raised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(database_url=DATABASE, broker_url=REDIS, data=tmp_path)
    with answering(monkeypatch, httpx.ConnectError("refused")):
        found = examine(settings, api_url="http://api.test")
    assert [each.subject for each in found if each.verdict == "fail"] == [
        "database",
        "broker",
        "redis",
        "results",
        "api",
    ]
    assert "s3cret" not in str(found)
    assert all(each.mend for each in found if each.verdict != "ok")


@pytest.mark.usefixtures("all_away")
@pytest.mark.parametrize(
    ("settings", "subjects"),
    [
        (Settings(broker_url=REDIS), ["broker", "redis"]),
        (Settings(broker_url=REDIS, result_url=REDIS), ["broker", "redis", "results"]),
        (Settings(broker_url="amqp://h//"), ["broker"]),
    ],
)
def test_beside_an_app_only_its_own_servers_are_examined(settings: Settings, subjects: list[str]) -> None:
    assert [each.subject for each in examine_servers(settings) if each.verdict == "fail"] == subjects


def test_the_issuer_of_tokens_answers_or_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(doctor.issuer_answers(Settings())) == []
    with open_id_server() as issuer:
        settings = Settings(oidc_issuer=issuer.url, oidc_audience="api", oidc_scopes={"ops": ["read"]})
        assert list(doctor.issuer_answers(settings)) == [CheckResult("issuer", "ok", "answers, with 3 keys")]
        issuer.is_down = True
        (found,) = doctor.issuer_answers(settings)
    assert (found.subject, found.verdict) == ("issuer", "fail")
    assert found.detail.startswith(issuer.url)
    assert found.mend
