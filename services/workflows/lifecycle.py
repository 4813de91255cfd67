"""What people do with workflows: start, cancel, retry and replay them. How they go on is in `progress.py`."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from domain.audit import Action, Author, Change, Outcome
from domain.cancels import wish
from domain.errors import WorkflowAlreadyFinished, WorkflowNotFinished, WorkflowNotFound
from domain.states import TERMINAL, EventType
from domain.workflows.dag import invert
from domain.workflows.definition import NewWorkflow, replay_of
from domain.workflows.steps import WorkflowStatus, resume
from services.audit import record_change
from services.dispatch import withdrawn
from services.record import News, record
from services.submissions import submit
from services.workflows.progress import advance
from store.queries import outbox
from store.queries.tasks import writing
from store.queries.workflows import documents, progress, retries, steps
from store.queries.workflows.progress import LockedWorkflow


async def start(connection: AsyncConnection, new: NewWorkflow) -> None:
    """Store a workflow, and submit the steps that wait for none."""
    await documents.add_workflow(connection, new)
    await submit(connection, [step.submission for step in new.roots])


async def request_cancel(connection: AsyncConnection, workflow_id: UUID, *, author: Author | None) -> WorkflowStatus:
    """Store the wish: from its commit on nothing of the workflow starts. Its tasks are cancelled by `cancel_tasks`.

    A second time it only takes into account what has ended since. `author`: who asks; None where it is no new wish.
    Returns the status that the workflow has by it.
    Raises WorkflowNotFound, and WorkflowAlreadyFinished if it ended otherwise than by a cancel.
    """
    workflow = await _lock(connection, workflow_id)
    refuse_finished(workflow.status)
    if author is not None:
        await record_change(connection, _cancel_of(workflow), author=author)
    if workflow.status is WorkflowStatus.CANCELLED:
        return workflow.status
    if workflow.cancel_requested_at is None:
        await progress.request_cancel(connection, workflow_id)
        await progress.add_event(connection, workflow_id, event_type=EventType.CANCEL_REQUESTED)
    stopped = replace(workflow, cancel_requested_at=workflow.cancel_requested_at or datetime.now(UTC))
    await progress.wake(connection, workflow_id)
    return (await advance(connection, stopped)).status


async def cancel_tasks(connection: AsyncConnection, workflow_id: UUID) -> list[str]:
    """Cancel the tasks of a workflow that are on their way; returns the ids of those that workers must be told of.

    In a transaction of its own: whoever locks tasks locks them before anything else.
    """
    on_their_way = await _lock_in_flight(connection, workflow_id)
    now = datetime.now(UTC)
    certain = await outbox.withdraw(connection, on_their_way)
    wishes = [wish(task_id, now) for task_id in on_their_way]
    await record(connection, News(facts=[*wishes, *(withdrawn(task_id, now) for task_id in certain)]))
    return [task_id for task_id in on_their_way if task_id not in certain]


async def withdraw_tasks(connection: AsyncConnection, workflow_id: UUID) -> None:
    """Take back the tasks of a stopped workflow that no dispatcher has taken: they end as cancelled, and never run.

    In a transaction of its own, as `cancel_tasks`.
    """
    on_their_way = await _lock_in_flight(connection, workflow_id)
    now = datetime.now(UTC)
    taken_back = await outbox.withdraw(connection, on_their_way)
    await record(connection, News(facts=[withdrawn(task_id, now) for task_id in taken_back]))


async def retry(connection: AsyncConnection, workflow_id: UUID, *, author: Author) -> None:
    """Let a workflow that failed or was cancelled go on: what has completed is kept, all else waits for its turn again.

    Raises WorkflowNotFound, WorkflowNotFinished, and WorkflowAlreadyFinished if it completed.
    """
    workflow = await _lock(connection, workflow_id)
    refuse_unfinished(workflow.status)
    if workflow.status is WorkflowStatus.COMPLETED:
        raise WorkflowAlreadyFinished("The workflow has completed; replay it to run it from the start.")
    states = await steps.list_states(connection, workflow_id)
    again = resume([step.status for step in states], invert([step.children for step in states]))
    new_task_ids = {position: str(uuid7()) for position in again.renewed}
    await retries.reset_steps(connection, workflow_id, waiting_for=again.waiting_for, new_task_ids=new_task_ids)
    await retries.reopen(connection, workflow_id, unfinished=len(again.waiting_for))
    await progress.add_event(connection, workflow_id, event_type="retried")
    await progress.wake(connection, workflow_id)
    change = Change(Action.WORKFLOW_RETRY, str(workflow_id), {"status": workflow.status}, {"steps": len(new_task_ids)})
    await record_change(connection, change, author=author)


async def replay(connection: AsyncConnection, workflow_id: UUID, *, author: Author) -> NewWorkflow:
    """Start a finished workflow anew, as another one; returns that. Raises WorkflowNotFound, WorkflowNotFinished."""
    workflow = await _lock(connection, workflow_id)
    refuse_unfinished(workflow.status)
    original = await documents.get_definition(connection, workflow_id)
    if original is None:
        raise WorkflowNotFound
    new = replay_of(
        original,
        workflow_id=uuid7(),
        created_at=datetime.now(UTC),
        new_task_id=lambda: str(uuid7()),
        author=author.label,
    )
    await start(connection, new)
    await progress.add_event(connection, workflow_id, event_type=EventType.REPLAYED)
    after = {"new_workflow_id": new.workflow_id}
    await record_change(connection, Change(Action.WORKFLOW_REPLAY, str(workflow_id), after=after), author=author)
    return new


def refuse_finished(status: str) -> None:
    """Raise WorkflowAlreadyFinished if a workflow of this status ended otherwise than by a cancel."""
    if status in TERMINAL and status != WorkflowStatus.CANCELLED:
        raise WorkflowAlreadyFinished(f"The workflow has already finished: {status}")


def refuse_unfinished(status: str) -> None:
    """Raise WorkflowNotFinished unless a workflow of this status has ended."""
    if status not in TERMINAL:
        raise WorkflowNotFinished(f"The workflow has not finished: {status}")


def _cancel_of(workflow: LockedWorkflow) -> Change:
    """What the audit says of a cancel: of tasks on their way it is carried out afterwards."""
    is_over = workflow.status in TERMINAL
    after = {"cancel_requested": True}
    before = {"status": workflow.status, "cancel_requested": workflow.cancel_requested_at is not None}
    outcome = Outcome.DONE if is_over else Outcome.REQUESTED
    return Change(Action.WORKFLOW_CANCEL, str(workflow.workflow_id), before, after, outcome)


async def _lock_in_flight(connection: AsyncConnection, workflow_id: UUID) -> list[str]:
    locked = await writing.lock_tasks(connection, await steps.list_in_flight(connection, workflow_id))
    return [task_id for task_id, task in locked.items() if task.status not in TERMINAL]


async def _lock(connection: AsyncConnection, workflow_id: UUID) -> LockedWorkflow:
    workflow = await progress.lock(connection, workflow_id)
    if workflow is None:
        raise WorkflowNotFound
    return workflow
