"""Health through the real servers, and with each of them gone or frozen."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import redis

from domain.redis_keys import process_key
from settings import Settings
from store.migrate import migrate
from tests.embedded import postgres, valkey
from tests.integration.api.serving import serving
from tests.patience import PATIENCE_SECONDS, wait_for

HEALTH = "/api/v1/health"
HEALTHY = dict.fromkeys(("database", "redis", "broker", "result_backend", "workers", "mirror", "loops"), "healthy")
HEALTHY_WITHOUT_WORKERS = HEALTHY | {"workers": "unhealthy", "mirror": "unhealthy", "loops": "unhealthy"}


def ask(url: str, path: str = HEALTH) -> httpx.Response:
    return httpx.get(url + path, timeout=PATIENCE_SECONDS)


def hear_a_worker(settings: Settings) -> None:
    assert settings.database_url
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(
            "insert into workers (worker_id, node, first_seen_at, last_heartbeat_at, last_event_at)"
            " values (gen_random_uuid(), 'celery@one', now(), now(), now())"
        )


def give_signs_of_life(settings: Settings) -> None:
    assert settings.redis_url
    with redis.Redis.from_url(settings.redis_url) as client:
        for process in ("mirror", "loops"):
            client.set(process_key(process), "now", ex=60)


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def processes_of_postgres(url: str) -> list[int]:
    """The server and all its children: a stopped postmaster alone leaves existing sessions alive."""
    with psycopg.connect(url) as connection:
        row = connection.execute("select pg_backend_pid()").fetchone()
        assert row
        server = psutil.Process(row[0]).parent()
        assert server
        return [server.pid, *(child.pid for child in server.children(recursive=True) if child.pid != row[0])]


def test_without_workers_the_system_is_degraded_and_ready(settings: Settings) -> None:
    with serving(settings) as url:
        health = ask(url)
        assert health.status_code == 200
        assert health.json() == {"status": "degraded", "version": "1.0.0", "checks": HEALTHY_WITHOUT_WORKERS}
        assert ask(url, f"{HEALTH}/ready").status_code == 200
        assert ask(url, f"{HEALTH}/live").json() == {"status": "healthy", "version": "1.0.0"}


def test_a_worker_that_was_heard_a_living_mirror_and_living_loops_make_it_healthy(settings: Settings) -> None:
    hear_a_worker(settings)
    give_signs_of_life(settings)
    with serving(settings) as url:
        body = ask(url).json()
    assert (body["status"], body["checks"]) == ("healthy", HEALTHY)


def test_without_a_database_the_api_starts_and_says_so_in_the_form_of_an_error(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql://nobody:secret@127.0.0.1:1/none"})
    with serving(nowhere) as url:
        for path in (HEALTH, f"{HEALTH}/ready"):
            answer = ask(url, path)
            assert answer.status_code == 503
            body: dict[str, Any] = answer.json()
            assert (body["status"], body["code"]) == ("unhealthy", "DATABASE_UNAVAILABLE")
            assert body.keys() == {"status", "version", "checks", "detail", "code", "request_id", "timestamp"}
            assert "secret" not in answer.text
        assert ask(url, f"{HEALTH}/live").status_code == 200
        refused = ask(url, "/api/v1/tasks")
        assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_UNAVAILABLE")


def test_without_redis_the_system_is_degraded(settings: Settings) -> None:
    gone = settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0", "redis_url": "redis://127.0.0.1:1/2"})
    with serving(gone) as url:
        answer = ask(url)
    assert answer.status_code == 200
    assert answer.json()["checks"] == dict.fromkeys(HEALTHY, "unhealthy") | {
        "database": "healthy",
        "result_backend": "healthy",
    }


def test_a_frozen_redis_is_noticed_while_health_still_answers_at_once(settings: Settings, tmp_path: Path) -> None:
    with valkey(tmp_path) as server, redis.Redis.from_url(server) as plain:
        pid = plain.info("server")["process_id"]
        own = settings.model_copy(update={"redis_url": f"{server}/2"})
        with serving(own) as url:
            assert ask(url).json()["checks"]["redis"] == "healthy"
            with frozen([pid]):
                wait_for(lambda: ask(url).json()["checks"]["redis"] == "unhealthy")
                assert ask(url).elapsed.total_seconds() < 1
            wait_for(lambda: ask(url).json()["checks"]["redis"] == "healthy")


def test_a_frozen_database_is_noticed_while_health_still_answers_at_once(settings: Settings, tmp_path: Path) -> None:
    with postgres(tmp_path) as server:
        migrate(server)
        own = settings.model_copy(update={"database_url": server})
        with serving(own) as url:
            assert ask(url).status_code == 200
            with frozen(processes_of_postgres(server)):
                wait_for(lambda: ask(url).status_code == 503)
                assert ask(url).elapsed.total_seconds() < 1
            wait_for(lambda: ask(url).status_code == 200)
