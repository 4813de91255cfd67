"""Asks the API for what the screen of `celeriac top` needs: what moves each time, the rest every 5 s."""

import time
from collections import deque
from http import HTTPStatus
from typing import Any

from cli.client import Client, NotReachable
from cli.errors import CliError
from cli.top.drift import Drifts
from cli.top.situation import Json, Situation, seconds_since

SLOW_SECONDS = 5.0
RATE_SECONDS = 60.0
"""Rates are of about so long."""
LEAST_RATE_SECONDS = 50.0
"""The least that a rate is made of: of less it would tell of a minute that was not counted, and is that of the last two
minutes instead, by the clock.
"""
MOST_QUEUES = 200
MOST_WORKFLOWS = 20
MOST_ALERTS = 50
MOST_ROWS = 50
MOST_SAMPLES = 128


class Reader:
    """Remembers what is asked for seldom, and the counts that rates come from.

    What a key may not see is left out, and said by `refused`; if it may see nothing but the health, that is an error.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=MOST_SAMPLES)
        self._drifts = Drifts()
        self._slow_at: float | None = None
        self._slow: dict[str, Any] = {}
        self._slow_refused = ""
        self.refused = ""

    def read(self) -> Situation:
        """Return how it is now. Raises NotReachable, and CliError where nothing is told."""
        now = time.monotonic()
        if is_slow := self._slow_at is None or now - self._slow_at >= SLOW_SECONDS:
            self._slow_refused = ""
        self.refused = self._slow_refused
        stats = self._ask("/dashboard/stats")
        workers = self._ask("/dashboard/workers", limit=MOST_ROWS, rows="data")
        offline = sum(row.get("status") == "OFFLINE" for row in _rows(workers) or ())
        if is_slow:
            self._slow = self._read_slow(are_missing=offline > 0)
            self._slow_at, self._slow_refused = now, self.refused
        queues = self._ask("/queues", limit=MOST_QUEUES, rows="data")
        drifts = self._drifts.note(_rows(queues) or (), at=now)
        running = self._ask(
            "/tasks", status="RUNNING", limit=MOST_ROWS, sort_by="started_at", sort_order="asc", rows="data"
        )
        if not any((stats, workers, queues, running)):
            raise CliError(self.refused)
        trends = self._slow["trends"]
        done, failed = self._rates(stats, trends=trends, now=now)
        ended = (done or 0) + (failed or 0)
        return Situation(
            now=time.time(),
            is_partial=_has_limits(self._slow["me"]),
            refused=self.refused,
            health=self._slow["health"],
            alerts=_rows(self._slow["alerts"]),
            resilience=self._slow["resilience"],
            held=self._slow["held"],
            workflows=_rows(self._slow["workflows"]),
            offline=offline,
            fleet=_rows(self._slow["fleet"]),
            stats=stats,
            queues=_rows(queues),
            drifts=drifts,
            workers=_rows(workers),
            running=_rows(running),
            running_count=None if running is None else running["total"],
            failing=None if trends is None else _failing(trends),
            failures=None if self._slow["failures"] is None else self._slow["failures"]["groups"],
            mean_wait=None if trends is None else _mean_wait(trends),
            done_per_minute=done,
            failed_percent=100 * (failed or 0) / ended if ended else None,
        )

    def _read_slow(self, *, are_missing: bool) -> dict[str, Any]:
        unwell = (HTTPStatus.SERVICE_UNAVAILABLE,)
        resilience = self._ask("/resilience/summary")
        return {
            "me": self._ask("/me"),
            "health": self._ask("/health", accept=unwell),
            "alerts": self._ask("/alerts", limit=MOST_ALERTS, rows="data"),
            "resilience": resilience,
            "held": self._ask("/resilience/held") if _holds_back(resilience) else None,
            "fleet": self._ask("/workers", limit=MOST_ROWS, rows="data") if are_missing else None,
            "workflows": self._ask("/workflows", status="FAILED", limit=MOST_WORKFLOWS, rows="data"),
            "trends": self._ask("/analytics/trends", hours=1, interval="minutely"),
            "failures": self._ask("/analytics/failures", hours=1),
        }

    def _ask(self, path: str, **query: Any) -> Json | None:
        try:
            return self._client.read(path, **query)
        except NotReachable:
            raise
        except CliError as error:
            self.refused = str(error)
            return None

    def _rates(self, stats: Json | None, *, trends: Json | None, now: float) -> tuple[float | None, float | None]:
        """Done and failed a minute: from the counts of the last minute, or of the last two where there are none yet."""
        if stats is not None:
            self._samples.append((now, stats["tasks_completed"], stats["tasks_failed"]))
        while len(self._samples) > 2 and now - self._samples[1][0] >= RATE_SECONDS:
            self._samples.popleft()
        lasted = self._samples[-1][0] - self._samples[0][0] if self._samples else 0.0
        if lasted >= LEAST_RATE_SECONDS:
            (began, *first), (ended, *last) = self._samples[0], self._samples[-1]
            done, failed = (max(0, b - a) * 60 / (ended - began) for a, b in zip(first, last, strict=True))
            return done, failed
        return _rates_of(trends, now=time.time()) if trends is not None else (None, None)


def _has_limits(me: Json | None) -> bool:
    return me is not None and bool(me["queues"] or me["task_names"])


def _holds_back(resilience: Json | None) -> bool:
    marks = (resilience or {}).get("degradation", {}).get("marks", ())
    return any(mark["strategy"] == "queue_only" for mark in marks)


def _rows(page: Json | None) -> list[Json] | None:
    return None if page is None else page["data"]


def _failing(trends: Json) -> list[Json]:
    return sorted((each for each in trends["by_task"] if each["failed"]), key=lambda each: -each["failed"])


def _rates_of(trends: Json, *, now: float) -> tuple[float | None, float | None]:
    """Done and failed a minute, over this minute, as far as it has come, and the one before."""
    minutes = trends["series"][-2:]
    seconds = seconds_since(minutes[0]["bucket"], now) if minutes else None
    if not seconds or seconds < 0:
        return None, None
    done, failed = (sum(minute[end] for minute in minutes) * 60 / seconds for end in ("completed", "failed"))
    return done, failed


def _mean_wait(trends: Json) -> float | None:
    """Return that of this minute or, where no task has begun in it, of the last."""
    waits: list[float] = [
        minute["average_wait_seconds"] for minute in trends["series"][-2:] if minute["average_wait_seconds"] is not None
    ]
    return waits[-1] if waits else None
