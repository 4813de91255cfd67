"""The history of a worker on the wire."""

from collections.abc import Iterable
from typing import Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.types import Timestamp
from domain.workers.history import HistoryEntry, WorkerEvent


class WorkerHistoryEntry(ResponseModel):
    """One thing that happened to a worker."""

    at: Timestamp = Field(description="Of `online`, `offline` and `vanished` by the worker's own clock, if it told.")
    event: WorkerEvent
    by: str | None = Field(description="Who asked for it.", examples=["api_key:k7Qm2ZpX4rT1"])
    by_name: str | None = Field(
        description="How he was called then; null where nobody asked, or nobody has a name.", examples=["ann"]
    )
    reason: str | None = Field(description="Why, if it was said.")
    capacity: int | None = Field(description="Only with `resize_asked` and `registered`.")
    queue_name: str | None = Field(
        description="Only with `queue_taken_on`: nobody consumed it, so it was told to (`CELERIAC_ADOPT_QUEUES`)."
    )


class WorkerHistory(ResponseModel):
    """What has become of a worker."""

    worker_id: UUID
    data: list[WorkerHistoryEntry] = Field(
        description="Newest first: the latest 200 requests, as long as the audit keeps them, when the "
        "latest 20 processes of its name came and went (`vanished`: without a goodbye, and noticed when the next one "
        "came), when it was last drained, and when it last took on each queue that nobody consumed."
    )

    @classmethod
    def of(cls, worker_id: UUID, entries: Iterable[HistoryEntry]) -> Self:
        return cls(worker_id=worker_id, data=[WorkerHistoryEntry.model_validate(entry) for entry in entries])
