from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.health.metrics import Metrics
from api.health.metrics_sources import ScrapeFigures
from api.routing import API_PREFIX, api_router
from domain.health import Condition
from gateway.events.backlog import Backlog
from services.resident.counters import CounterName
from store.engine import PoolUse
from store.queries.for_metrics import StoreFigures
from tests.unit.api.apps import app_of, client_of
from tests.unit.api.keys import layer

STORE = StoreFigures(
    due=3,
    scheduled=2,
    refused=6,
    parked=8,
    oldest_due_seconds=1.5,
    gaps=4,
    heartbeat_seconds=0.5,
    webhooks_pending=7,
    webhook_oldest_seconds=2.5,
)
COUNTERS = dict(zip(CounterName, (70, 6, 9, 12, 1), strict=True))
ALL = ScrapeFigures(STORE, {("STUCK_TASKS", "WARNING"): 2}, COUNTERS, Backlog(5, 0.25), in_queue=0)
NONE = ScrapeFigures(None, None, None, None, None)

router = api_router(tag="test")


@router.get("/echo/{name}")
async def echo(name: str) -> str:
    return name


def rendered(metrics: Metrics, figures: ScrapeFigures = ALL) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample, by its name and labels."""
    text = metrics.render(
        pool=PoolUse(size=10, in_use=2, waiting=1),
        conditions={"database": Condition.HEALTHY, "mirror": Condition.UNKNOWN},
        failing={"mirror"},
        figures=figures,
    )
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_every_figure_has_its_name() -> None:
    found = rendered(Metrics())
    expected: dict[Any, float] = {
        key("celeriac_database_pool_size"): 10,
        key("celeriac_database_pool_in_use"): 2,
        key("celeriac_database_pool_waiting"): 1,
        key("celeriac_healthy", part="database"): 1,
        key("celeriac_healthy", part="mirror"): 0,
        key("celeriac_breaker_open", part="database"): 0,
        key("celeriac_breaker_open", part="mirror"): 1,
        key("celeriac_up", store="database"): 1,
        key("celeriac_up", store="redis"): 1,
        key("celeriac_up", store="broker"): 1,
        key("celeriac_outbox_tasks", state="due"): 3,
        key("celeriac_outbox_tasks", state="scheduled"): 2,
        key("celeriac_outbox_tasks", state="refused"): 6,
        key("celeriac_outbox_tasks", state="parked"): 8,
        key("celeriac_outbox_oldest_due_seconds"): 1.5,
        key("celeriac_mirror_gaps_total"): 4,
        key("celeriac_mirror_heartbeat_age_seconds"): 0.5,
        key("celeriac_alerts_open", type="STUCK_TASKS", severity="WARNING"): 2,
        key("celeriac_mirror_events_applied_total"): 70,
        key("celeriac_mirror_events_refused_total"): 6,
        key("celeriac_dispatched_tasks_total"): 9,
        key("celeriac_webhook_attempts_total", outcome="delivered"): 12,
        key("celeriac_webhook_attempts_total", outcome="failed"): 1,
        key("celeriac_webhook_deliveries_pending"): 7,
        key("celeriac_webhook_oldest_pending_seconds"): 2.5,
        key("celeriac_mirror_lag_seconds"): 0.25,
        key("celeriac_mirror_pending_events", intake="stream"): 5,
        key("celeriac_mirror_pending_events", intake="queue"): 0,
        key("celeriac_group_commit_size_count"): 0,
    }
    assert {sample: found.get(sample) for sample in expected} == expected


def test_what_was_not_told_in_time_is_left_out_and_said_to_be_down() -> None:
    found = rendered(Metrics(), NONE)
    assert {found[key("celeriac_up", store=store)] for store in ("database", "redis", "broker")} == {0}
    left_out = ("celeriac_outbox", "celeriac_mirror", "celeriac_dispatched", "celeriac_alerts")
    assert [name for name, _ in found if name.startswith(left_out)] == []


@pytest.mark.parametrize(
    ("method", "route", "status", "labels"),
    [
        ("GET", "/tasks/{task_id}", 200, {"method": "GET", "route": "/tasks/{task_id}", "status": "2xx"}),
        ("BREW", None, 404, {"method": "other", "route": "none", "status": "4xx"}),
        ("POST", "/tasks", 0, {"method": "POST", "route": "/tasks", "status": "none"}),
    ],
)
def test_a_request_counts_under_few_labels(method: str, route: str | None, status: int, labels: dict[str, str]) -> None:
    metrics = Metrics()
    metrics.observe_request(method, route, status=status, seconds=0.02)
    found = rendered(metrics)
    assert found[key("celeriac_request_seconds_count", **labels)] == 1
    assert found[key("celeriac_request_seconds_bucket", le="0.025", **labels)] == 1
    assert found[key("celeriac_request_seconds_bucket", le="0.01", **labels)] == 0


async def test_requests_are_counted_by_template_and_refused_ones_too() -> None:
    app = app_of(router, layers=(layer("key"),))
    async with client_of(app) as client:
        for name in "ab":
            await client.get(f"{API_PREFIX}/echo/{name}", headers={"Authorization": "Bearer key"})
        await client.get(f"{API_PREFIX}/echo/secret-id")
    found = rendered(app.state.metrics)
    template = f"{API_PREFIX}/echo/{{name}}"
    counted = key("celeriac_request_seconds_count", method="GET", route=template, status="2xx")
    refused = key("celeriac_request_seconds_count", method="GET", route="none", status="4xx")
    assert (found[counted], found[refused]) == (2, 1)
    assert "secret-id" not in str(found)
