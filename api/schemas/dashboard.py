"""The dashboard on the wire."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.pages import Page
from api.version import RELEASE
from domain.rollups import Measure
from domain.workers.figures import Ends, uptime_seconds, utilization
from domain.workers.status import WorkerStatus, hostname
from services.dashboard import DashboardFigures
from store.queries.workers.nodes import WorkerRow


class DepthSource(StrEnum):
    """Who says how long the queues are."""

    BROKER = "broker"
    MIRROR = "mirror"


class QueueDepth(ResponseModel):
    """A queue, and how many tasks wait in it."""

    name: str
    waiting: int = Field(description="Messages in the broker, or what the mirror knows of: see queue_depth_source.")
    unacked: int = Field(description="Tasks that workers have received and not finished, as the mirror knows it.")


class SystemStats(ResponseModel):
    """The whole system at this moment."""

    queue_depth: int = Field(description="Waiting in the broker, and due but not yet handed to it.", examples=[250])
    active_workers: int = Field(examples=[5])
    total_workers: int = Field(description="Ever heard or registered, and not forgotten since.", examples=[8])
    cpu_usage_percent: float | None = Field(
        description="Of the API's host; null in the first second of its process.", examples=[45.2]
    )
    memory_usage_percent: float = Field(description="Of the API's host.", examples=[62.1])
    total_tasks_submitted: int = Field(description="Ever, as the two below.", examples=[10000])
    tasks_completed: int = Field(examples=[9500])
    tasks_failed: int = Field(examples=[450])
    tasks_cancelled: int
    undispatched: int = Field(description="The part of queue_depth that the broker does not have yet.")
    parked: int = Field(
        description="The part of undispatched that the broker refuses again and again; `GET /tasks/{task_id}` and the "
        "alert DISPATCH_STALLED say why."
    )
    queue_depth_source: DepthSource = Field(
        description="`mirror`: the broker does not answer, and what waits there is counted from tasks that were "
        "handed to it and not heard of since; tasks of other publishers are then missing."
    )
    queues: list[QueueDepth] = Field(description="Every queue that a task names or an online worker consumes.")
    version: str = Field(
        RELEASE, description="Of Celeriac; `GET /health` has that of the REST API.", examples=[RELEASE]
    )

    @classmethod
    def of(
        cls,
        figures: DashboardFigures,
        waiting: Mapping[str, int],
        *,
        source: DepthSource,
        cpu_percent: float | None,
        memory_percent: float,
    ) -> Self:
        return cls(
            queue_depth=figures.due + sum(waiting.values()),
            active_workers=figures.active_workers,
            total_workers=figures.total_workers,
            cpu_usage_percent=cpu_percent,
            memory_usage_percent=memory_percent,
            total_tasks_submitted=figures.totals[Measure.SUBMITTED],
            tasks_completed=figures.totals[Measure.COMPLETED],
            tasks_failed=figures.totals[Measure.FAILED],
            tasks_cancelled=figures.totals[Measure.CANCELLED],
            undispatched=figures.due,
            parked=figures.parked,
            queue_depth_source=source,
            queues=[
                QueueDepth(name=name, waiting=waiting.get(name, 0), unacked=figures.with_workers.get(name, 0))
                for name in figures.queue_names
            ],
        )


class WorkerFigures(ResponseModel):
    """How one worker does."""

    worker_id: UUID
    hostname: str = Field(examples=["compute-1"])
    status: WorkerStatus
    uptime_seconds: int | None = Field(description="null if it is offline or its start was not heard.")
    task_rate: float = Field(description="Finished tasks in the last minute.", examples=[45.2])
    error_rate: float | None = Field(description="Failed of those, in percent; null if none finished.", examples=[2.1])
    running: int = Field(description="Tasks that it is running.", examples=[3])
    capacity: int | None = Field(description="Tasks that it can run at once; null while that is not known.")
    queues: list[str] | None = Field(description="Its own, also while it is held back; null until it has said so.")
    plugin: str | None = Field(description="Version of the worker plugin; null on a stock worker.")
    capacity_utilization: float | None = Field(
        description="Running tasks of its capacity, 0 to 1; null while its capacity is not known.", examples=[0.6]
    )

    @classmethod
    def of(cls, row: WorkerRow, ends: Ends, *, now: datetime) -> Self:
        return cls(
            worker_id=row.worker_id,
            hostname=hostname(row.node),
            status=row.status,
            uptime_seconds=_uptime(row, now) if row.online else None,
            task_rate=ends.per_minute,
            error_rate=ends.error_rate,
            running=row.running,
            capacity=row.concurrency or row.capacity,
            queues=row.queues,
            plugin=row.plugin,
            capacity_utilization=utilization(running=row.running, capacity=row.concurrency or row.capacity),
        )


class WorkerGrid(Page[WorkerFigures]):
    """A part of the grid; the rows stand under both names."""

    workers: list[WorkerFigures]


def _uptime(row: WorkerRow, now: datetime) -> int | None:
    return uptime_seconds(
        online_at=row.online_at,
        goodbye_at=row.goodbye_at,
        last_event_at=row.last_event_at,
        last_heartbeat_at=row.last_heartbeat_at,
        now=now,
    )
