"""Requests that ask before they start: Celery's, with the gate in front and its answers behind.

On prefork the gate stands before the pool: a request is given to it only when a process is free, and the process
reports the start before it runs anything, so a refusal inside would come after `task-started` and after an early
acknowledgement. The other pools have a queue of their own; there it stands in the thread that is about to run the task.
"""

from __future__ import annotations

from typing import Any, ClassVar

from celery.exceptions import TaskRevokedError
from celery.utils.imports import symbol_by_name
from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.request import Request

from celeriac_worker.gate import Admission
from celeriac_worker.keys import DISPATCH_NO_HEADER, run_key
from celeriac_worker.node import Node
from celeriac_worker.retries import HEADER as MAX_RETRIES_HEADER

try:
    # A greenlet that ends with it has not failed.
    from greenlet import GreenletExit  # type: ignore[import-untyped]
except ImportError:
    GreenletExit = Exception

logger = get_logger(__name__)

# Most of what is used of it is missing from its published types.
_Request: Any = Request


class NotStartedError(TaskRevokedError, GreenletExit):  # type: ignore[misc]
    """Ends the pool's job before the task begins. Nobody has to do anything: it has been seen to."""


def gate_task(task: Any, worker: Any) -> None:
    """Let the requests of this task ask the worker's node, from the next connection to the broker on, and no earlier
    one.

    What they do about its answer is done by the worker's `celeriac_fetching`.
    """
    own = symbol_by_name(task.Request)
    own = getattr(own, "ungated", own)
    task.Request = type(own.__name__, (GatedRequest, own), {"node": worker.celeriac, "worker": worker, "ungated": own})


class GatedRequest(_Request):  # type: ignore[misc]
    """Mixed into the class of requests of a task."""

    node: ClassVar[Node]
    worker: ClassVar[Any]

    admitted = False
    """Whether Redis has said GO."""
    accepted = False
    """Whether the pool has taken it on: it runs, or has run."""
    was_put_back = False
    """Whether its message belongs to the queue again; whoever still holds this object drops it."""
    was_cancelled = False
    """Whether Celery ends the run and lets the broker send the message again."""
    found_silence = False
    """Whether the worker that had started this delivery was silent when last asked about."""
    asked_at = 0.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.run_key = self._run_key()

    def revoked(self) -> bool:
        """Return whether to drop it. Celery asks this right before the pool gets it, and now and then at its
        arrival."""
        if self.was_put_back or super().revoked():
            return True
        arrives = self not in state.reserved_requests
        return not arrives and self.node.gates_before_pool and not self._may_start()

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Called before the task runs: by the thread that will run it, or in prefork's main process."""
        if not self.node.gates_before_pool and (self.was_put_back or super().revoked() or not self._may_start()):
            raise NotStartedError(self.id)
        super().on_accepted(pid, time_accepted)
        self.accepted = True

    def reject(self, requeue: bool = False) -> None:
        if requeue and not self.acknowledged:
            self.node.release(self)
        super().reject(requeue=requeue)

    def cancel(self, *args: Any, **options: Any) -> None:
        self.was_cancelled = True
        super().cancel(*args, **options)

    def _retry_worker_lost(self, exc: Exception, exc_info: Any) -> bool:
        """Retry not above the `max_retries` of the submission; Celery itself sees to the task's own."""
        ceiling = self._request_dict.get(MAX_RETRIES_HEADER)
        if ceiling is not None and self._context.retries >= ceiling:
            return False
        return bool(super()._retry_worker_lost(exc, exc_info))

    def _run_key(self) -> str | None:
        """Return the key; None for what others published: only Celeriac's messages say which dispatch they are."""
        dispatch_no = self._request_dict.get(DISPATCH_NO_HEADER)
        return (
            None
            if dispatch_no is None
            else run_key(self.id, self._request_dict.get("retries") or 0, dispatch_no=dispatch_no)
        )

    def _may_start(self) -> bool:
        admission = self.node.admit(self)
        if admission is Admission.GO:
            return True
        if admission is Admission.CANCELLED:
            self._announce_revoked("revoked", False, None, False)
        elif admission is Admission.PAUSED:
            self.worker.celeriac_fetching.refuse(self)
        elif admission is Admission.FINISHED or (admission is Admission.RUNNING and not self.task.acks_late):
            self.worker.celeriac_fetching.drop(self)
        else:
            self.found_silence = admission is Admission.SILENT
            self.worker.celeriac_fetching.hold(self)
        return False
