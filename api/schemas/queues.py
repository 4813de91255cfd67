"""Queues on the wire."""

from collections.abc import Iterable, Sequence
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.dashboard import DepthSource
from api.schemas.pages import Page
from api.schemas.resilience import ActiveMark
from api.schemas.types import Timestamp
from domain.adoption import adopted_at
from domain.workers.status import WorkerStatus, hostname
from services.queues import QueueState, QueueStates
from store.queries.workers.nodes import WorkerRow


class QueueModel(ResponseModel):
    """A queue at this moment."""

    queue_name: str = Field(examples=["payments"])
    waiting: int | None = Field(
        description="Messages in the broker, or what the mirror knows of: see queue_depth_source. null for a key that "
        "is limited to task names, which sees only some of them.",
        examples=[812],
    )
    due: int = Field(description="Due, and not yet handed to the broker; see due_is_exact.", examples=[3])
    unacked: int = Field(description="Tasks that workers have received and not finished, as the mirror knows it.")
    oldest_waiting_at: Timestamp | None = Field(
        description="Since when the task is due that was submitted here and waits longest in the broker; null where "
        "none does, and where `waiting` is null."
    )
    in_per_minute: float = Field(
        description="Tasks submitted to it a minute, in this minute and the one before.", examples=[40.2]
    )
    out_per_minute: float = Field(description="Tasks of it that started for the first time.", examples=[38.0])
    empty_in_seconds: float | None = Field(
        description="If all goes on as in these minutes; null: as many come as go, or `waiting` is null.",
        examples=[240.0],
    )
    consumers: int = Field(description="Workers that are online and consume it.", examples=[3])
    active_consumers: int = Field(
        description="Those of them that take tasks now: the others are paused or draining.", examples=[2]
    )
    mark: ActiveMark | None = Field(description="The mark `queue:<name>` that is in force.")

    @classmethod
    def from_state(cls, state: QueueState) -> Self:
        return cls(**_fields(state))


class QueuePage(Page[QueueModel]):
    """A part of the list of queues; the rows stand under both names."""

    queues: list[QueueModel]
    queue_depth_source: DepthSource = Field(
        description="`mirror`: the broker does not answer, and what waits there is counted from tasks that were "
        "handed to it and not heard of since; tasks of other publishers are then missing."
    )
    due_is_exact: bool = Field(description="false: only the 10,000 longest due are counted.")


class QueueConsumer(ResponseModel):
    """A worker that consumes a queue, or did when it was last there."""

    worker_id: UUID
    hostname: str
    status: WorkerStatus
    last_heartbeat: Timestamp | None
    current_load: int = Field(description="Tasks that it is running, of all queues.")
    capacity: int | None = Field(description="Tasks that it can run at once; null while that is not known.")
    adopted_at: Timestamp | None = Field(
        description="Since when it consumes the queue because nobody did and it was told to (`CELERIAC_ADOPT_QUEUES`); "
        "null if it does so by itself."
    )

    @classmethod
    def from_row(cls, row: WorkerRow, queue_name: str) -> Self:
        return cls(
            worker_id=row.worker_id,
            hostname=hostname(row.node),
            status=row.status,
            last_heartbeat=row.last_heartbeat_at,
            current_load=row.running,
            capacity=row.concurrency or row.capacity,
            adopted_at=adopted_at(queue_name, row.taken_on, online_at=row.online_at),
        )


class QueueDetail(QueueModel):
    """A queue with its consumers."""

    queue_depth_source: DepthSource
    due_is_exact: bool
    workers: list[QueueConsumer] = Field(
        description="Those that are online first, then by how lately they were heard; at most 100."
    )
    takers: list[str] = Field(
        description="Where no worker that is online consumes it: nodes of ours that know what waits in it and could be "
        "told to."
    )
    adopts: bool = Field(description="Whether they are told by themselves (`CELERIAC_ADOPT_QUEUES`).")

    @classmethod
    def of(cls, states: QueueStates, consumers: Iterable[WorkerRow], *, takers: Sequence[str], adopts: bool) -> Self:
        (state,) = states.queues
        return cls(
            **_fields(state),
            queue_depth_source=source_of(states),
            due_is_exact=states.due_is_exact,
            workers=[QueueConsumer.from_row(row, state.name) for row in consumers],
            takers=list(takers),
            adopts=adopts,
        )


def source_of(states: QueueStates) -> DepthSource:
    """Return who says how many wait."""
    return DepthSource.BROKER if states.is_from_broker else DepthSource.MIRROR


def _fields(state: QueueState) -> dict[str, Any]:
    return {
        "queue_name": state.name,
        "waiting": state.waiting,
        "due": state.due,
        "unacked": state.held,
        "oldest_waiting_at": state.oldest_waiting_at,
        "in_per_minute": state.rates.incoming,
        "out_per_minute": state.rates.outgoing,
        "empty_in_seconds": state.empty_in_seconds,
        "consumers": state.consumers.online,
        "active_consumers": state.consumers.active,
        "mark": ActiveMark.from_mark(state.mark) if state.mark else None,
    }
