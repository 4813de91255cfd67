"""Looking into tasks that went wrong: run them again, compare them. Their timelines are in `tasks.py`."""

from datetime import UTC, datetime

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from api.authorship import RequestAuthor
from api.bodies.idempotency import IdempotencyKey, answer_once
from api.bodies.submissions import find_unknown, refuse_marked, refuse_unknown
from api.declarations import audited_as, needs, submits, within_limits
from api.dependencies import Caller, Resources, SeenTaskId, Sighted, reading
from api.errors import OutsideLimits
from api.openapi.document import responses
from api.pages.large_answers import answer_beside
from api.routing import api_router
from api.schemas.comparisons import TaskComparison
from api.schemas.replays import ReplayedTask, TaskReplay
from domain.audit import Action
from domain.errors import ArgumentsNotRecorded, TaskNotFinished, TaskNotFound, UnknownTaskName
from domain.replays import Replay
from domain.scopes import Scope
from services.comparisons import compare, read_both
from services.replay import replay
from store.queries.submissions import get_original

router = api_router("/tasks", tag="tasks")


@router.post(
    "/{task_id}/replay",
    summary="Replay a task",
    status_code=201,
    responses=responses(TaskNotFound, TaskNotFinished, ArgumentsNotRecorded, UnknownTaskName),
)
@needs(Scope.OPERATE)
@within_limits
@submits
@audited_as(Action.TASK_REPLAY)
async def replay_task(
    resources: Resources,
    task_id: SeenTaskId,
    *,
    caller: Caller,
    author: RequestAuthor,
    key: IdempotencyKey,
    response: Response,
    body: TaskReplay | None = None,
) -> ReplayedTask:
    """A new task with the name, arguments, queue, priority and limits of a finished one, but for what the body says."""
    async with resources.engine.connect() as connection:
        original = await get_original(connection, task_id)
    name = (original and original.task_name) or ""
    unknown = await find_unknown(resources.task_names, [name] if name else [], limits=caller.limits)
    new = Replay(
        task_id=str(uuid7()),
        created_at=datetime.now(UTC),
        default_queue=resources.settings.default_queue,
        changes=body.changes() if body else {},
    )

    async def act(connection: AsyncConnection) -> ReplayedTask:
        submission = await replay(connection, task_id, new=new, author=author)
        if flaws := caller.limits.flaws(submission.queue_name, submission.task_name):
            raise OutsideLimits(flaws)
        refuse_unknown(unknown, [("task_name", submission.task_name)])
        await refuse_marked(resources.marks, [submission])
        return ReplayedTask.from_submission(submission)

    return await answer_once(resources.engine, key, response=response, act=act, form=ReplayedTask)


@router.get(
    "/{task_id1}/compare/{task_id2}",
    summary="Compare two tasks",
    response_model=TaskComparison,
    responses=responses(TaskNotFound),
)
@needs(Scope.READ)
@within_limits
async def compare_tasks(resources: Resources, task_id1: str, *, task_id2: str, sight: Sighted) -> Response:
    """What is alike and what differs in two tasks: their submissions, their times, their timelines."""
    async with reading(resources) as connection:
        one, other = await read_both(connection, task_id1, other_id=task_id2, sight=sight)
    return await answer_beside(
        resources, lambda: TaskComparison.from_comparison(compare(one, other, redaction=resources.redaction))
    )
