"""Names of tasks on the wire: who knows them, and how the tasks of each have fared."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from api.schemas.analytics import TaskFigures, figures_of
from api.schemas.base import ResponseModel
from api.schemas.pages import Page
from api.schemas.types import Timestamp
from domain.slowdowns import USUAL_PERCENT, Runs
from domain.trends import percentile_seconds
from domain.workers.status import hostname
from services.task_figures import NamedTasks
from store.queries.for_task_names import Failure, Knower


class RunTimes(ResponseModel):
    """How long the runs took that ended in an hour, from roll-ups by the minute."""

    runs: int = Field(description="Of which the duration is known.", examples=[1204])
    p50_duration_seconds: float | None = Field(description="Within 5 %.", examples=[0.4])
    p95_duration_seconds: float | None = Field(
        description="null: none ended, or some were counted before durations were, by the minute.", examples=[1.2]
    )

    @classmethod
    def of(cls, runs: Runs) -> Self:
        return cls(
            runs=runs.count,
            p50_duration_seconds=runs.percentile_seconds(50),
            p95_duration_seconds=runs.percentile_seconds(USUAL_PERCENT),
        )


class TaskNameModel(TaskFigures):
    """The tasks of one name, over the last `hours` hours."""

    p50_duration_seconds: float | None = Field(description="Within 5 %.", examples=[0.4])
    ended_per_minute: float = Field(description="In this minute and the one before.", examples=[1032.4])
    last_hour: RunTimes = Field(description="Of the last 60 minutes, whatever `hours` says.")
    hour_before: RunTimes = Field(description="Of the 60 minutes before those.")
    is_slower: bool = Field(
        description="Whether `p95_duration_seconds` of the last hour is more than 1.5 times that of the hour before, "
        "and 50 ms more at least. false where fewer than 20 runs ended in one of them."
    )
    known_by: int = Field(description="Workers that are online and know it.", examples=[2])
    acks_late: bool | None = Field(description="What those that know it say; null: nothing, or not all the same.")
    max_retries: int | None = Field(description="The same, of its own limit of retries.", examples=[3])

    @classmethod
    def from_named(cls, named: NamedTasks) -> Self:
        return cls(**_fields(named))


class TaskNamePage(Page[TaskNameModel]):
    """A part of the list of names; the rows stand under both names."""

    task_names: list[TaskNameModel]


class NameKnower(ResponseModel):
    """A worker that is online, and whether it knows the task."""

    worker_id: UUID
    hostname: str
    knows: bool
    acks_late: bool | None
    max_retries: int | None

    @classmethod
    def from_knower(cls, knower: Knower) -> Self:
        return cls(
            worker_id=knower.worker_id,
            hostname=hostname(knower.node),
            knows=knower.knows,
            acks_late=knower.acks_late,
            max_retries=knower.max_retries,
        )


class LatestFailure(ResponseModel):
    """A task that failed."""

    task_id: str
    error: str | None = Field(examples=["Timeout: gateway did not answer"])
    failed_at: Timestamp | None


class TaskNameDetail(TaskNameModel):
    """A name with the workers that are online, and its latest failure."""

    slower_since: Timestamp | None = Field(
        description="The minute since which more of the runs than before take longer than 95 % did in the hour before; "
        "null unless `is_slower`."
    )
    workers: list[NameKnower] = Field(description="Those first that do not know it; at most 100.")
    latest_failure: LatestFailure | None = Field(description="null: none among its newest 10,000 tasks.")

    @classmethod
    def of(
        cls,
        named: NamedTasks,
        knowers: Iterable[Knower],
        *,
        failure: Failure | None,
        slower_since: datetime | None,
    ) -> Self:
        return cls(
            **_fields(named),
            slower_since=slower_since,
            workers=[NameKnower.from_knower(knower) for knower in knowers],
            latest_failure=LatestFailure.model_validate(failure) if failure else None,
        )


def _fields(named: NamedTasks) -> dict[str, Any]:
    counted = named.counted
    return figures_of(counted) | {
        "task_name": named.task_name,
        "completion_rate": counted.sums.completion_rate,
        "p50_duration_seconds": percentile_seconds(counted.sums, counted.durations, percent=50),
        "ended_per_minute": named.ended_per_minute,
        "last_hour": RunTimes.of(named.two_hours.last),
        "hour_before": RunTimes.of(named.two_hours.before),
        "is_slower": named.two_hours.is_slower,
        "known_by": named.known.online,
        "acks_late": named.known.acks_late,
        "max_retries": named.known.max_retries,
    }
