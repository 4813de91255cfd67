"""Taking workflows further in the very transaction that records the end of a step, where that is little to do.

So the steps of a chain follow each other without another process between the end of one and the task of the next. What
is more than little, is not plainly going on, or is in other hands, is woken instead, and is the business of
`loops/workflows.py`.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.workflows.steps import StepStatus
from services.workflows.progress import FEW, Bounds, advance
from store.queries.workflows.progress import lock_going_on
from store.queries.workflows.steps import TaskChange, follow_and_settle, follow_tasks

LITTLE = Bounds(steps=FEW, bytes=65_536, result_bytes=65_536, look_again_after=timedelta(0))
"""What is done while the tasks of a whole batch are locked."""


async def go_on(connection: AsyncConnection, changes: Sequence[TaskChange]) -> None:
    """Give steps the status of their tasks, and take the workflows further of which few steps have completed.

    The caller holds the locks on the tasks. Those on the workflows come next, but none that another holds is waited
    for: whoever takes that one further may be at an end of its own, and the wake is for what comes after.
    """
    ended = [change for change in changes if change.ended_at is not None]
    workflow_ids = {change.workflow_id for change in ended}
    if not ended or len(ended) > FEW or any(change.status != StepStatus.COMPLETED for change in ended):
        await follow_tasks(connection, changes)
        return
    in_hand = await lock_going_on(connection, workflow_ids, ends=len(ended))
    settled = await follow_and_settle(connection, changes, in_hand=[workflow.workflow_id for workflow in in_hand])
    for workflow in in_hand:
        await advance(connection, workflow, bounds=LITTLE, ended=settled[workflow.workflow_id])
