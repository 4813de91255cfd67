"""Groups of failures, and durations over time, on the wire."""

from collections import Counter
from collections.abc import Sequence
from typing import Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.types import Timestamp
from domain.heat import HeatMap
from domain.trends import Interval, Window
from domain.workers.status import hostname, worker_id_of
from services.failures import GroupWithSamples, new_since

MAX_WORKERS = 10


class FailureCount(ResponseModel):
    """An hour or a day, and how many tasks failed in it."""

    bucket: Timestamp
    count: int


class FailingWorker(ResponseModel):
    """A worker, and how many tasks of a group failed on it."""

    worker_id: UUID
    hostname: str = Field(examples=["compute-3"])
    count: int
    runs: int = Field(description="How many tasks of the name ended on it, completed or failed, in the same stretch.")


class FailuresByWorker(ResponseModel):
    """The workers on which the newest tasks of a group failed, beside how many of its name they ran."""

    sampled: int = Field(
        description="Failures counted here: this group's whose worker is known, of the newest 1,000 of all groups and "
        "the newest 200 tasks of the name."
    )
    runs: int = Field(description="Tasks of the name that ended in the same stretch, completed or failed.")
    running_worker_count: int = Field(description="On how many workers they ended.")
    worker_count: int = Field(description="On how many workers they failed.")
    workers: list[FailingWorker] = Field(description="The 10 with most of them, the first with the most.")

    @classmethod
    def from_counts(cls, by_node: Counter[str], runs: Counter[str]) -> Self:
        return cls(
            sampled=by_node.total(),
            runs=runs.total(),
            running_worker_count=len(runs),
            worker_count=len(by_node),
            workers=[
                FailingWorker(worker_id=worker_id_of(node), hostname=hostname(node), count=count, runs=runs[node])
                for node, count in by_node.most_common(MAX_WORKERS)
            ],
        )


class FailureGroupModel(ResponseModel):
    """The tasks of one name that failed with exceptions of one class."""

    error: str = Field(description="Class of the exception.", examples=["Timeout"])
    task_name: str | None = Field(
        description="null: tasks of other publishers whose name was never told.", examples=["process_payment"]
    )
    count: int = Field(examples=[1204])
    first_seen: Timestamp = Field(description="Start of the first hour or day of the window in which any failed.")
    first_failed_at: Timestamp | None = Field(
        description="The minute in which the first failed, of a group that is new; null for others."
    )
    last_seen: Timestamp = Field(description="When the newest sample failed; without one, to the hour or day.")
    series: list[FailureCount] = Field(description="The hours or days in which any failed, oldest first.")
    latest_error: str | None = Field(
        description="What the newest sample says, its first line, 300 characters at most and masked as its task is.",
        examples=["Timeout: no answer within 5 s"],
    )
    sample_task_ids: list[str] = Field(description="Up to 3, of the newest 1,000 failed tasks; newest first.")
    is_new: bool = Field(description="It began after `new_since`; none like it had failed in the 7 days before that.")
    by_worker: FailuresByWorker

    @classmethod
    def from_group(cls, found: GroupWithSamples) -> Self:
        group = found.group
        return cls(
            error=group.error,
            task_name=group.task_name or None,
            count=group.count,
            first_seen=min(group.series),
            first_failed_at=found.first_failed_at,
            last_seen=found.last_seen,
            series=[FailureCount(bucket=at, count=count) for at, count in group.series.items()],
            latest_error=found.latest_error,
            sample_task_ids=[task.task_id for task in found.samples],
            is_new=found.is_new,
            by_worker=FailuresByWorker.from_counts(
                found.by_node, Counter({each.node: each.count for each in found.runs})
            ),
        )


class FailuresAnswer(ResponseModel):
    """Failures in groups."""

    since: Timestamp = Field(description="Start of the window, a whole hour or midnight.")
    until: Timestamp
    interval: Interval = Field(description="Of `series`: hourly for up to 48 hours.")
    new_since: Timestamp = Field(description="Start of the hour before this one, whatever `hours` is.")
    groups: list[FailureGroupModel] = Field(description="The 100 largest, the largest first.")

    @classmethod
    def of(cls, groups: Sequence[GroupWithSamples], window: Window, *, interval: Interval) -> Self:
        return cls(
            since=interval.start_of(window.since),
            until=window.until,
            interval=interval,
            new_since=new_since(window),
            groups=[FailureGroupModel.from_group(group) for group in groups],
        )


class DurationsRow(ResponseModel):
    """An hour or a day, and how long its runs took."""

    bucket: Timestamp
    counts: list[int] = Field(description="Runs that ended in it, for each of `upper_seconds`.")


class DurationsAnswer(ResponseModel):
    """How long runs took, over time."""

    since: Timestamp
    until: Timestamp
    interval: Interval = Field(description="hourly for up to 48 hours.")
    upper_seconds: list[float] = Field(
        description="The longest duration of each column, ascending; each column is 2.14 times as wide as the one "
        "before. Empty where nothing ended.",
        examples=[[0.000002, 0.000004]],
    )
    data: list[DurationsRow] = Field(description="Every bucket of the window, oldest first; the first one whole.")

    @classmethod
    def of(cls, heat: HeatMap, window: Window, *, interval: Interval) -> Self:
        return cls(
            since=window.since,
            until=window.until,
            interval=interval,
            upper_seconds=heat.upper_seconds,
            data=[DurationsRow(bucket=at, counts=counts) for at, counts in heat.rows.items()],
        )
