"""Lists of workflows: which are wanted, how many there are, and one page. One whole is read in `documents.py`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.filters import EXACT_TOTAL
from domain.identities import ids_beginning
from domain.sight import EVERYTHING, Sight
from domain.workflows.steps import WorkflowStatus
from store.queries.sight import workflow_seen
from store.queries.workflows.documents import StoredWorkflow
from store.tables.workflows import workflows


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """Which workflows are wanted: all that is given must hold."""

    statuses: tuple[WorkflowStatus, ...] = ()
    name: str | None = None
    id_prefix: str | None = None
    """Hexadecimal digits and dashes."""
    sight: Sight = EVERYTHING
    """The workflows that exist for whoever asks."""


async def list_workflows(
    connection: AsyncConnection,
    filters: WorkflowFilter,
    *,
    limit: int,
    offset: int,
    after: tuple[datetime, UUID] | None = None,
) -> tuple[int, bool, list[StoredWorkflow]]:
    """Return how many match, whether that is exact, and one page, newest first (index workflows_created, or the
    filter's).

    `after`: `created_at` and id of the row behind which the page begins; the count is of all.
    """
    where = _conditions(filters)
    newest = (workflows.c.created_at.desc(), workflows.c.workflow_id.desc())
    page = select(workflows).where(*where).order_by(*newest).limit(limit).offset(offset)
    if after is not None:
        page = page.where(tuple_(workflows.c.created_at, workflows.c.workflow_id) < tuple_(*after))
    rows = [StoredWorkflow(*row) for row in await connection.execute(page)]
    matching = select(workflows.c.workflow_id).where(*where).limit(EXACT_TOTAL + 1).subquery()
    count: int = (await connection.execute(select(func.count()).select_from(matching))).scalar_one()
    return min(count, EXACT_TOTAL), count <= EXACT_TOTAL, rows


def _conditions(filters: WorkflowFilter) -> list[ColumnElement[bool]]:
    conditions = [*workflow_seen(filters.sight)]
    if filters.statuses:
        conditions.append(workflows.c.status.in_([status.value for status in filters.statuses]))
    if filters.name is not None:
        conditions.append(workflows.c.name == filters.name)
    if filters.id_prefix is not None:
        conditions.append(workflows.c.workflow_id.between(*ids_beginning(filters.id_prefix)))
    return conditions
