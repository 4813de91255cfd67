"""What marks hold back, on the wire."""

from typing import Self

from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.types import Timestamp
from domain.degradation import Marks, holders_of
from store.queries.held import HeldTasks


class HeldTasksModel(ResponseModel):
    """The tasks of one queue and name that are held back."""

    queue_name: str = Field(examples=["payments"])
    task_name: str = Field(examples=["process_payment"])
    count: int = Field(examples=[812])
    oldest_due_at: Timestamp
    held_by: list[str] = Field(description="The marked services.", examples=[["queue:payments"]])


class HeldAnswer(ResponseModel):
    """What marks hold back at this moment."""

    total: int = Field(description="Tasks that are held back.", examples=[812])
    is_exact: bool = Field(description="false: only the 10,000 longest due were looked at.")
    data: list[HeldTasksModel] = Field(description="The most first.")

    @classmethod
    def of(cls, held: list[HeldTasks], marks: Marks, *, is_exact: bool) -> Self:
        return cls(
            total=sum(each.count for each in held),
            is_exact=is_exact,
            data=[
                HeldTasksModel(
                    queue_name=each.queue_name,
                    task_name=each.task_name,
                    count=each.count,
                    oldest_due_at=each.oldest_due_at,
                    held_by=holders_of(each.queue_name, each.task_name, marks=marks),
                )
                for each in held
            ],
        )
