"""Trees of tasks on the wire."""

from typing import Self

from pydantic import Field

from api.schemas.pages import Page
from api.schemas.tasks import TaskRow
from store.queries.tasks import Record


class TreeTask(TaskRow):
    """A task in its tree."""

    root_id: str | None = Field(description="null for a task that no other program has sent.")
    parent_id: str | None
    depth: int = Field(description="0 is the root.")

    @classmethod
    def from_place(cls, record: Record, *, depth: int) -> Self:
        return cls.model_validate(
            TaskRow.from_record(record).model_dump()
            | {"root_id": record["root_id"], "parent_id": record["parent_id"], "depth": depth}
        )


class TaskTree(Page[TreeTask]):
    """The tasks of a tree, each behind the one that it came of, before that one's later children."""

    task_id: str
    root_id: str
