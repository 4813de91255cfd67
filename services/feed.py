"""Telling the feed what has changed, in the transaction that changes it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alerts.conditions import AlertFinding, Judgement, Key
from domain.feed import MAX_ERROR, Change, ChangeType, task_data, type_of_task_change
from domain.identities import Identity
from domain.workflows.steps import WorkflowStatus
from store.queries import feed
from store.queries.tasks.writing import LockedTask, StateToWrite


async def tell(connection: AsyncConnection, changes: Sequence[Change]) -> None:
    """Put these changes into the feed; they are read once this transaction and all older ones are over."""
    if changes:
        await feed.add_changes(connection, changes)


async def tell_tasks(
    connection: AsyncConnection,
    locked: Mapping[str, LockedTask],
    *,
    states: Sequence[StateToWrite],
    identities: Mapping[str, Identity],
) -> None:
    """Put one change into the feed for each locked task that comes to another status."""
    moved = [written for written in states if written.state.status != locked[written.task_id].status]
    await tell(
        connection, [_change(locked[each.task_id], each, identity=identities.get(each.task_id)) for each in moved]
    )


_ENDS = {
    WorkflowStatus.COMPLETED: ChangeType.WORKFLOW_COMPLETED,
    WorkflowStatus.FAILED: ChangeType.WORKFLOW_FAILED,
    WorkflowStatus.CANCELLED: ChangeType.WORKFLOW_CANCELLED,
}


async def tell_workflow(
    connection: AsyncConnection, workflow_id: UUID, *, status: WorkflowStatus, previous: WorkflowStatus
) -> None:
    """Put the end of a workflow into the feed; that it begins is told by its tasks."""
    if status in _ENDS:
        await tell(connection, [Change(_ENDS[status], str(workflow_id), status=status.value, previous=previous.value)])


async def tell_alerts(connection: AsyncConnection, judgement: Judgement) -> None:
    """Put into the feed which alerts are raised and which are resolved."""
    raised = [
        Change(ChangeType.ALERT_RAISED, _alert_id(finding.key), data=_alert_data(finding))
        for finding in judgement.raised
    ]
    resolved = [
        Change(ChangeType.ALERT_RESOLVED, _alert_id(key), data={"alert_type": key[0].value, "subject": key[1]})
        for key in judgement.resolved
    ]
    await tell(connection, [*resolved, *raised])


async def tell_drained(connection: AsyncConnection, worker_id: UUID, *, node: str) -> None:
    """Put into the feed that a drained worker is gone."""
    await tell(connection, [Change(ChangeType.WORKER_DRAINED, str(worker_id), data={"hostname": node})])


def _alert_id(key: Key) -> str:
    """What an alert is of: nothing has two open alerts of one type."""
    kind, subject = key
    return f"{kind.value}:{subject}"


def _alert_data(finding: AlertFinding) -> dict[str, object]:
    kind, subject = finding.key
    return {
        "alert_type": kind.value,
        "subject": subject,
        "severity": finding.rule.severity.value,
        "description": finding.description[:MAX_ERROR],
        "value": finding.value,
        "threshold": finding.rule.threshold,
    }


def _change(task: LockedTask, written: StateToWrite, *, identity: Identity | None) -> Change:
    state, course = written.state, task.course
    return Change(
        type_of_task_change(state.status, state.phase),
        task.task_id,
        status=state.status.value,
        previous=task.status,
        task_name=course.task_name or (identity.task_name if identity else None),
        queue_name=course.queue_name or (identity.queue_name if identity else None),
        data=task_data(
            attempt=len(state.attempts),
            error=written.error,
            duration_seconds=state.duration_seconds,
            status=state.status,
        ),
    )
