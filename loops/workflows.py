"""Takes workflows further where the transaction that recorded the end of a step has not, but woken them.

Any number of processes may run this; each workflow is in the hands of one at a time.
"""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import Unavailable
from domain.results import StoredResult
from domain.states import TERMINAL
from domain.workflows.references import Result
from gateway.ports import ReadsWholeResults
from services.workflows.lifecycle import cancel_tasks, withdraw_tasks
from services.workflows.progress import Advanced, advance
from services.workflows.results import Group, Unread
from store.queries.workflows import progress
from store.queries.workflows.progress import LockedWorkflow

# A notification is what wakes us; `loops/glance.py` finds within 0.5 s what was due while we could not listen.
POLL_SECONDS = 30.0
HELD_SECONDS, LONGEST_HELD_SECONDS = 0.01, 0.5
"""The time after which a workflow is looked at again that another had in hand: nobody tells when it lets go. It doubles
with each look: who holds one for a moment does so for milliseconds, who holds it for long may do so for half a minute.
"""
AFTER_AN_ERROR = timedelta(seconds=5)

log = structlog.get_logger(__name__)


class WorkflowsRound:
    """Takes one workflow further."""

    def __init__(self, engine: AsyncEngine, results: ReadsWholeResults) -> None:
        self._engine = engine
        self._results = results
        self._held_seconds = HELD_SECONDS

    async def run_once(self) -> float:
        """Take the one that has been due longest further; at once again if there is another."""
        workflow: LockedWorkflow | None = None
        try:
            async with self._engine.begin() as connection:
                workflow = await progress.claim_woken(connection)
                if workflow is None:
                    return await self._pause(connection)
                self._held_seconds = HELD_SECONDS
                advanced = await advance(connection, workflow)
                is_due = await progress.has_due(connection)
        except Exception as error:
            if workflow is None:
                raise
            await self._postpone(workflow.workflow_id, error)
            return 0
        is_due |= await self._go_on(workflow, advanced)
        return 0 if is_due else POLL_SECONDS

    async def _pause(self, connection: AsyncConnection) -> float:
        """Return for how long nothing can be done: longer with each look, where others hold what is due."""
        pause = POLL_SECONDS
        if await progress.has_due(connection):
            pause, self._held_seconds = self._held_seconds, min(self._held_seconds * 2, LONGEST_HELD_SECONDS)
        else:
            self._held_seconds = HELD_SECONDS
        return pause

    async def _postpone(self, workflow_id: UUID, error: Exception) -> None:
        """Postpone a workflow, whatever is wrong: the others must go on. If Postgres is away, this fails and the loop
        waits.
        """
        log.warning("workflow_not_advanced", workflow_id=str(workflow_id), error=type(error).__name__)
        async with self._engine.begin() as connection:
            await progress.postpone(connection, workflow_id, by=AFTER_AN_ERROR)

    async def _go_on(self, workflow: LockedWorkflow, advanced: Advanced) -> bool:
        """What cannot be done under the lock on the workflow; returns whether there was any, which may wake it."""
        if advanced.status in TERMINAL:
            return False
        if workflow.cancel_requested_at is not None:
            async with self._engine.begin() as connection:
                await cancel_tasks(connection, workflow.workflow_id)
        elif workflow.stopped_at is not None:
            async with self._engine.begin() as connection:
                await withdraw_tasks(connection, workflow.workflow_id)
        elif advanced.unread:
            await self._read(workflow.workflow_id, advanced)
        else:
            return False
        return True

    async def _read(self, workflow_id: UUID, advanced: Advanced) -> None:
        """Fetch what Postgres does not have, one by one, for each may be large; then take the workflow further."""
        group, is_told = advanced.blocked, False
        for unread in advanced.unread:
            if not group.needs(unread.step_id):
                continue
            try:
                stored = await self._results.fetch_whole(unread.task_id)
            except Unavailable:
                log.warning("workflow_results_not_read", workflow_id=str(workflow_id), count=len(advanced.unread))
                break
            is_told |= await asyncio.to_thread(give_result, group, unread, stored=stored)
        if is_told:
            async with self._engine.begin() as connection:
                workflow = await progress.lock(connection, workflow_id)
                if workflow is not None:
                    await advance(connection, workflow, fetched=group)


def give_result(group: Group, unread: Unread, *, stored: StoredResult | None) -> bool:
    """Give the steps of the group what the result backend told; False if that was nothing, and it may tell it yet."""
    if stored is not None and stored.result_json is not None:
        group.take([Result(unread.step_id, stored.result_json)])
    elif not unread.is_awaited or (stored is not None and (stored.result_truncated or stored.unreadable)):
        reason = "is not known any more"
        if stored is not None:
            reason = "is too large to be read" if stored.result_truncated else stored.unreadable or reason
        group.fail_all(unread.step_id, f"The result of step {unread.step_id!r} {reason}.")
    else:
        return False
    return True
