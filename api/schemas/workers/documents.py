"""Workers on the wire."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.pages import Page
from api.schemas.types import Timestamp
from api.schemas.workers.messages import message_of
from domain.workers.control import DrainState, drain_state
from domain.workers.status import WorkerStatus, hostname
from store.queries.workers.nodes import WorkerRow

MAX_CAPACITY = 1000
MAX_DEADLINE_SECONDS = 7 * 86_400

EVENTS: Mapping[bool | None, str] = {True: "on", False: "off", None: "unknown"}

Capacity = Annotated[int, Field(ge=1, le=MAX_CAPACITY)]


class Wishes(ResponseModel):
    """What operators want; it is applied again whenever the worker is otherwise."""

    paused: bool | None = Field(description="null: nobody has asked, and it is left alone.")
    draining: bool
    capacity: int | None = Field(description="null: nobody has asked.")


class WorkerModel(ResponseModel):
    """A Celery node."""

    worker_id: UUID = Field(description="Stays with the node name for ever.")
    hostname: str
    status: WorkerStatus
    capacity: int | None = Field(
        description="Tasks that it shall run at once; where nobody has said so, that it does. "
        "null: only seen so far, and not yet asked.",
        examples=[5],
    )
    current_load: int = Field(description="Tasks that it is running.")
    current_tasks: int
    last_heartbeat: Timestamp | None = Field(description="When it was last heard, by our clock.")
    is_draining: bool
    drained_at: Timestamp | None = Field(
        description="When it said goodbye because it was drained; null where it was not, and once it is back."
    )
    pool: str | None
    queues: list[str] | None = Field(description="Its own, also while it is held back; null until it has said so.")
    software: str | None
    plugin: str | None = Field(description="Version of the worker plugin; null on a stock worker.")
    desired: Wishes = Field(description="Of a worker that is offline: kept, and applied when it is back.")
    converged: bool = Field(description="Whether it is as operators want it.")
    events: Literal["on", "off", "unknown"] = Field(
        description="Whether it sends events of its tasks. `off`: what it runs is seen late or not at all."
    )

    @classmethod
    def from_row(cls, row: WorkerRow) -> Self:
        return cls(**_fields(row))


class Observation(ResponseModel):
    """What the worker said when it was last asked."""

    paused: bool | None = Field(description="Whether it fetches nothing.")
    queues: list[str] | None = Field(description="What it fetches from at this moment.")
    concurrency: int | None
    described_at: Timestamp | None = Field(description="When it was last asked.")


class Versions(ResponseModel):
    """The versions of a worker's software."""

    celery: str | None = Field(examples=["5.7.0"])
    plugin: str | None
    protocol: int | None = Field(description="Of the plugin.")


class WorkerDetail(WorkerModel):
    """A worker with what is wanted of it and what it says of itself."""

    pid: int | None
    concurrency: int | None = Field(description="Tasks that it runs at once, as observed.")
    prefetch_count: int | None
    versions: Versions
    capabilities: list[str] | None = Field(description="What it can be relied on for; null until it has been asked.")
    registered_at: Timestamp | None = Field(description="null: only seen.")
    observed: Observation
    message: str | None = Field(description="What stands between the two.")

    @classmethod
    def from_row(cls, row: WorkerRow) -> Self:
        observed = row.observed
        return cls(
            **_fields(row),
            pid=row.pid,
            concurrency=row.concurrency,
            prefetch_count=row.prefetch_count,
            versions=Versions(celery=_celery_version(row.software), plugin=row.plugin, protocol=row.protocol),
            capabilities=None if row.described_at is None else list(observed.capabilities),
            registered_at=row.registered_at,
            observed=Observation(
                paused=row.is_paused,
                queues=row.consuming,
                concurrency=row.concurrency,
                described_at=row.described_at,
            ),
            message=message_of(row),
        )


class WorkerPage(Page[WorkerModel]):
    """A part of the list of workers; the rows stand under both names."""

    workers: list[WorkerModel]


class WorkerAnswer(ResponseModel):
    """What became of an order."""

    worker_id: UUID
    status: Literal["paused", "resumed", "draining"]
    converged: bool = Field(description="Whether it is so already; if not, it is applied until it is.")
    message: str | None

    @classmethod
    def of(cls, row: WorkerRow, status: Literal["paused", "resumed", "draining"]) -> Self:
        return cls(worker_id=row.worker_id, status=status, converged=row.converged, message=message_of(row))


class CapacityUpdate(RequestModel):
    """The body of `PATCH /workers/{worker_id}/capacity`."""

    capacity: Capacity = Field(examples=[10])


class CapacityAnswer(ResponseModel):
    """What became of a new capacity."""

    worker_id: UUID
    capacity: int
    converged: bool = Field(description="Whether the worker runs so many tasks at once already.")
    message: str | None

    @classmethod
    def of(cls, row: WorkerRow, capacity: int) -> Self:
        return cls(worker_id=row.worker_id, capacity=capacity, converged=row.converged, message=message_of(row))


class DrainRequest(RequestModel):
    """The body of `POST /workers/{worker_id}/drain`, which may be left out."""

    deadline_seconds: Annotated[int, Field(ge=1, le=MAX_DEADLINE_SECONDS)] | None = Field(
        None, description="After this the drain counts as overdue; nothing that runs is ended by it."
    )


class DrainProgress(ResponseModel):
    """How far the drain of a worker has come."""

    worker_id: UUID
    state: DrainState
    remaining_task_ids: list[str] = Field(description="Tasks that it was running when last asked.")
    started_at: Timestamp
    deadline_at: Timestamp | None
    finished_at: Timestamp | None = Field(description="When it was known that it has exited.")
    message: str | None

    @classmethod
    def from_row(cls, row: WorkerRow) -> Self:
        assert row.drain_started_at is not None
        return cls(
            worker_id=row.worker_id,
            state=drain_state(
                deadline_at=row.drain_deadline_at, finished_at=row.drain_finished_at, now=datetime.now(UTC)
            ),
            remaining_task_ids=row.drain_remaining or [],
            started_at=row.drain_started_at,
            deadline_at=row.drain_deadline_at,
            finished_at=row.drain_finished_at,
            message=message_of(row),
        )


def _fields(row: WorkerRow) -> dict[str, Any]:
    return {
        "worker_id": row.worker_id,
        "hostname": hostname(row.node),
        "status": row.status,
        "capacity": row.capacity or row.concurrency,
        "current_load": row.running,
        "current_tasks": row.running,
        "last_heartbeat": row.last_sign_at,
        "is_draining": row.is_draining,
        "drained_at": row.drain_finished_at,
        "pool": row.pool,
        "queues": row.queues,
        "software": row.software,
        "plugin": row.plugin,
        "desired": Wishes(paused=row.want_paused, draining=row.is_draining, capacity=row.capacity),
        "converged": row.converged,
        "events": EVENTS[row.events],
    }


def _celery_version(software: str | None) -> str | None:
    """`5.7.0` of `py-celery 5.7.0 (Linux)`."""
    words = (software or "").split()
    return words[1] if len(words) > 1 else None
