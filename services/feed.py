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
from store.queries.workers import presences
from store.queries.workflows.progress import count_ends


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
        sequence = await count_ends(connection, workflow_id)
        change = Change(_ENDS[status], str(workflow_id), status=status, previous=previous, sequence=sequence)
        await tell(connection, [change])


async def tell_alerts(connection: AsyncConnection, judgement: Judgement, *, ids: Mapping[Key, UUID]) -> None:
    """Put into the feed which alerts are raised and which are resolved, by their ids: each changes twice."""
    raised = [
        Change(ChangeType.ALERT_RAISED, str(ids[finding.key]), data=_alert_data(finding), sequence=1)
        for finding in judgement.raised
        if finding.key in ids
    ]
    resolved = [
        Change(
            ChangeType.ALERT_RESOLVED, str(ids[key]), data={"alert_type": key[0].value, "subject": key[1]}, sequence=2
        )
        for key in judgement.resolved
        if key in ids
    ]
    await tell(connection, [*resolved, *raised])


async def tell_drained(connection: AsyncConnection, worker_id: UUID, *, node: str) -> None:
    """Put into the feed that a drained worker is gone."""
    sequence = await presences.count_change(connection, worker_id)
    await tell(connection, [Change(ChangeType.WORKER_DRAINED, str(worker_id), data=_named(node), sequence=sequence)])


async def tell_presences(connection: AsyncConnection) -> None:
    """Put into the feed which workers have come and which have gone since it was told last."""
    changed = await presences.take_changed(connection)
    await tell(
        connection,
        [
            Change(
                ChangeType.WORKER_ONLINE if each.is_online else ChangeType.WORKER_OFFLINE,
                str(each.worker_id),
                data=_named(each.node),
                sequence=each.change_count,
            )
            for each in changed
        ],
    )


def _named(node: str) -> dict[str, object]:
    return {"hostname": node}


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
        sequence=task.change_count + 1,
    )
