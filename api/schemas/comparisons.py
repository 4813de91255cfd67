"""Comparisons of two tasks on the wire."""

from typing import Self

from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.tasks import TimelineEvent
from api.schemas.types import JsonValue
from domain.comparisons import Op
from services.comparisons import Comparison, WholeHistory


class ComparedTiming(ResponseModel):
    """How long each waited and ran, in seconds; null for what has not happened."""

    task1_duration: float | None
    task2_duration: float | None
    difference_seconds: float | None = Field(description="By how much the second ran longer than the first.")
    task1_wait: float | None = Field(description="From when it was due to its first start.")
    task2_wait: float | None


class ArgumentDifference(ResponseModel):
    """One step of a JSON Patch (RFC 6902) from the first task's arguments to the second's."""

    op: Op
    path: str = Field(examples=["/task_args/0", "/task_kwargs/currency"])
    value: JsonValue = Field(description="Of the second task; null with `remove`.")
    old_value: JsonValue = Field(description="Of the first task; null with `add`.")


class ComparedEvents(ResponseModel):
    """The timelines of both tasks, side by side."""

    task1: list[TimelineEvent]
    task2: list[TimelineEvent]


class TaskComparison(ResponseModel):
    """What is alike in two tasks; null for what is not known of one of them, as may be with tasks of others."""

    task_id1: str
    task_id2: str
    same_function: bool | None
    same_args: bool | None
    same_kwargs: bool | None
    same_priority: bool | None
    same_queue: bool | None
    same_status: bool
    same_worker: bool | None = Field(description="null until both have come to a worker.")
    timing: ComparedTiming
    arguments: list[ArgumentDifference] | None = Field(description="At most 1,000 differences.")
    arguments_truncated: bool = Field(description="There are more differences than are shown.")
    events: ComparedEvents

    @classmethod
    def from_comparison(cls, comparison: Comparison) -> Self:
        task1_wait, task2_wait = comparison.waits
        return cls(
            task_id1=comparison.one.task.task_id,
            task_id2=comparison.other.task.task_id,
            same_function=comparison.same_function,
            same_args=comparison.same_args,
            same_kwargs=comparison.same_kwargs,
            same_priority=comparison.same_priority,
            same_queue=comparison.same_queue,
            same_status=comparison.same_status,
            same_worker=comparison.same_worker,
            timing=ComparedTiming(
                task1_duration=comparison.one.task.duration_seconds,
                task2_duration=comparison.other.task.duration_seconds,
                difference_seconds=comparison.difference_seconds,
                task1_wait=task1_wait,
                task2_wait=task2_wait,
            ),
            arguments=comparison.arguments,
            arguments_truncated=comparison.arguments_truncated,
            events=ComparedEvents(task1=_events(comparison.one), task2=_events(comparison.other)),
        )


def _events(history: WholeHistory) -> list[TimelineEvent]:
    return [TimelineEvent.from_entry(entry, history.worker_ids) for entry in history.entries]
