"""Trends on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import Query
from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.types import Timestamp
from domain.trends import MAX_HOURS, Interval, SumsAndDurations, Window, percentage, percentile_seconds
from services.trends import Trends

Hours = Annotated[int, Query(ge=1, le=MAX_HOURS, description="How far back to look.")]


class Figures(ResponseModel):
    """What was counted in a bucket, of a task name or in a queue."""

    submitted: int
    completed: int
    failed: int
    cancelled: int
    average_wait_seconds: float | None = Field(description="From due to first start, of the tasks that started then.")
    average_duration_seconds: float | None = Field(description="Of the runs that decided the tasks which ended then.")
    p95_duration_seconds: float | None = Field(
        description="Within 5 %. Of a first hour that counts in part: the whole. null in a series by the minute of all "
        "tasks, and in one by the hour of more than 48 hours of some."
    )


class Bucket(Figures):
    """A minute, an hour or a day."""

    bucket: Timestamp = Field(description="Its start, UTC.")
    p50_duration_seconds: float | None = Field(
        description="Told where `p95_duration_seconds` is, and a name, a queue or the limits of the key are given."
    )


class TaskFigures(Figures):
    """What was counted of the tasks of one name."""

    task_name: str | None = Field(description="null: tasks of other publishers whose name was never told.")
    completion_rate: float | None


class QueueFigures(Figures):
    """What was counted of the tasks of one queue."""

    queue_name: str | None = Field(description="null: tasks of other publishers; Celery's events name no queue.")
    completion_rate: float | None


class FailurePattern(ResponseModel):
    """A class of exceptions, and how many tasks failed with it."""

    error: str = Field(description="Class of the exception.", examples=["Timeout"])
    count: int
    percentage: float = Field(description="Of all failures.")


class TrendsAnswer(ResponseModel):
    """What happened in the last `hours` hours. Rates are null, not 0 or 100, where nothing finished."""

    completion_rate: float | None = Field(description="completed / (completed + failed), in percent.", examples=[95.5])
    average_wait_time_seconds: float | None = Field(
        description="From due (created or scheduled) to first start; null if none started.", examples=[12.3]
    )
    peak_loads: list[str] = Field(
        description="Hours of the day (UTC) with most submissions, busiest first, at most 5.", examples=[["14:00"]]
    )
    failure_patterns: list[FailurePattern] = Field(description="Most frequent first, at most 100.")
    interval: Interval
    since: Timestamp = Field(description="Start of the window, a whole minute.")
    until: Timestamp
    series: list[Bucket] = Field(
        description="Every bucket that the window touches, oldest first; of the first only what lies in the window."
    )
    by_task: list[TaskFigures] = Field(description="The 100 busiest.")
    by_queue: list[QueueFigures] = Field(description="The 100 busiest.")

    @classmethod
    def from_trends(cls, trends: Trends, window: Window, *, interval: Interval) -> Self:
        return cls(
            completion_rate=trends.total.completion_rate,
            average_wait_time_seconds=trends.total.average_wait_seconds,
            peak_loads=trends.peak_loads,
            failure_patterns=_patterns(trends.failures, failed=trends.total.failed),
            interval=interval,
            since=window.since,
            until=window.until,
            series=[_bucket(start, counted, has_median=trends.has_medians) for start, counted in trends.series.items()],
            by_task=[
                TaskFigures(task_name=name or None, completion_rate=counted.sums.completion_rate, **figures_of(counted))
                for name, counted in trends.by_task.items()
            ],
            by_queue=[
                QueueFigures(
                    queue_name=name or None, completion_rate=counted.sums.completion_rate, **figures_of(counted)
                )
                for name, counted in trends.by_queue.items()
            ],
        )


def _bucket(start: datetime, counted: SumsAndDurations, *, has_median: bool) -> Bucket:
    median = percentile_seconds(counted.sums, counted.durations, percent=50) if has_median else None
    return Bucket(bucket=start, p50_duration_seconds=median, **figures_of(counted))


def figures_of(counted: SumsAndDurations) -> dict[str, Any]:
    """Return the fields of `Figures`."""
    sums = counted.sums
    return {
        "submitted": sums.submitted,
        "completed": sums.completed,
        "failed": sums.failed,
        "cancelled": sums.cancelled,
        "average_wait_seconds": sums.average_wait_seconds,
        "average_duration_seconds": sums.average_duration_seconds,
        "p95_duration_seconds": percentile_seconds(sums, counted.durations, percent=95),
    }


def _patterns(failures: Mapping[str, int], *, failed: int) -> list[FailurePattern]:
    return [
        FailurePattern(error=error, count=count, percentage=percentage(count, failed) or 0.0)
        for error, count in failures.items()
    ]
