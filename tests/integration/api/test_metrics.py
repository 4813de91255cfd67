"""`/metrics` through real servers, and with one of them frozen."""

import time
from pathlib import Path

import httpx
import psycopg
import redis
from prometheus_client.parser import text_string_to_metric_families

from domain.redis_keys import COUNTERS_KEY, STREAM_KEY
from settings import Settings
from store.migrate import migrate
from tests.embedded import postgres
from tests.integration.api.serving import serving
from tests.integration.api.test_health import frozen, processes_of_postgres
from tests.patience import PATIENCE_SECONDS, wait_for

TASK = {"task_name": "celeriac.add", "task_args": [1, 2]}


def scrape(url: str) -> dict[str, float]:
    """Samples by name, with their labels' values appended."""
    answer = httpx.get(f"{url}/metrics", timeout=PATIENCE_SECONDS)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return {
        ".".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def scraped(url: str, name: str, *, value: float) -> dict[str, float] | None:
    """The same, if this sample has this value."""
    found = scrape(url)
    return found if found.get(name) == value else None


def test_submissions_that_nobody_dispatches_are_in_the_outbox_and_in_the_group_commits(settings: Settings) -> None:
    with serving(settings) as url:
        for body in (TASK, TASK, TASK | {"scheduled_at": "2999-01-01T00:00:00Z"}):
            assert httpx.post(f"{url}/api/v1/tasks", json=body).status_code == 201
        found = scrape(url)
    assert (found["celeriac_outbox_tasks.due"], found["celeriac_outbox_tasks.scheduled"]) == (2, 1)
    assert 0 <= found["celeriac_outbox_oldest_due_seconds"] < 20
    assert (found["celeriac_group_commit_size_count"], found["celeriac_group_commit_size_sum"]) == (3, 3)
    assert found["celeriac_request_seconds_count.POST./api/v1/tasks.2xx"] == 3
    assert 0 <= found["celeriac_database_pool_in_use"] <= found["celeriac_database_pool_size"] <= 10
    assert found["celeriac_database_pool_waiting"] == 0
    assert (found["celeriac_mirror_gaps_total"], found["celeriac_dispatched_tasks_total"]) == (0, 0)


def test_two_apis_tell_the_same_of_what_others_have_counted_and_of_what_waits(settings: Settings) -> None:
    assert settings.redis_url
    with redis.Redis.from_url(settings.redis_url) as client:
        client.hset(COUNTERS_KEY, mapping={"events_applied": 70, "dispatched": 9})
        client.xadd(STREAM_KEY, {"body": "x"})
    with serving(settings) as one, serving(settings) as other:
        for found in (scrape(one), scrape(other)):
            assert found["celeriac_mirror_events_applied_total"] == 70
            assert found["celeriac_dispatched_tasks_total"] == 9
            assert found["celeriac_mirror_pending_events.stream"] == 1
            assert 0 < found["celeriac_mirror_lag_seconds"] < 60


def test_it_is_open_where_everything_else_needs_a_key_and_is_limited(settings: Settings) -> None:
    closed = settings.model_copy(update={"api_keys": ("key",), "rate_limit_per_minute": 1})
    with serving(closed) as url:
        assert httpx.get(f"{url}/api/v1/tasks").status_code == 401
        for _ in range(3):
            answer = httpx.get(f"{url}/metrics")
            assert answer.status_code == 200
            assert "x-ratelimit-limit" not in answer.headers
        assert httpx.get(f"{url}/metrics/").status_code in (401, 429)


def test_a_key_of_its_own_opens_it_to_prometheus_alone(settings: Settings) -> None:
    closed = settings.model_copy(update={"metrics_key": "scraper-of-16-characters"})
    with serving(closed) as url:
        assert httpx.get(f"{url}/metrics").json()["code"] == "UNAUTHENTICATED"
        assert httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {closed.metrics_key}"}).status_code == 200


def test_thousands_of_workers_queues_and_alerts_make_it_no_longer(settings: Settings) -> None:
    def tell_names(text: str) -> set[str]:
        return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}

    with serving(settings) as url:
        before = tell_names(httpx.get(f"{url}/metrics").text)
        with psycopg.connect(settings.database_url or "") as connection:
            connection.execute(
                "insert into workers (worker_id, node, last_heartbeat_at, last_event_at)"
                " select gen_random_uuid(), 'celery@node-' || n, now(), now() from generate_series(1, 3000) n"
            )
            connection.execute(
                "insert into alerts (alert_id, type, severity, subject, description, value, threshold, created_at)"
                " select gen_random_uuid(), 'WORKER_OFFLINE', 'WARNING', 'node-' || n, 'x', 1, 1, now()"
                " from generate_series(1, 3000) n"
            )
        found = wait_for(lambda: scraped(url, "celeriac_alerts_open.WARNING.WORKER_OFFLINE", value=3000))
        after = tell_names(httpx.get(f"{url}/metrics").text)
    assert "celeriac_mirror_heartbeat_age_seconds" in found
    assert len(after) < 2 * len(before)
    assert not [name for name in after if "node-" in name]


def test_the_reference_of_the_rest_api_does_not_have_it(settings: Settings) -> None:
    with serving(settings) as url:
        assert "/metrics" not in httpx.get(f"{url}/openapi.json", timeout=60).json()["paths"]


def test_a_frozen_database_takes_away_its_figures_and_no_others(settings: Settings, tmp_path: Path) -> None:
    with postgres(tmp_path) as server:
        migrate(server)
        with serving(settings.model_copy(update={"database_url": server})) as url:
            assert scrape(url)["celeriac_up.database"] == 1
            with frozen(processes_of_postgres(server)):
                wait_for(lambda: scraped(url, "celeriac_up.database", value=0), "the last second's is over")
                for _ in range(3):
                    asked_at = time.monotonic()
                    found = scrape(url)
                    assert time.monotonic() - asked_at < 3
                assert (found["celeriac_up.database"], found["celeriac_up.redis"]) == (0, 1)
                assert "celeriac_outbox_tasks.due" not in found
                assert "celeriac_mirror_pending_events.stream" in found
            wait_for(lambda: scraped(url, "celeriac_up.database", value=1))
