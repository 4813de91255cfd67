"""What marks hold back, on the wire."""

from typing import Self

from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.resilience import ActiveMark
from api.schemas.types import Timestamp
from domain.degradation import Marks, counts_by_mark, holders_of
from store.queries.held import HeldTasks


class HeldTasksModel(ResponseModel):
    """The tasks of one queue and name that are held back."""

    queue_name: str = Field(examples=["payments"])
    task_name: str = Field(examples=["process_payment"])
    count: int = Field(examples=[812])
    oldest_due_at: Timestamp
    held_by: list[str] = Field(description="The marked services.", examples=[["queue:payments"]])


class HoldingMark(ActiveMark):
    """A mark `queue_only`, and how much it holds back."""

    count: int = Field(description="What two marks hold back is counted with both.", examples=[812])


class HeldAnswer(ResponseModel):
    """What marks hold back at this moment."""

    total: int = Field(description="Tasks that are held back.", examples=[812])
    is_exact: bool = Field(description="false: only the 10,000 longest due were looked at.")
    data: list[HeldTasksModel] = Field(description="The most first.")
    marks: list[HoldingMark] = Field(
        description="Who holds back how many; a key with limits is told of those marks only that hold some of its own."
    )

    @classmethod
    def of(cls, held: list[HeldTasks], marks: Marks, *, is_exact: bool, tells_all: bool = True) -> Self:
        """Return the answer. `tells_all`: also of marks that hold nothing back now."""
        counts = counts_by_mark(((each.queue_name, each.task_name, each.count) for each in held), marks=marks)
        return cls(
            marks=[
                HoldingMark(**ActiveMark.from_mark(marks[name]).model_dump(), count=count)
                for name, count in counts.items()
                if count or tells_all
            ],
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
