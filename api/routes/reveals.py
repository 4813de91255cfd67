"""Reveals: a task's arguments and result without the mask that every other answer has."""

from dataclasses import replace
from functools import partial

from fastapi import Response

from api.authorship import ReasonedAuthor
from api.declarations import audited_as, needs, within_limits
from api.dependencies import Resources, SeenTaskId
from api.openapi.document import responses
from api.pages.large_answers import answer_beside
from api.routing import api_router
from api.schemas.reveals import RevealedTask, RevealOrder
from domain.audit import Action
from domain.errors import TaskNotFound
from domain.scopes import Scope
from services.reveal import reveal

router = api_router("/tasks", tag="tasks")


@router.post(
    "/{task_id}/reveal",
    summary="Reveal a task's hidden values",
    response_model=RevealedTask,
    responses=responses(TaskNotFound),
)
@needs(Scope.ADMIN)
@within_limits
@audited_as(Action.TASK_REVEAL)
async def reveal_task(
    resources: Resources, task_id: SeenTaskId, *, author: ReasonedAuthor, body: RevealOrder
) -> RevealedTask | Response:
    """The arguments and the result as they are stored. Who asked, and why, is noted before anything is shown."""
    async with resources.engine.begin() as connection:
        task = await reveal(connection, task_id, author=replace(author, reason=body.reason))
    make = partial(RevealedTask.from_whole, task)
    return await answer_beside(resources, make) if task.is_large else make()
