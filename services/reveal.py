"""Showing a task without the mask: for administrators, with a reason, and never without a trace."""

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import Action, Author, Change
from domain.errors import TaskNotFound
from services.audit import record_change
from store.queries.tasks.documents import WholeTask, get_task

log = structlog.get_logger(__name__)


async def reveal(connection: AsyncConnection, task_id: str, *, author: Author) -> WholeTask:
    """Return the task as it is stored, and record who asked for it and why; raises TaskNotFound.

    The caller commits before it answers: what could not be recorded is not shown.
    """
    task = await get_task(connection, task_id)
    if task is None:
        raise TaskNotFound
    await record_change(connection, Change(Action.TASK_REVEAL, task_id), author=author)
    log.info("payload_revealed", task_id=task_id, author=author.label, reason=author.reason)
    return task
