"""Taking a workflow further: settle the steps that have ended, start those whose turn has come, end it with the last.

All in the transaction that holds the lock on the workflow. What a step needs from outside Postgres is only named here;
`loops/workflows.py` fetches it and comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.steps import WorkflowStatus, outcome, settle, stops
from services.submissions import submit
from services.workflow_results import Unread, Values, resolve
from store.queries import workflow_progress, workflow_steps
from store.queries.workflow_progress import LockedWorkflow

START_AT_ONCE = 100
"""Steps whose arguments are in memory at a time, each up to 1 MiB."""
LOOK_AGAIN_AFTER = timedelta(seconds=1)
"""For a result that nobody has told yet."""
BEFORE_THE_FIRST = -1


@dataclass(frozen=True, slots=True)
class Advanced:
    """What taking a workflow further has brought about."""

    status: WorkflowStatus
    unread: Sequence[Unread]
    """Results without which some step cannot start."""


async def advance(connection: AsyncConnection, workflow: LockedWorkflow, *, fetched: Values | None = None) -> Advanced:
    """Do all that can be done now. Doing it again, at any time, does nothing that was done before."""
    unfinished = workflow.unfinished - await _settle(connection, workflow)
    start = await _start(connection, workflow, fetched=fetched or Values())
    while start.broken:  # an end like any other
        unfinished -= await _settle(connection, workflow)
        start = await _start(connection, workflow, fetched=fetched or Values())
    status = await _status(connection, workflow, unfinished=unfinished)
    if (status, unfinished) != (workflow.status, workflow.unfinished):
        await workflow_progress.write_progress(connection, workflow, status=status, unfinished=unfinished)
    if status is not workflow.status:
        event = "started" if status is WorkflowStatus.RUNNING else status.lower()
        await workflow_progress.add_event(connection, workflow.workflow_id, event)
    if start.unread:
        await workflow_progress.wake(connection, workflow.workflow_id, after=LOOK_AGAIN_AFTER)
    return Advanced(status, start.unread)


async def _settle(connection: AsyncConnection, workflow: LockedWorkflow) -> int:
    """Take ends into account until there are none left; returns how many steps are settled by it."""
    settled = 0
    this = workflow.workflow_id
    if workflow.cancel_requested_at is not None:
        settled += await workflow_steps.skip_waiting(connection, this)
    while ended := await workflow_steps.list_unsettled(connection, this):
        await workflow_steps.mark_settled(connection, this, [step.position for step in ended])
        settled += len(ended)
        if stops(ended, workflow.on_failure):
            settled += await workflow_steps.skip_waiting(connection, this)
            await workflow_progress.stop(connection, this)
            continue
        children = {child for step in ended for child in step.children}
        moves = settle(ended, await workflow_steps.get_waiting(connection, this, children) if children else {})
        if moves.waiting_for:
            await workflow_steps.write_waiting(connection, this, moves.waiting_for)
        if moves.skipped:
            await workflow_steps.skip(connection, this, moves.skipped)
    return settled


@dataclass(frozen=True, slots=True)
class _Start:
    broken: int
    """Steps that failed instead."""
    unread: tuple[Unread, ...]


async def _start(connection: AsyncConnection, workflow: LockedWorkflow, *, fetched: Values) -> _Start:
    """Make tasks of the steps that are free; one whose arguments cannot be made fails here."""
    this, position = workflow.workflow_id, BEFORE_THE_FIRST
    broken = 0
    unread: list[Unread] = []
    now = datetime.now(UTC)
    while free := await workflow_steps.list_free(connection, this, behind=position, limit=START_AT_ONCE, now=now):
        position = free[-1].position
        resolved = await resolve(connection, this, free, fetched=fetched)
        if resolved.ready:
            await submit(connection, list(resolved.ready.values()))
            await workflow_steps.mark_started(connection, this, resolved.ready.keys())
        if resolved.broken:
            await workflow_steps.fail(connection, this, resolved.broken)
        broken += len(resolved.broken)
        unread += resolved.unread
        if len(free) < START_AT_ONCE:
            break
    return _Start(broken, tuple(unread))


async def _status(connection: AsyncConnection, workflow: LockedWorkflow, *, unfinished: int) -> WorkflowStatus:
    this = workflow.workflow_id
    if unfinished == 0:
        statuses = await workflow_steps.get_statuses(connection, this)
        return outcome(statuses, cancel_requested=workflow.cancel_requested_at is not None)
    if workflow.status is WorkflowStatus.PENDING and await workflow_steps.has_begun(connection, this):
        return WorkflowStatus.RUNNING
    return workflow.status
