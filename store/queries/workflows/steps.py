"""The statements by which the steps of workflows go on: they follow their tasks, are settled, skipped, started, reset.

What concerns a workflow as a whole is in `progress.py`. Each statement looks only at what has just happened,
found by a partial index; none reads all steps of a workflow that is under way, but for those that stop it.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Integer,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import CannotOpen
from domain.submissions import Submission
from domain.workflows.steps import IN_FLIGHT, EndedStep, StepStatus, WorkflowStatus
from store.at_rest import AtRest, at_rest_of
from store.batch import batch_of, bind_rows
from store.listener import AWAITED, WORKFLOWS
from store.queries.workflows.documents import open_arguments, owner_of
from store.tables.base import Time
from store.tables.tasks import task_results, tasks
from store.tables.workflows import workflow_steps, workflow_submissions, workflow_wakes, workflows
from store.together import together

POSITIONS = ARRAY(Integer)
ANY_SIZE = 2**31 - 1
Writes = Callable[[], Awaitable[None]]

_steps = workflow_steps.c
_of_workflow = _steps.workflow_id == bindparam("workflow", type_=Uuid)
_at_positions = (_of_workflow, _steps.position == bindparam("positions", type_=POSITIONS).any_())


@dataclass(frozen=True, slots=True)
class TaskChange:
    """A step's task has another status than before."""

    workflow_id: UUID
    task_id: str
    status: str
    ended_at: datetime | None


_CHANGE = ("workflow_id", "task_id", "status", "ended_at")
_changes = batch_of(workflow_id=Uuid, task_id=Text, status=Text, ended_at=Time)
_moved = (
    update(workflow_steps)
    .where(_steps.workflow_id == _changes.c.workflow_id, _steps.task_id == _changes.c.task_id)
    .values(status=_changes.c.status, ended_at=_changes.c.ended_at)
    .returning(_steps.workflow_id, _steps.ended_at)
    .cte("moved")
)
_woken = (
    insert(workflow_wakes)
    .from_select(
        ("workflow_id",),
        select(_moved.c.workflow_id)
        .distinct()
        .join(workflows, workflows.c.workflow_id == _moved.c.workflow_id)
        # The first start makes the workflow RUNNING; later starts change nothing that is written.
        .where(
            or_(_moved.c.ended_at.is_not(None), workflows.c.status == WorkflowStatus.PENDING.value),
            _moved.c.workflow_id != bindparam("in_hand", type_=ARRAY(Uuid)).all_(),
        ),
    )
    .returning(workflow_wakes.c.workflow_id)
    .cte("woken")
)
_follow = select(cast(func.pg_notify(WORKFLOWS, ""), Text)).select_from(_woken).limit(1)


async def follow_tasks(
    connection: AsyncConnection, changes: Iterable[TaskChange], *, in_hand: Sequence[UUID] = ()
) -> None:
    """Give steps the status of their tasks, and wake their workflows where that may matter (index workflow_steps_task),
    but for those that the caller has in hand.

    The caller holds the locks on the tasks, and so those on the steps cannot make a circle. A task that its step has
    replaced since is passed over.
    """
    rows = [(change.workflow_id, change.task_id, change.status, change.ended_at) for change in changes]
    parameters = bind_rows(_CHANGE, rows) | {"in_hand": list(in_hand)}
    await connection.execute(_follow, parameters)


_settled = (
    update(workflow_steps)
    .where(_of_workflow, text("ended_at IS NOT NULL AND NOT settled"))
    .values(settled=True)
    .returning(_steps.position, _steps.status, _steps.children)
    .cte("settled")
)
_behind = select(func.unnest(_settled.c.children))
_settle = union_all(
    select(_settled.c.position, _settled.c.status, _settled.c.children, literal(None, Integer).label("waiting_for")),
    select(_steps.position, _steps.status, literal(None, POSITIONS), _steps.waiting_for).where(
        _of_workflow, _steps.status == StepStatus.WAITING.value, _steps.position.in_(_behind)
    ),
)
_MOVE = ("position", "left")
_moves = batch_of(position=Integer, left=Integer)
_move = (
    update(workflow_steps).where(_of_workflow, _steps.position == _moves.c.position).values(waiting_for=_moves.c.left)
)
_skip = update(workflow_steps).where(*_at_positions).values(status=StepStatus.SKIPPED.value, ended_at=func.now())
_skip_waiting = (
    update(workflow_steps)
    .where(_of_workflow, _steps.status == StepStatus.WAITING.value)
    .values(status=StepStatus.SKIPPED.value, ended_at=func.now(), settled=True)
)


Ended = tuple[list[EndedStep], dict[int, int]]
"""Steps that have ended, and those behind them that wait, by position, each with for how many it does."""


async def settle_ended(connection: AsyncConnection, workflow_id: UUID) -> Ended:
    """Note that ends have been taken into account, all that have not been; returns those (index
    workflow_steps_unsettled, primary key).
    """
    return _as_ended(await connection.execute(_settle, {"workflow": workflow_id}))


async def follow_and_settle(
    connection: AsyncConnection, changes: Iterable[TaskChange], *, in_hand: Sequence[UUID]
) -> dict[UUID, Ended]:
    """Do as `follow_tasks` does, and then for each workflow in hand as `settle_ended`, in one round trip."""
    async with together(connection) as asking:
        await follow_tasks(connection, changes, in_hand=in_hand)
        asked = {workflow_id: await asking.ask(_settle, {"workflow": workflow_id}) for workflow_id in in_hand}
    return {workflow_id: _as_ended(answer.rows) for workflow_id, answer in asked.items()}


def _as_ended(rows: Iterable[Any]) -> Ended:
    ended: list[EndedStep] = []
    waiting: dict[int, int] = {}
    for position, status, children, waiting_for in rows:
        if waiting_for is None:
            ended.append(EndedStep(position, StepStatus(status), children))
        else:
            waiting[position] = waiting_for
    return sorted(ended, key=attrgetter("position")), waiting


async def write_waiting(connection: AsyncConnection, workflow_id: UUID, *, waiting_for: Mapping[int, int]) -> None:
    """Write for how many steps these still wait (primary key)."""
    await connection.execute(_move, {"workflow": workflow_id} | bind_rows(_MOVE, waiting_for.items()))


async def skip(connection: AsyncConnection, workflow_id: UUID, *, positions: Collection[int]) -> None:
    """End these steps, which wait, as skipped (primary key)."""
    await connection.execute(_skip, {"workflow": workflow_id, "positions": list(positions)})


async def skip_waiting(connection: AsyncConnection, workflow_id: UUID) -> int:
    """End and settle every step that waits; returns how many (primary key)."""
    return (await connection.execute(_skip_waiting, {"workflow": workflow_id})).rowcount


@dataclass(frozen=True, slots=True)
class FreeStep:
    """A step whose turn has come."""

    position: int
    has_references: bool
    submission: Submission
    """The submission as it was submitted: with its references, and the time of the workflow."""
    unopened: str | None = None
    """Why its arguments, which are encrypted at rest, cannot be read."""


_next_free = (
    select(
        _steps.position,
        _steps.task_id,
        workflow_submissions.c.task_name,
        cast(workflow_submissions.c.args, Text),
        cast(workflow_submissions.c.kwargs, Text),
        *(
            workflow_submissions.c[name]
            for name in ("queue_name", "priority", "max_retries", "timeout_seconds", "scheduled_at", "has_references")
        ),
    )
    .join(
        workflow_submissions,
        (workflow_submissions.c.workflow_id == _steps.workflow_id)
        & (workflow_submissions.c.position == _steps.position),
    )
    .where(
        _of_workflow,
        text("status = 'WAITING' AND waiting_for = 0"),
        _steps.position > bindparam("behind", type_=Integer),
    )
    .order_by(_steps.position)
    .limit(bindparam("limit", type_=Integer))
    .subquery()
)
_size = func.octet_length(_next_free.c.args) + func.octet_length(_next_free.c.kwargs)
_before = func.sum(_size).over(order_by=_next_free.c.position) - _size
_measured = select(_next_free, _before.label("before")).subquery()
_free = (
    select(*(column for column in _measured.c if column.name != "before"))
    .where(_measured.c.before < bindparam("max_bytes", type_=Integer))
    .order_by(_measured.c.position)
)
_FREE = tuple(_free.selected_columns.keys())
_started = update(workflow_steps).where(*_at_positions).values(status=StepStatus.PENDING.value)
_start = select(case((bindparam("is_awaited", type_=Boolean), cast(func.pg_notify(AWAITED, ""), Text)))).add_cte(
    _started.cte("started")
)
_FAILURE = ("position", "error")
_failures = batch_of(position=Integer, error=Text)
_fail = (
    update(workflow_steps)
    .where(_of_workflow, _steps.position == _failures.c.position)
    .values(status=StepStatus.FAILED.value, ended_at=func.now(), error=_failures.c.error)
)


async def list_free(
    connection: AsyncConnection,
    workflow_id: UUID,
    *,
    behind: int,
    limit: int,
    max_bytes: int,
    now: datetime,
    before: Writes | None = None,
) -> list[FreeStep]:
    """Return up to `limit` steps that may start, in their order, after this position (index workflow_steps_free).

    The last of them is the one whose arguments reach `max_bytes`. `before` writes what makes steps free, in the same
    round trip.
    """
    async with together(connection) as asking:
        if before:
            await before()
        parameters = {"workflow": workflow_id, "behind": behind, "limit": limit, "max_bytes": max_bytes}
        free = await asking.ask(_free, parameters)
    vault = at_rest_of(connection)
    steps: list[FreeStep] = []
    for row in free.rows:
        submitted = dict(zip(_FREE, row, strict=True))
        position, has_references = submitted.pop("position"), submitted.pop("has_references")
        unopened = None
        try:
            submitted |= open_arguments(vault, submitted, owner=owner_of(workflow_id, position))
        except CannotOpen as error:
            unopened = error.reason
        submission = Submission(**submitted, created_at=now, workflow_id=workflow_id)
        steps.append(FreeStep(position, has_references, submission, unopened))
    return steps


async def mark_started(
    connection: AsyncConnection, workflow_id: UUID, *, positions: Collection[int], is_awaited: bool
) -> None:
    """Note that these steps have become tasks (primary key); mirrors hurry if their ends are awaited."""
    parameters = {"workflow": workflow_id, "positions": list(positions), "is_awaited": is_awaited}
    await connection.execute(_start, parameters)


async def fail(connection: AsyncConnection, workflow_id: UUID, *, errors: Mapping[int, str]) -> None:
    """End these steps, which wait, as failed without a task (primary key)."""
    await connection.execute(_fail, {"workflow": workflow_id} | bind_rows(_FAILURE, errors.items()))


@dataclass(frozen=True, slots=True)
class StepResult:
    """What Postgres knows of the result of a step that has completed."""

    step_id: str
    task_id: str
    result: str | None
    """JSON text; None where only the result backend may have it."""
    is_awaited: bool
    """Whether it is not known, but the sweep still looks for it."""


_result = cast(task_results.c.result, Text)
_result_bytes = func.octet_length(_result)
_results = (
    select(
        _steps.step_id,
        _steps.task_id,
        case((~task_results.c.truncated & (_result_bytes <= bindparam("most_bytes", type_=Integer)), _result)).label(
            "result"
        ),
        func.coalesce(tasks.c.result_pending, literal(value=False)).label("is_awaited"),
    )
    .outerjoin(task_results, task_results.c.task_id == _steps.task_id)
    .outerjoin(tasks, tasks.c.task_id == _steps.task_id)
    .where(_of_workflow, _steps.step_id == bindparam("step_ids", type_=ARRAY(Text)).any_())
)


async def get_results(
    connection: AsyncConnection, workflow_id: UUID, *, step_ids: Sequence[str], most_bytes: int = ANY_SIZE
) -> list[StepResult]:
    """Return results of these steps: up to 1 MiB each, so ask for few at a time (index workflow_steps_id).

    Larger ones than `most_bytes` are left out, as if they were not known.
    """
    parameters = {"workflow": workflow_id, "step_ids": list(step_ids), "most_bytes": most_bytes}
    rows = await connection.execute(_results, parameters)
    vault = at_rest_of(connection)
    return [_opened_result(vault, StepResult(**row._mapping)) for row in rows]


def _opened_result(vault: AtRest, found: StepResult) -> StepResult:
    """The result, decrypted; where that cannot be, only the result backend may have it."""
    if found.result is None:
        return found
    try:
        return replace(found, result=vault.open_json(found.result, found.task_id, column="result"))
    except CannotOpen:
        return replace(found, result=None)


_has_begun = select(
    exists().where(
        _of_workflow,
        _steps.status.not_in([StepStatus.WAITING.value, StepStatus.PENDING.value, StepStatus.SKIPPED.value]),
    )
)
_in_flight = select(_steps.task_id).where(_of_workflow, _steps.status.in_([status.value for status in IN_FLIGHT]))
_statuses = select(_steps.status).distinct().where(_of_workflow)


async def has_begun(connection: AsyncConnection, workflow_id: UUID) -> bool:
    """Tell whether any of its steps has been started (primary key)."""
    return bool((await connection.execute(_has_begun, {"workflow": workflow_id})).scalar_one())


async def list_in_flight(connection: AsyncConnection, workflow_id: UUID) -> list[str]:
    """Return the ids of its tasks that have not ended (primary key)."""
    return list((await connection.execute(_in_flight, {"workflow": workflow_id})).scalars())


async def get_statuses(connection: AsyncConnection, workflow_id: UUID) -> set[StepStatus]:
    """Return the statuses that its steps have (primary key)."""
    return {StepStatus(status) for status in (await connection.execute(_statuses, {"workflow": workflow_id})).scalars()}


_states = select(_steps.position, _steps.status, _steps.children).where(_of_workflow).order_by(_steps.position)


async def list_states(connection: AsyncConnection, workflow_id: UUID) -> list[EndedStep]:
    """Return every step of a workflow that has ended, in their order (primary key)."""
    rows = await connection.execute(_states, {"workflow": workflow_id})
    return [EndedStep(row.position, StepStatus(row.status), row.children) for row in rows]
