"""The dashboard on the wire: what is summed, what is 0 and what is not known."""

from datetime import timedelta
from typing import Any

import pytest

from api.schemas.dashboard import DepthSource, QueueDepth, SystemStats, WorkerFigures
from domain.rollups import Measure
from domain.workers.figures import Ends
from services.dashboard import DashboardFigures
from tests.facts import NOON
from tests.unit.loops.workers.rows import worker


def stats(waiting: dict[str, int], **said: Any) -> SystemStats:
    plain: dict[str, Any] = {
        "totals": dict.fromkeys(Measure, 0),
        "active_workers": 0,
        "total_workers": 0,
        "due": 0,
        "parked": 0,
        "queue_names": [],
        "with_workers": {},
    }
    figures = DashboardFigures(**(plain | said))
    return SystemStats.of(figures, waiting, source=DepthSource.BROKER, cpu_percent=None, memory_percent=62.1)


def test_the_depth_is_what_waits_in_the_broker_and_what_it_does_not_have_yet() -> None:
    shown = stats({"a": 3, "b": 4}, due=5, parked=2)
    assert (shown.queue_depth, shown.undispatched, shown.parked) == (12, 5, 2)


def test_every_queue_has_a_row_also_one_in_which_nothing_waits() -> None:
    shown = stats({"a": 3}, queue_names=["a", "b"], with_workers={"b": 2})
    assert shown.queues == [
        QueueDepth(name="a", waiting=3, unacked=0),
        QueueDepth(name="b", waiting=0, unacked=2),
    ]


def test_totals_stand_under_their_own_names() -> None:
    totals = {measure: number for number, measure in enumerate(Measure, start=1)}
    shown = stats({}, totals=totals)
    assert shown.total_tasks_submitted == totals[Measure.SUBMITTED]
    assert shown.tasks_completed == totals[Measure.COMPLETED]
    assert shown.tasks_failed == totals[Measure.FAILED]
    assert shown.tasks_cancelled == totals[Measure.CANCELLED]


def test_a_cpu_that_nobody_has_read_yet_is_null_and_not_0() -> None:
    assert stats({}).cpu_usage_percent is None


def figures(ends: Ends | None = None, **said: Any) -> WorkerFigures:
    heard = {"online_at": NOON, "last_event_at": NOON, "last_heartbeat_at": NOON}
    return WorkerFigures.of(worker(**(heard | said)), ends or Ends(), now=NOON + timedelta(seconds=90))


def test_only_who_is_online_has_an_uptime() -> None:
    assert figures().uptime_seconds == 90
    assert figures(online=False).uptime_seconds is None


@pytest.mark.parametrize(
    ("concurrency", "capacity", "share"),
    [(4, None, 0.5), (4, 8, 0.5), (None, 8, 0.25), (None, None, None), (1, None, 1.0)],
)
def test_the_share_in_use_is_of_what_a_worker_says_of_itself_before_what_was_registered(
    concurrency: int | None, capacity: int | None, share: float | None
) -> None:
    assert figures(running=2, concurrency=concurrency, capacity=capacity).capacity_utilization == share


def test_a_worker_that_has_ended_nothing_has_no_error_rate() -> None:
    assert (figures().task_rate, figures().error_rate) == (0.0, None)
    busy = figures(Ends(completed=6, failed=3, cancelled=1))
    assert (busy.task_rate, busy.error_rate) == (10.0, 30.0)


def test_a_worker_is_shown_by_its_host() -> None:
    assert figures(node="celery@compute-1").hostname == "compute-1"
