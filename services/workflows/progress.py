"""Taking a workflow further: settle the steps that have ended, start those whose turn has come, end it with the last.

All in the transaction that holds the lock on the workflow. What a step needs from outside Postgres is only named here;
`loops/workflows.py` fetches it and comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import TERMINAL
from domain.workflows.steps import WorkflowStatus, outcome, settle, stops
from services.feed import tell_workflow
from services.submissions import submit
from services.workflows.results import GROUP_BYTES, Group, Resolved, Unread, resolve
from store.queries.workflows import progress, steps
from store.queries.workflows.progress import LockedWorkflow
from store.queries.workflows.steps import ANY_SIZE
from store.together import together

START_AT_ONCE = 100
"""How many steps have their arguments in memory at a time, `GROUP_BYTES` of them."""
STEPS_OF_A_TURN = 300
"""How many steps one turn starts, or one full group; then others have theirs. Measured, 0.3 s."""
MAX_FILLED_BYTES = 256 * 1024 * 1024
"""What results may make of the arguments of a workflow's steps, in all: a thousand may refer to one of 1 MiB."""
NO_ROOM = f"With results in their places the arguments of this workflow's steps are above {MAX_FILLED_BYTES >> 20} MiB."
FEW = 4
"""How many steps that start together make mirrors hurry with their ends."""
LOOK_AGAIN_AFTER = timedelta(seconds=1)
"""How long a workflow waits that lacks a result which nobody has told yet."""
BEFORE_THE_FIRST = -1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one turn does."""

    steps: int = STEPS_OF_A_TURN
    bytes: int = GROUP_BYTES
    """How large the arguments of the steps are in all, or one step's where that alone is larger."""
    result_bytes: int = ANY_SIZE
    """How large a result is that is read."""
    look_again_after: timedelta = LOOK_AGAIN_AFTER


WHOLE_TURN = Bounds()


@dataclass(frozen=True, slots=True)
class Advanced:
    """What taking a workflow further has brought about."""

    status: WorkflowStatus
    unread: Sequence[Unread]
    """Results without which some steps cannot start."""
    blocked: Group
    """The steps that lack results, filled as far as they can be."""


async def advance(
    connection: AsyncConnection,
    workflow: LockedWorkflow,
    *,
    fetched: Group | None = None,
    bounds: Bounds = WHOLE_TURN,
    ended: steps.Ended | None = None,
) -> Advanced:
    """Do what can be done in one turn, and have it looked at again if more can.

    `ended`: what `steps.settle_ended` has returned to the caller. Doing it again, at any time, does nothing that was
    done before.
    """
    settled = await _settle(connection, workflow, ended=ended)
    unfinished = workflow.unfinished - settled.count
    written = unfinished if workflow.status is WorkflowStatus.RUNNING and unfinished else workflow.unfinished

    async def write() -> None:
        """What is known before any step starts."""
        if settled.waiting_for:
            await steps.write_waiting(connection, workflow.workflow_id, waiting_for=settled.waiting_for)
        if written != workflow.unfinished:
            await progress.write_progress(connection, workflow, status=workflow.status, unfinished=written)

    turn = await _start(connection, workflow, fetched=fetched or Group(), bounds=bounds, before=write)
    if turn.broken:  # an end like any other
        again = await _settle(connection, workflow)
        unfinished -= again.count
        if again.waiting_for:
            await steps.write_waiting(connection, workflow.workflow_id, waiting_for=again.waiting_for)
    status = await _status(connection, workflow, unfinished=unfinished)
    if (status, unfinished) != (workflow.status, written):
        await progress.write_progress(connection, workflow, status=status, unfinished=unfinished)
    if status is not workflow.status:
        event = "started" if status is WorkflowStatus.RUNNING else status.lower()
        await progress.add_event(connection, workflow.workflow_id, event_type=event)
        await tell_workflow(connection, workflow.workflow_id, status=status, previous=workflow.status)
        if status in TERMINAL:
            log.info("workflow_ended", workflow_id=str(workflow.workflow_id), status=status.value)
    if unfinished and (turn.broken or (turn.is_cut_off and turn.started)):
        await progress.wake(connection, workflow.workflow_id)
    elif turn.unread:
        await progress.wake(connection, workflow.workflow_id, after=bounds.look_again_after)
    return Advanced(status, () if turn.broken else turn.unread, turn.blocked)


@dataclass(frozen=True, slots=True)
class _Settled:
    """What it means that steps have ended."""

    count: int
    waiting_for: Mapping[int, int]
    """What is still to be written: for how many steps some now wait."""


async def _settle(
    connection: AsyncConnection, workflow: LockedWorkflow, *, ended: steps.Ended | None = None
) -> _Settled:
    """Take ends into account until there are none left, these before all others."""
    settled = 0
    this = workflow.workflow_id
    if workflow.cancel_requested_at is not None:
        settled += await steps.skip_waiting(connection, this)
    while True:
        these, waiting = ended or await steps.settle_ended(connection, this)
        ended = None
        settled += len(these)
        if stops(these, workflow.on_failure):
            settled += await steps.skip_waiting(connection, this)
            await progress.stop(connection, this)
            continue
        moves = settle(these, waiting)
        if not moves.skipped:
            return _Settled(settled, moves.waiting_for)
        if moves.waiting_for:
            await steps.write_waiting(connection, this, waiting_for=moves.waiting_for)
        await steps.skip(connection, this, positions=moves.skipped)


@dataclass(slots=True)
class _Turn:
    """What was done about free steps."""

    filled_bytes: int
    """How large results have made arguments of this workflow, in all of its turns."""
    seen: int = 0
    started: int = 0
    started_bytes: int = 0
    broken: int = 0
    """Steps that failed instead."""
    is_cut_off: bool = False
    """The turn ended before the steps did."""
    unread: Sequence[Unread] = ()
    """The results that the first group lacks."""
    blocked: Group = field(default_factory=Group)
    """The steps of that group."""

    def is_over(self, bounds: Bounds) -> bool:
        return self.is_cut_off or self.seen >= bounds.steps or self.started_bytes >= bounds.bytes


async def _start(
    connection: AsyncConnection,
    workflow: LockedWorkflow,
    *,
    fetched: Group,
    bounds: Bounds,
    before: steps.Writes,
) -> _Turn:
    """Make tasks of the steps that are free by what is written `before`; one whose arguments cannot be made fails
    here.
    """
    this, position = workflow.workflow_id, BEFORE_THE_FIRST
    turn = _Turn(workflow.filled_bytes)
    now = datetime.now(UTC)
    at_once = min(START_AT_ONCE, bounds.steps)
    while free := await steps.list_free(
        connection,
        this,
        behind=position,
        limit=at_once,
        max_bytes=bounds.bytes,
        now=now,
        before=before if position == BEFORE_THE_FIRST else None,
    ):
        position = free[-1].position
        resolved = await resolve(connection, this, steps=free, fetched=fetched, most_bytes=bounds.result_bytes)
        await _submit(connection, workflow, resolved=resolved, turn=turn)
        turn.seen += len(free)
        turn.is_cut_off = resolved.deferred
        if resolved.unread and not turn.unread:
            turn.unread, turn.blocked = resolved.unread, resolved.blocked
        if turn.is_over(bounds):
            turn.is_cut_off = True
            break
        if len(free) < at_once and sum(step.submission.argument_bytes for step in free) < bounds.bytes:
            break  # there are no more
    if turn.filled_bytes != workflow.filled_bytes:
        await progress.write_filled(connection, this, filled_bytes=turn.filled_bytes)
    return turn


async def _submit(connection: AsyncConnection, workflow: LockedWorkflow, *, resolved: Resolved, turn: _Turn) -> None:
    """Make tasks of those that are ready, as long as the workflow has room for what results have made of them."""
    ready, broken = dict(resolved.plain), dict(resolved.broken)
    for position, submission in resolved.filled.items():
        if turn.filled_bytes + submission.argument_bytes > MAX_FILLED_BYTES:
            broken[position] = NO_ROOM
        else:
            turn.filled_bytes += submission.argument_bytes
            ready[position] = submission
    if ready:
        author = workflow.submitted_by
        # Of many that run at a time one is soon over, and its end is not what the others wait for.
        is_awaited = len(ready) <= FEW
        async with together(connection):
            await submit(connection, [replace(submission, submitted_by=author) for submission in ready.values()])
            await steps.mark_started(connection, workflow.workflow_id, positions=ready.keys(), is_awaited=is_awaited)
    if broken:
        await steps.fail(connection, workflow.workflow_id, errors=broken)
    turn.started += len(ready)
    turn.started_bytes += sum(submission.argument_bytes for submission in ready.values())
    turn.broken += len(broken)


async def _status(connection: AsyncConnection, workflow: LockedWorkflow, *, unfinished: int) -> WorkflowStatus:
    this = workflow.workflow_id
    if unfinished == 0:
        statuses = await steps.get_statuses(connection, this)
        return outcome(statuses, cancel_requested=workflow.cancel_requested_at is not None)
    if workflow.status is WorkflowStatus.PENDING and await steps.has_begun(connection, this):
        return WorkflowStatus.RUNNING
    return workflow.status
