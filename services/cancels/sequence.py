"""Cancels from the wish to the proof, as the API does them for a client and the loops do them again.

What happens in each transaction stands in `cancel.py` and, for workflows, in `services/workflows/lifecycle.py`. Here
stands in which order, and what is done between them while no connection is held.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis

from domain.audit import Author
from domain.cancels import StopSignal, explain_workflow
from domain.errors import BrokerUnavailable, WorkflowNotFound
from domain.states import TERMINAL
from domain.workflows.steps import WorkflowStatus
from gateway.ports import Revokes, Withdraws
from services.cancels.cancel import (
    CancelOutcome,
    CancelRequest,
    Enforced,
    enforce,
    prevent,
    read_outcome,
    record_outcome,
    renew_keys,
    request_cancel,
)
from services.transactions import Transact
from services.workflows import lifecycle as workflow_verbs
from store.queries.workflows import documents

PROOF_SECONDS = 5.0
"""How long a client waits for a worker's word that the task, or the last one of the workflow, has ended."""
ASK_AGAIN_SECONDS = 0.1

Wait = Callable[[str, float], Awaitable[bool]]
"""Waits for the end of a task, for so many seconds at most: `services.resident.endings.Endings.wait`."""


@dataclass(frozen=True, slots=True)
class WorkflowOutcome:
    """What may be answered now about the cancel of a workflow."""

    status: WorkflowStatus
    message: str


class Cancels:
    """Cancels tasks and workflows in the transactions of the door that it belongs to."""

    def __init__(self, transact: Transact, *, redis: Redis, control: Revokes, mover: Withdraws) -> None:
        self._transact = transact
        self._redis = redis
        self._control = control
        self._mover = mover

    async def cancel(self, task_id: str, *, signal: StopSignal, author: Author, wait: Wait) -> CancelOutcome:
        """Cancel a task, and wait for a moment if a worker may prove its end. Raises as `request_cancel` does."""
        async with self._transact() as connection:
            request = await request_cancel(connection, task_id, author=author, signal=signal)
        workers_told = request.certain or await self._enforce(request)
        outcome = await self._read_outcome(task_id, workers_told=workers_told)
        if outcome.worth_waiting:
            await wait(task_id, PROOF_SECONDS)
            outcome = await self._read_outcome(task_id, workers_told=workers_told)
        return outcome

    async def prevent(self, task_id: str, *, signal: StopSignal) -> bool:
        """Cancel a task without a word to the workers; returns whether it is proven not to run.

        Raises as `request_cancel` does.
        """
        async with self._transact() as connection:
            request = await request_cancel(connection, task_id, author=None, signal=signal)
        if request.certain:
            return True
        return await self._record_outcome(request, await prevent(request, redis=self._redis, mover=self._mover))

    async def cancel_workflow(self, workflow_id: UUID, *, author: Author) -> WorkflowOutcome:
        """Cancel a workflow and its tasks, and wait for a moment for the end of those that run.

        Raises WorkflowNotFound, and WorkflowAlreadyFinished if it ended otherwise than by a cancel.
        """
        status = await self._request_cancel_of_workflow(workflow_id, author)
        reached = True
        if status not in TERMINAL:
            async with self._transact() as connection:
                on_their_way = await workflow_verbs.cancel_tasks(connection, workflow_id)
            if on_their_way:
                reached = await self._revoke_all(on_their_way)
                status = await self._wait_for_workflow(workflow_id)
            else:
                status = await self._request_cancel_of_workflow(workflow_id, None)
        workflow_verbs.refuse_finished(status)
        return WorkflowOutcome(status, explain_workflow(status, reached=reached))

    async def _enforce(self, request: CancelRequest) -> bool:
        """Whether the connected workers were told."""
        enforced = await enforce(request, redis=self._redis, control=self._control, mover=self._mover)
        await self._record_outcome(request, enforced)
        return enforced.workers_told

    async def _record_outcome(self, request: CancelRequest, enforced: Enforced) -> bool:
        async with self._transact() as connection:
            return await record_outcome(connection, request, enforced=enforced)

    async def _read_outcome(self, task_id: str, *, workers_told: bool) -> CancelOutcome:
        async with self._transact() as connection:
            return await read_outcome(connection, task_id, workers_told=workers_told)

    async def _request_cancel_of_workflow(self, workflow_id: UUID, author: Author | None) -> WorkflowStatus:
        async with self._transact() as connection:
            return await workflow_verbs.request_cancel(connection, workflow_id, author=author)

    async def _revoke_all(self, task_ids: Collection[str]) -> bool:
        """Shut the gate and tell the workers, all at once; `loops/cancels` looks after each until its end is proven."""
        await renew_keys(self._redis, task_ids)
        try:
            await self._control.revoke(task_ids, terminate=True)
        except BrokerUnavailable:
            return False
        return True

    async def _wait_for_workflow(self, workflow_id: UUID) -> WorkflowStatus:
        """The status once it has ended, or after `PROOF_SECONDS`. No connection is held in between."""
        deadline = time.monotonic() + PROOF_SECONDS
        while True:
            async with self._transact() as connection:
                workflow = await documents.get_workflow(connection, workflow_id)
            if workflow is None:
                raise WorkflowNotFound
            status = WorkflowStatus(workflow.status)
            if status in TERMINAL or time.monotonic() > deadline:
                return status
            await asyncio.sleep(ASK_AGAIN_SECONDS)
