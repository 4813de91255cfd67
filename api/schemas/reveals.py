"""Reveals on the wire: why somebody asks, and a task's arguments and result without the mask."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.types import JsonValue, Text
from domain.audit import MAX_REASON, check_reason
from domain.json_values import is_too_deep
from store.queries.tasks.documents import WholeTask

_SAYS_SOMETHING = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
"""What a pattern can say of it: a line of text that is not blank."""


def _checked_reason(reason: str) -> str:
    check_reason(reason)
    return reason


Reason = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=MAX_REASON,
        examples=["INC-17"],
        json_schema_extra={"pattern": _SAYS_SOMETHING},
    ),
    AfterValidator(_checked_reason),
]


class RevealOrder(RequestModel):
    """The body of a reveal."""

    reason: Reason = Field(description="Why the values are needed; it is kept with who asked.")


class RevealedTask(ResponseModel):
    """What `GET /tasks/{task_id}` shows with masks, as it is stored. Errors and tracebacks have no other form."""

    task_id: str
    task_name: str | None
    task_args: list[Any] | None
    task_kwargs: dict[str, Any] | None
    args_repr: str | None = Field(description="What Celery tells of others' arguments, as their sender wrote it.")
    kwargs_repr: str | None
    result: JsonValue
    result_repr: str | None

    @classmethod
    def from_whole(cls, task: WholeTask) -> Self:
        """Return the true values of a task."""
        return cls(
            task_id=task.task_id,
            task_name=task.task_name,
            task_args=task.args,
            task_kwargs=task.kwargs,
            args_repr=task.args_repr,
            kwargs_repr=task.kwargs_repr,
            result=None if is_too_deep(task.result) else task.result,
            result_repr=task.result_repr,
        )
