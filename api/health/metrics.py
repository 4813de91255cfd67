"""The metrics of `/metrics`: what this process measures itself, and how the figures of others are named.

docs/operations.md says what each means and from when on somebody should look; a test compares the two.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.health.metrics_sources import ScrapeFigures
from domain.health import Condition
from services.resident.counters import CounterName
from services.resident.submission_batcher import MAX_GROUP
from store.engine import PoolUse
from store.queries.for_metrics import StoreFigures

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, MAX_GROUP)


class Metrics:
    """What one API process counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Histogram(
            "celeriac_request_seconds",
            "Time until a request was answered, by the route's template and the class of its status.",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.group_sizes = Histogram(
            "celeriac_group_commit_size",
            "Submissions that shared one commit.",
            buckets=_SIZES,
            registry=self._registry,
        )

    def observe_request(self, method: str, route: str | None, *, status: int, seconds: float) -> None:
        """Count a request. `status` 0 means that the client went away first. Labels are few whatever clients type."""
        method_label = method if method in _METHODS else "other"
        status_class = f"{status // 100}xx" if status else "none"
        self._requests.labels(method_label, route or "none", status_class).observe(seconds)

    def render(
        self, *, pool: PoolUse, conditions: Mapping[str, Condition], failing: Iterable[str], figures: ScrapeFigures
    ) -> bytes:
        """Return Prometheus' text format: this process's own figures first, then the components, then the other
        processes.
        """
        failed = frozenset(failing)
        return generate_latest(
            _Collected(
                [
                    *self._registry.collect(),
                    *_pool(pool),
                    _labelled(
                        "celeriac_healthy",
                        "Whether the part is healthy, as this process found it last (see /api/v1/health).",
                        label="part",
                        values={part: condition is Condition.HEALTHY for part, condition in conditions.items()},
                    ),
                    _labelled(
                        "celeriac_breaker_open",
                        "Whether this process leaves the part alone because it failed too often.",
                        label="part",
                        values={part: part in failed for part in conditions},
                    ),
                    *_fleet(figures),
                ]
            )
        )


class _Collected(Collector):
    """Families that are collected already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _pool(use: PoolUse) -> Iterator[Metric]:
    yield _gauge("celeriac_database_pool_size", "Pooled connections to Postgres that are open.", value=use.size)
    yield _gauge(
        "celeriac_database_pool_in_use", "Of them, those that a request or a group commit holds.", value=use.in_use
    )
    yield _gauge(
        "celeriac_database_pool_waiting", "Who has asked for a connection and waits for it.", value=use.waiting
    )


def _fleet(figures: ScrapeFigures) -> Iterator[Metric]:
    """What was not told in time is left out; `celeriac_up` says so."""
    yield _labelled(
        "celeriac_up", "Whether the store answered this scrape within 1 s.", label="store", values=figures.answered()
    )
    if (store := figures.store) is not None:
        waiting = {
            "due": store.due,
            "scheduled": store.scheduled,
            "refused": store.refused,
            "parked": store.parked,
        }
        yield _labelled(
            "celeriac_outbox_tasks",
            "Tasks not yet handed to the broker, counted to 100,000.",
            label="state",
            values=waiting,
        )
        yield _gauge(
            "celeriac_outbox_oldest_due_seconds",
            "How long the first due task has waited.",
            value=store.oldest_due_seconds,
        )
        yield _counter("celeriac_mirror_gaps", "Stretches during which no mirror could hear.", value=store.gaps)
        if store.heartbeat_seconds is not None:
            yield _gauge(
                "celeriac_mirror_heartbeat_age_seconds",
                "Since the newest heartbeat of any worker that is stored.",
                value=store.heartbeat_seconds,
            )
        yield from _deliveries(store)
    if figures.open_alerts is not None:
        yield _alerts(figures.open_alerts)
    if figures.counters is not None:
        applied, dispatched = figures.counters[CounterName.EVENTS_APPLIED], figures.counters[CounterName.DISPATCHED]
        yield _counter("celeriac_mirror_events_applied", "Events that mirrors have committed.", value=applied)
        yield _counter(
            "celeriac_mirror_events_refused",
            "What came as an event and was none, or could not be stored: skipped.",
            value=figures.counters[CounterName.EVENTS_REFUSED],
        )
        yield _attempts(figures.counters)
        yield _counter("celeriac_dispatched_tasks", "Tasks that the broker has taken from the loops.", value=dispatched)
    if figures.in_stream is not None:
        yield _gauge(
            "celeriac_mirror_lag_seconds",
            "Since the oldest event in the plugin's stream that is not committed arrived there; 0 where none waits.",
            value=figures.in_stream.oldest_seconds,
        )
    in_stream = figures.in_stream.count if figures.in_stream is not None else None
    pending = {"stream": in_stream, "queue": figures.in_queue}
    yield _labelled(
        "celeriac_mirror_pending_events",
        "Events that wait for a mirror: in the plugin's stream, and in RabbitMQ's queue.",
        label="intake",
        values={intake: count for intake, count in pending.items() if count is not None},
    )


def _alerts(counts: Mapping[tuple[str, str], int]) -> Metric:
    family = GaugeMetricFamily("celeriac_alerts_open", "Open alerts.", labels=("type", "severity"))
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family


def _deliveries(store: StoreFigures) -> Iterator[Metric]:
    yield _gauge(
        "celeriac_webhook_deliveries_pending",
        "Deliveries to webhooks that are not over, counted to 100,000.",
        value=store.webhooks_pending,
    )
    yield _gauge(
        "celeriac_webhook_oldest_pending_seconds",
        "How long the oldest delivery has been due; those of an endpoint that is left alone count.",
        value=store.webhook_oldest_seconds,
    )


def _attempts(counters: Mapping[CounterName, int]) -> Metric:
    family = CounterMetricFamily("celeriac_webhook_attempts", "Attempts to deliver to webhooks.", labels=("outcome",))
    family.add_metric(("delivered",), counters[CounterName.WEBHOOKS_DELIVERED])
    family.add_metric(("failed",), counters[CounterName.WEBHOOKS_FAILED])
    return family


def _labelled(name: str, meaning: str, *, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family


def _gauge(name: str, meaning: str, *, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _counter(name: str, meaning: str, *, value: float) -> Metric:
    return CounterMetricFamily(name, meaning, value=value)
