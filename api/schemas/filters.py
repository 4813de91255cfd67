"""How clients say which tasks they want: `TaskFilters` in a body, `TaskQuery` in a query string, one grammar.

Both come down to a `domain.filters.TaskFilter`.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field

from api.schemas.base import RequestModel
from api.schemas.pages import (
    CURSOR_MEANING,
    DEFAULT_LIMIT,
    MAX_CURSOR,
    MAX_LIMIT,
    MAX_OFFSET,
    ROWS_MEANING,
    Rows,
    SortOrder,
)
from api.schemas.types import Moment, Text, time_of
from domain.filters import Sort, TaskFilter
from domain.identities import MAX_ID_BYTES
from domain.search_text import parse_query
from domain.states import Phase, Status
from domain.workers.status import node_name

MAX_STATUSES = 100
MAX_NAME = 255
MAX_SEARCH = 500

SortBy = Literal[
    "created_at", "started_at", "completed_at", "priority", "status", "task_name", "queue_name", "duration"
]
_TIMES = "RFC 3339, a date (its start in UTC), or relative: -24h is 24 hours ago (s, m, h, d)."


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


# Strict takes neither a status nor a UUID from the text that JSON has for it.
Statuses = Annotated[
    list[Annotated[Status, Field(strict=False)]],
    BeforeValidator(_as_list, json_schema_input_type=list[Status]),
    Field(max_length=MAX_STATUSES, description="May repeat."),
]
Priority = Annotated[int, Field(ge=1, le=10)]
Name = Annotated[Text, Field(max_length=MAX_NAME)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False, description="Of the last attempt, in seconds.")]


class TaskFilters(RequestModel):
    """All that is given must hold."""

    status: Statuses = Field(default=[])
    phase: Annotated[Phase, Field(strict=False)] | None = Field(
        None, description="`dispatching`: due, and not handed to the broker; while a mark holds it back, it is so."
    )
    priority: Priority | None = None
    min_priority: Priority | None = None
    task_id: Annotated[Text, Field(max_length=MAX_ID_BYTES)] | None = Field(
        None, description="Also for ids that no path can hold: `.` and `..`."
    )
    task_name: Name | None = None
    queue_name: Name | None = None
    worker_id: Name | None = Field(None, description="Id or hostname of the worker that has or had it.")
    workflow_id: Annotated[UUID, Field(strict=False)] | None = None
    submitted_by: Name | None = Field(None, description="Who submitted it here, e.g. api_key:k7Qm2ZpX4rT1.")
    is_replay: bool | None = Field(None, description="true: only replays of others; false: none of them.")
    error: Annotated[Text, Field(max_length=MAX_SEARCH)] | None = Field(
        None, description="A part of the error, in any case of letters."
    )
    min_duration: Seconds | None = None
    max_duration: Seconds | None = None
    created_after: Moment | None = Field(None, description=_TIMES)
    created_before: Moment | None = Field(None, description=_TIMES)
    started_after: Moment | None = Field(None, description=_TIMES)
    started_before: Moment | None = Field(None, description=_TIMES)
    completed_after: Moment | None = Field(None, description=_TIMES)
    completed_before: Moment | None = Field(None, description=_TIMES)
    search: Annotated[Text, Field(max_length=MAX_SEARCH)] | None = Field(
        None,
        description='Words of the name, arguments, error, worker, queue and id, each from its beginning; `"a phrase"`, '
        "`-without`, `or`. Names are split at `_ . - /` and changes of case. Without a letter or digit: finds nothing.",
    )

    def as_filter(self) -> TaskFilter:
        """Return the filter as of now."""
        now = datetime.now(UTC)
        given = ((name, getattr(self, name)) for name in _MOMENTS)
        times: dict[str, Any] = {name: time_of(moment, now) for name, moment in given if moment is not None}
        worker_id, node = _worker(self.worker_id)
        return TaskFilter(
            statuses=tuple(dict.fromkeys(self.status)),
            phase=self.phase,
            task_id=self.task_id,
            task_name=self.task_name,
            queue_name=self.queue_name,
            priority=self.priority,
            min_priority=self.min_priority,
            node=node,
            worker_id=worker_id,
            workflow_id=self.workflow_id,
            submitted_by=self.submitted_by,
            is_replay=self.is_replay,
            error=self.error or None,
            min_duration=self.min_duration,
            max_duration=self.max_duration,
            search=parse_query(self.search) if self.search and not self.search.isspace() else None,
            **times,
        )


_MOMENTS = [f"{moment}_{side}" for moment in ("created", "started", "completed") for side in ("after", "before")]


class PageQuery(RequestModel):
    """Which page, in which order."""

    model_config = ConfigDict(strict=False)

    sort_by: SortBy = "created_at"
    sort_order: SortOrder = SortOrder.DESC
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Rows in this page.")] = DEFAULT_LIMIT
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET, description="Rows before this page.")] = 0
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = Field(None, description=CURSOR_MEANING)
    rows: Rows = Field(Rows.BOTH, description=ROWS_MEANING)

    def sort(self) -> Sort:
        """The order, in the domain's terms."""
        return Sort(by=self.sort_by, descending=self.sort_order is SortOrder.DESC)


class TaskQuery(TaskFilters, PageQuery):
    """Which tasks, and which page of them."""

    model_config = ConfigDict(strict=False)


class ExportQuery(TaskQuery):
    """Which tasks to export, as in a search; without a limit all that match."""

    limit: Annotated[int, Field(ge=1, le=MAX_OFFSET)] | None = None  # type: ignore[assignment]


def _worker(worker_id: str | None) -> tuple[UUID | None, str | None]:
    """The id, or the node of the hostname."""
    if worker_id is None:
        return None, None
    try:
        return UUID(worker_id), None
    except ValueError:
        return None, node_name(worker_id)
