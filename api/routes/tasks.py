"""Tasks: submit, read, list, follow, cancel. Replaying and comparing them is in `debug.py`."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.authorship import RequestAuthor
from api.bodies.idempotency import IdempotencyKey, answer_once
from api.bodies.reading import beside
from api.bodies.submissions import (
    explain_limits,
    find_unknown,
    name_fields,
    refuse_marked,
    refuse_outside,
    refuse_unknown,
    to_submission,
    to_submissions,
)
from api.declarations import (
    answers_with_id,
    audited_as,
    caches_answers,
    needs,
    not_audited,
    reads_result,
    shows_own,
    submits,
    within_limits,
)
from api.dependencies import (
    Caller,
    ProcessResources,
    Resources,
    SearchConnection,
    SeenTaskId,
    Sighted,
    cancels_of,
    reading,
)
from api.openapi.document import responses
from api.pages.large_answers import answer_beside
from api.pages.task_pages import read_page
from api.routing import api_router
from api.schemas.filters import TaskQuery
from api.schemas.tasks import (
    CancelAnswer,
    CancelBody,
    SubmittedBatch,
    SubmittedTask,
    TaskBatch,
    TaskDetail,
    TaskPage,
    TaskSubmission,
    Timeline,
    TimelineEvent,
)
from domain.audit import Action
from domain.errors import Overloaded, TaskAlreadyFinished, TaskNotFound, UnknownTaskName
from domain.idempotency import RequestKey
from domain.principals import Principal
from domain.scopes import Scope
from domain.sight import EVERYTHING
from domain.states import Status
from services.redaction import mask_task
from services.submissions import submit
from services.timeline import FEW, TaskHistory, read_task_history
from store.engine import stating
from store.queries.tasks import documents
from store.queries.tasks.documents import TaskOutline, WholeTask

MAX_BATCH_BYTES = 16 * 1024 * 1024
SIGTERM = CancelBody()
UNKNOWN_OUTCOME = (
    "The run is over, but nobody told how it went: its worker no longer has it and sent no event of its end, and there "
    "is no result. See the timeline; it can be replayed."
)

TOLD_BY_TASK = "The task itself tells who submitted it: a row beside each would double what is written."

OF_THE_TASK = (
    "task_id",
    "task_name",
    "status",
    "created_at",
    "started_at",
    "completed_at",
    "duration_seconds",
)
"""What a timeline says of its task."""

router = api_router("/tasks", tag="tasks")


@router.post(
    "",
    summary="Submit a task",
    status_code=201,
    response_model=SubmittedTask | TaskDetail,
    responses=responses(UnknownTaskName, Overloaded),
)
@needs(Scope.SUBMIT)
@within_limits
@submits
@not_audited(TOLD_BY_TASK)
@answers_with_id("task_id")
async def submit_task(
    request: Request,
    resources: Resources,
    *,
    caller: Caller,
    body: TaskSubmission,
    key: IdempotencyKey,
    response: Response,
    asynchronous: Annotated[bool, Query(alias="async", description="false: answer when the task has ended.")] = True,
    wait_seconds: Annotated[int, Query(ge=1, le=300, description="With async=false: wait at most this long.")] = 30,
) -> SubmittedTask | TaskDetail | Response:
    """Stored before it is answered; handed to the broker right after, or once the broker is back."""
    refuse_outside(caller.limits, [body], default_queue=resources.settings.default_queue)
    answer = await _submit(resources, request, caller=caller, body=body, key=key, response=response)
    request.scope["task_id"] = answer.task_id
    if asynchronous:
        return answer
    await resources.endings.wait(answer.task_id, wait_seconds)
    detail = await get_task(resources, answer.task_id, sight=EVERYTHING)
    if isinstance(detail, Response):
        detail.status_code = 201
    return detail


async def _submit(
    resources: ProcessResources,
    request: Request,
    *,
    caller: Principal,
    body: TaskSubmission,
    key: RequestKey | None,
    response: Response,
) -> SubmittedTask:
    """Submit the task: without a key it shares the commit of a group; with one, task and key have a commit of their
    own.
    """
    unknown = await find_unknown(resources.task_names, [body.task_name], limits=caller.limits)
    queue, own_retries = resources.settings.default_queue, resources.limits.own_retries
    submission = await beside(
        request,
        partial(
            to_submission,
            body,
            author=caller.author,
            default_queue=queue,
            now=datetime.now(UTC),
            own_retries=own_retries,
        ),
    )
    answer = SubmittedTask.from_submission(submission, message=explain_limits(resources.limits, submission))

    async def check() -> None:
        refuse_unknown(unknown, [("task_name", body.task_name)])
        await refuse_marked(resources.marks, [submission])

    async def store(connection: AsyncConnection) -> SubmittedTask:
        await check()
        await submit(connection, [submission])
        return answer

    if key is not None:
        return await answer_once(resources.engine, key, response=response, act=store, form=SubmittedTask)
    await check()
    await resources.batcher.store(submission)
    return answer


@router.post(
    "/batch",
    summary="Submit many tasks",
    status_code=201,
    max_body_size=MAX_BATCH_BYTES,
    responses=responses(UnknownTaskName),
)
@needs(Scope.SUBMIT)
@within_limits
@submits
@not_audited(TOLD_BY_TASK)
async def submit_batch(
    request: Request, resources: Resources, *, caller: Caller, body: TaskBatch, key: IdempotencyKey, response: Response
) -> SubmittedBatch:
    """All of them or none; an error names its item: `documents.17.priority`."""
    queue, own_retries = resources.settings.default_queue, resources.limits.own_retries
    refuse_outside(caller.limits, body.tasks, default_queue=queue, place="tasks.{number}.{field}")
    names = (item.task_name for item in body.tasks)
    unknown = await find_unknown(resources.task_names, names, limits=caller.limits)
    submissions = await beside(
        request,
        partial(
            to_submissions,
            body.tasks,
            author=caller.author,
            default_queue=queue,
            now=datetime.now(UTC),
            own_retries=own_retries,
        ),
    )

    async def store(connection: AsyncConnection) -> SubmittedBatch:
        refuse_unknown(unknown, name_fields(body.tasks))
        await refuse_marked(resources.marks, submissions)
        await submit(connection, submissions)
        task_ids = [submission.task_id for submission in submissions]
        return SubmittedBatch(submitted=len(task_ids), task_ids=task_ids)

    return await answer_once(resources.engine, key, response=response, act=store, form=SubmittedBatch)


@router.get("", summary="List tasks", response_model=TaskPage)
@needs(Scope.READ)
@within_limits
@shows_own
@caches_answers
async def list_tasks(
    connection: SearchConnection, sight: Sighted, *, query: Annotated[TaskQuery, Query()]
) -> TaskPage | Response:
    """Tasks that match all filters, newest first unless asked otherwise."""
    return (await read_page(connection, query.as_filter(), query=query, sight=sight)).with_rows(query.rows)


@router.get("/{task_id}", summary="Get a task", response_model=TaskDetail, responses=responses(TaskNotFound))
@needs(Scope.READ)
@within_limits
@shows_own
@reads_result
@caches_answers
async def get_task(resources: Resources, task_id: str, *, sight: Sighted) -> TaskDetail | Response:
    """One task with its arguments, result and its latest attempts."""
    async with stating(resources.engine) as connection:
        task = await documents.get_task(connection, task_id, sight=sight)
    if task is None:
        raise TaskNotFound
    make = partial(_detail, resources, task)
    return await answer_beside(resources, make) if task.is_large else make()


def _detail(resources: ProcessResources, task: WholeTask) -> TaskDetail:
    task = mask_task(task, redaction=resources.redaction)
    message = explain_limits(resources.limits, task)
    if task.outcome is not None:
        message = UNKNOWN_OUTCOME
    remarks = " ".join(filter(None, (task.doubt, message))) or None
    return TaskDetail.from_whole(task, message=remarks, no_result=resources.no_results)


@router.get(
    "/{task_id}/timeline", summary="Get a task's timeline", response_model=Timeline, responses=responses(TaskNotFound)
)
@needs(Scope.READ)
@within_limits
@shows_own
async def get_timeline(resources: Resources, task_id: str, *, sight: Sighted) -> Timeline | Response:
    """Every event of every attempt, oldest cause first; of more than 10,000 the last ones."""
    async with reading(resources) as connection:
        history = await read_task_history(connection, task_id, sight=sight)
    make = partial(_timeline, history)
    return await answer_beside(resources, make) if len(history.entries) > FEW else make()


def _timeline(history: TaskHistory[TaskOutline]) -> Timeline:
    return Timeline(
        **{name: getattr(history.task, name) for name in OF_THE_TASK},
        complete=history.complete,
        truncated=history.truncated,
        events_left_out=history.left_out,
        events=[TimelineEvent.from_entry(entry, history.worker_ids) for entry in history.entries],
    )


@router.post(
    "/{task_id}/cancel",
    summary="Cancel a task",
    responses=responses(TaskNotFound, TaskAlreadyFinished)
    | {202: {"model": CancelAnswer, "description": "Requested; the end is not proven yet."}},
)
@needs(Scope.OPERATE)
@within_limits
@audited_as(Action.TASK_CANCEL)
async def cancel_task(
    resources: Resources, task_id: SeenTaskId, *, author: RequestAuthor, response: Response, body: CancelBody = SIGTERM
) -> CancelAnswer:
    """200 once it is certain that the task will not run or has been stopped; 202 while that is not certain."""
    cancels = cancels_of(resources)
    outcome = await cancels.cancel(task_id, signal=body.signal, author=author, wait=resources.endings.wait)
    response.status_code = 200 if outcome.status is Status.CANCELLED else 202
    return CancelAnswer(task_id=task_id, status=outcome.status, message=outcome.message)
