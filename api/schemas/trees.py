"""Trees of tasks on the wire."""

from typing import Self

from pydantic import Field

from api.schemas.pages import Page
from api.schemas.tasks import TaskRow
from store.queries.trees import TreeMember


class TreeTask(TaskRow):
    """A task in its tree."""

    root_id: str | None = Field(description="null for a task that no other program has sent.")
    parent_id: str | None
    depth: int = Field(description="0 is the root.")

    @classmethod
    def from_place(cls, member: TreeMember, *, depth: int) -> Self:
        return cls.model_validate(
            TaskRow.from_task(member).model_dump()
            | {"root_id": member.root_id, "parent_id": member.parent_id, "depth": depth}
        )


class TaskTree(Page[TreeTask]):
    """The tasks of a tree, each behind the one that it came of, before that one's later children."""

    task_id: str
    root_id: str | None = Field(description="null: it lies outside the limits of the API key.")
