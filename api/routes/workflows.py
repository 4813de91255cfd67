"""Workflows: start, list, read, follow, draw, cancel, retry, replay."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.authorship import RequestAuthor
from api.bodies.idempotency import IdempotencyKey, answer_once
from api.bodies.reading import beside
from api.bodies.submissions import find_unknown, refuse_marked, refuse_outside, refuse_unknown
from api.bodies.workflow_definitions import name_fields, to_workflow
from api.declarations import (
    answers_with_id,
    audited_as,
    caches_answers,
    needs,
    not_audited,
    shows_own,
    submits,
    within_limits,
)
from api.dependencies import Caller, ReadConnection, Resources, Sighted, cancels_of, reading
from api.openapi.document import responses
from api.pages.cursors import decode_uuid_cursor, encode_cursor
from api.pages.large_answers import answer_beside
from api.routing import api_router
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, PageCursor, Rows, RowsShown
from api.schemas.workflows.documents import (
    Name,
    SubmittedWorkflow,
    WorkflowCancelAnswer,
    WorkflowDetail,
    WorkflowPage,
    WorkflowRow,
    WorkflowSubmission,
    WorkflowTimeline,
    event_of,
)
from api.schemas.workflows.graphs import WorkflowGraph
from domain.audit import Action
from domain.errors import (
    UnknownTaskName,
    WorkflowAlreadyFinished,
    WorkflowNotFinished,
    WorkflowNotFound,
)
from domain.filters import Cursor
from domain.redaction.rules import Redaction
from domain.scopes import Scope
from domain.workflows.steps import WorkflowStatus
from services.workflows.lifecycle import replay, retry, start
from services.workflows.timeline import read_workflow_history
from store.engine import stating
from store.queries.sight import list_seen_workflows
from store.queries.workflows import documents, lists, retries

MAX_WORKFLOW_BYTES = 16 * 1024 * 1024
MAX_EVENT_TYPES = 20
ID_PREFIX = "^([0-9a-fA-F]-?){1,32}$"

router = api_router("/workflows", tag="workflows")


async def _workflow_id(resources: Resources, sight: Sighted, *, workflow_id: str) -> UUID:
    try:
        parsed = UUID(workflow_id)
    except ValueError:
        raise WorkflowNotFound from None
    if sight.is_bounded:
        async with stating(resources.engine) as connection:
            if not await list_seen_workflows(connection, [parsed], sight=sight):
                raise WorkflowNotFound
    return parsed


WorkflowId = Annotated[UUID, Depends(_workflow_id)]
"""The id in the path; a workflow that the caller does not see is not found. What it consists of never changes."""
EventTypes = Annotated[
    list[Name], Query(max_length=MAX_EVENT_TYPES, description="Only events of this type, such as `failed`. May repeat.")
]


@router.post(
    "",
    summary="Start a workflow",
    status_code=201,
    max_body_size=MAX_WORKFLOW_BYTES,
    responses=responses(UnknownTaskName),
)
@needs(Scope.SUBMIT)
@within_limits
@submits
@not_audited("Its tasks tell who submitted them.")
@answers_with_id("workflow_id")
async def start_workflow(
    request: Request,
    resources: Resources,
    *,
    caller: Caller,
    body: WorkflowSubmission,
    key: IdempotencyKey,
    response: Response,
) -> SubmittedWorkflow:
    """Checked and stored whole before it is answered; steps that wait for none are submitted with it."""
    queue = resources.settings.default_queue
    refuse_outside(caller.limits, body.steps, default_queue=queue, place="steps.{number}.{field}")
    names = (step.task_name for step in body.steps)
    unknown = await find_unknown(resources.task_names, names, limits=caller.limits)
    new = await beside(
        request, partial(to_workflow, body, author=caller.author, default_queue=queue, now=datetime.now(UTC))
    )

    async def store(connection: AsyncConnection) -> SubmittedWorkflow:
        refuse_unknown(unknown, name_fields(body))
        await refuse_marked(resources.marks, [step.submission for step in new.steps])
        await start(connection, new)
        return SubmittedWorkflow.from_new(new)

    return await answer_once(resources.engine, key, response=response, act=store, form=SubmittedWorkflow)


@router.get("", summary="List workflows", response_model=WorkflowPage)
@needs(Scope.READ)
@within_limits
@shows_own
@caches_answers
async def list_workflows(
    connection: ReadConnection,
    sight: Sighted,
    *,
    status: Annotated[list[WorkflowStatus], Query(description="May repeat.")] = [],  # noqa: B006  FastAPI copies it
    name: Annotated[Name | None, Query(description="The whole name.")] = None,
    id_prefix: Annotated[str | None, Query(pattern=ID_PREFIX, description="What the id begins with.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    cursor: PageCursor = None,
    rows: RowsShown = Rows.BOTH,
) -> WorkflowPage | Response:
    """Workflows that match, newest first."""
    filters = lists.WorkflowFilter(tuple(dict.fromkeys(status)), name, id_prefix, sight)
    after = decode_uuid_cursor(cursor) if cursor else None
    total, is_exact, stored = await lists.list_workflows(connection, filters, limit=limit, offset=offset, after=after)
    pauses = await retries.list_pauses(connection, [workflow.workflow_id for workflow in stored])
    models = [WorkflowRow.from_stored(workflow, pauses.get(workflow.workflow_id, ())) for workflow in stored]
    page = WorkflowPage(
        total=total,
        total_is_exact=is_exact,
        limit=limit,
        offset=offset,
        data=models,
        workflows=models,
        next_cursor=_cursor_behind(models[-1]) if len(models) == limit else None,
    )
    return page.with_rows(rows)


def _cursor_behind(last: WorkflowRow) -> str:
    return encode_cursor(Cursor(last.created_at, str(last.workflow_id)))


@router.get(
    "/{workflow_id}",
    summary="Get a workflow",
    response_model=WorkflowDetail,
    responses=responses(WorkflowNotFound),
)
@needs(Scope.READ)
@within_limits
@shows_own
async def get_workflow(resources: Resources, workflow_id: WorkflowId) -> Response:
    """One workflow with all of its steps, their tasks and results."""
    async with reading(resources) as connection:
        make = await _read_detail(connection, workflow_id, redaction=resources.redaction)
    return await answer_beside(resources, make)


async def _read_detail(
    connection: AsyncConnection, workflow_id: UUID, *, redaction: Redaction
) -> Callable[[], WorkflowDetail]:
    """What makes the answer of what was read."""
    workflow = await documents.get_workflow(connection, workflow_id)
    if workflow is None:
        raise WorkflowNotFound
    steps = await documents.list_steps(connection, workflow_id)
    results, omitted = await documents.list_results(connection, workflow_id)
    pauses = await retries.list_pauses(connection, [workflow_id])
    return partial(
        WorkflowDetail.from_stored_with,
        workflow,
        steps,
        results=results,
        omitted=omitted,
        pauses=pauses.get(workflow_id, ()),
        redaction=redaction,
    )


@router.get(
    "/{workflow_id}/graph",
    summary="Get a workflow's graph",
    response_model=WorkflowGraph,
    responses=responses(WorkflowNotFound),
)
@needs(Scope.READ)
@within_limits
@shows_own
async def get_graph(resources: Resources, workflow_id: WorkflowId) -> Response:
    """The steps, what they wait for, the path that takes longest, and a drawing."""
    async with reading(resources) as connection:
        steps = await documents.list_steps(connection, workflow_id)
        pauses = await retries.list_pauses(connection, [workflow_id])
    if not steps:
        raise WorkflowNotFound
    return await answer_beside(
        resources, partial(WorkflowGraph.from_steps, workflow_id, steps, pauses=pauses.get(workflow_id, ()))
    )


@router.get(
    "/{workflow_id}/timeline",
    summary="Get a workflow's timeline",
    response_model=WorkflowTimeline,
    responses=responses(WorkflowNotFound),
)
@needs(Scope.READ)
@within_limits
@shows_own
async def get_timeline(
    resources: Resources,
    workflow_id: WorkflowId,
    *,
    sight: Sighted,
    event_type: EventTypes = [],  # noqa: B006  FastAPI copies it
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
) -> Response:
    """What happened to it and to every task that its steps have had, oldest first."""
    async with reading(resources) as connection:
        history = await read_workflow_history(connection, workflow_id, sight=sight)
    happenings = [one for one in history.happenings if not event_type or one.event_type in event_type]
    page = happenings[offset : offset + limit]

    def make() -> WorkflowTimeline:
        events = [event_of(happening, history.worker_ids) for happening in page]
        return WorkflowTimeline(
            total=len(happenings),
            limit=limit,
            offset=offset,
            data=events,
            events=events,
            **{name: getattr(history.workflow, name) for name in ("workflow_id", "name", "status")},
        )

    return await answer_beside(resources, make)


@router.post(
    "/{workflow_id}/cancel",
    summary="Cancel a workflow",
    responses=responses(WorkflowNotFound, WorkflowAlreadyFinished)
    | {202: {"model": WorkflowCancelAnswer, "description": "Requested; some step has not been proven to have ended."}},
)
@needs(Scope.OPERATE)
@within_limits
@audited_as(Action.WORKFLOW_CANCEL)
async def cancel_workflow(
    resources: Resources, workflow_id: WorkflowId, *, author: RequestAuthor, response: Response
) -> WorkflowCancelAnswer:
    """Nothing of it starts any more; steps that run are cancelled as tasks are. 202 while one of them may still run."""
    outcome = await cancels_of(resources).cancel_workflow(workflow_id, author=author)
    response.status_code = 200 if outcome.status is WorkflowStatus.CANCELLED else 202
    return WorkflowCancelAnswer(workflow_id=workflow_id, status=outcome.status, message=outcome.message)


@router.post(
    "/{workflow_id}/retry",
    summary="Retry a workflow",
    response_model=WorkflowDetail,
    responses=responses(WorkflowNotFound, WorkflowNotFinished, WorkflowAlreadyFinished),
)
@needs(Scope.OPERATE)
@within_limits
@submits
@audited_as(Action.WORKFLOW_RETRY)
async def retry_workflow(resources: Resources, workflow_id: WorkflowId, *, author: RequestAuthor) -> Response:
    """Goes on with a failed or cancelled workflow: what has completed is kept and does not run again."""
    async with resources.engine.begin() as connection:
        await retry(connection, workflow_id, author=author)
        make = await _read_detail(connection, workflow_id, redaction=resources.redaction)
    return await answer_beside(resources, make)


@router.post(
    "/{workflow_id}/replay",
    summary="Replay a workflow",
    status_code=201,
    responses=responses(WorkflowNotFound, WorkflowNotFinished),
)
@needs(Scope.OPERATE)
@within_limits
@submits
@audited_as(Action.WORKFLOW_REPLAY)
async def replay_workflow(
    resources: Resources, workflow_id: WorkflowId, *, author: RequestAuthor, key: IdempotencyKey, response: Response
) -> SubmittedWorkflow:
    """A new workflow, from the start, with the steps of a finished one."""

    async def act(connection: AsyncConnection) -> SubmittedWorkflow:
        new = await replay(connection, workflow_id, author=author)
        await refuse_marked(resources.marks, [step.submission for step in new.steps])
        return SubmittedWorkflow.from_new(new)

    return await answer_once(resources.engine, key, response=response, act=act, form=SubmittedWorkflow)
