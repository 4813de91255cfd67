"""Showing a task without the mask: for administrators, with a reason, and never without a trace."""

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import TaskNotFound
from store.queries.tasks.documents import WholeTask, get_task

log = structlog.get_logger(__name__)


async def reveal(connection: AsyncConnection, task_id: str, *, reason: str, author: str) -> WholeTask:
    """Return the task as it is stored, and note who asked for it and why; raises TaskNotFound.

    The caller commits before it answers: what could not be noted is not shown.
    """
    task = await get_task(connection, task_id)
    if task is None:
        raise TaskNotFound
    log.info("payload_revealed", task_id=task_id, author=author, reason=reason)
    return task
