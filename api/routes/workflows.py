"""Workflows: start, list, read, follow, draw, cancel, retry, replay."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.bodies import beside
from api.cursors import NOT_OURS, decode_cursor, encode_cursor, refused
from api.dependencies import OpenRooms, ReadConnection, Rooms, reading
from api.idempotency import IdempotencyKey, answer_once
from api.large_answers import answer_beside
from api.openapi import responses
from api.routing import api_router
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, PageCursor, Rows, RowsShown
from api.schemas.workflow_graphs import WorkflowGraph
from api.schemas.workflows import (
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
from api.submissions import find_unknown, refuse_marked, refuse_unknown
from api.workflow_definitions import name_fields, to_workflow
from domain.errors import (
    BrokerUnavailable,
    UnknownTaskName,
    WorkflowAlreadyFinished,
    WorkflowNotFinished,
    WorkflowNotFound,
)
from domain.filters import Cursor
from domain.states import TERMINAL
from domain.steps import WorkflowStatus
from services.cancel import renew_keys
from services.workflow_timeline import read_history
from services.workflows import cancel_tasks, refuse_finished, replay, request_cancel, retry, start
from store.queries import workflows
from store.queries.workflows import WorkflowFilter

CANCEL_PROOF_SECONDS = 5.0
ASK_AGAIN_SECONDS = 0.1
MAX_WORKFLOW_BYTES = 16 * 1024 * 1024

router = api_router("/workflows", tag="workflows")


async def _workflow_id(workflow_id: str) -> UUID:
    try:
        return UUID(workflow_id)
    except ValueError:
        raise WorkflowNotFound from None


WorkflowId = Annotated[UUID, Depends(_workflow_id)]


@router.post(
    "",
    summary="Start a workflow",
    status_code=201,
    max_body_size=MAX_WORKFLOW_BYTES,
    responses=responses(UnknownTaskName),
)
async def start_workflow(
    request: Request, rooms: OpenRooms, *, body: WorkflowSubmission, key: IdempotencyKey, response: Response
) -> SubmittedWorkflow:
    """Checked and stored whole before it is answered; steps that wait for none are submitted with it."""
    unknown = await find_unknown(rooms, (step.task_name for step in body.steps))
    new = await beside(
        request, partial(to_workflow, body, default_queue=rooms.settings.default_queue, now=datetime.now(UTC))
    )

    async def store(connection: AsyncConnection) -> SubmittedWorkflow:
        refuse_unknown(unknown, name_fields(body))
        await refuse_marked(rooms, [step.submission for step in new.steps])
        await start(connection, new)
        return SubmittedWorkflow.from_new(new)

    return await answer_once(rooms.engine, key, response=response, act=store, form=SubmittedWorkflow)


@router.get("", summary="List workflows", response_model=WorkflowPage)
async def list_workflows(
    connection: ReadConnection,
    status: Annotated[list[WorkflowStatus], Query(description="May repeat.")] = [],  # noqa: B006  FastAPI copies it
    *,
    name: Annotated[Name | None, Query(description="The whole name.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    cursor: PageCursor = None,
    rows: RowsShown = Rows.BOTH,
) -> WorkflowPage | Response:
    """Workflows that match, newest first."""
    wanted = WorkflowFilter(tuple(dict.fromkeys(status)), name)
    after = _position(cursor) if cursor else None
    total, is_exact, records = await workflows.list_workflows(
        connection, wanted, limit=limit, offset=offset, after=after
    )
    found = [WorkflowRow.from_record(record) for record in records]
    page = WorkflowPage(
        total=total,
        total_is_exact=is_exact,
        limit=limit,
        offset=offset,
        data=found,
        workflows=found,
        next_cursor=_cursor_behind(found[-1]) if len(found) == limit else None,
    )
    return page.shown(rows)


def _position(cursor: str) -> tuple[datetime, UUID]:
    last = decode_cursor(cursor)
    try:
        return last.created_at, UUID(last.row_id)
    except ValueError:
        raise refused(NOT_OURS) from None


def _cursor_behind(last: WorkflowRow) -> str:
    return encode_cursor(Cursor(last.created_at, str(last.workflow_id)))


@router.get(
    "/{workflow_id}",
    summary="Get a workflow",
    response_model=WorkflowDetail,
    responses=responses(WorkflowNotFound),
)
async def get_workflow(rooms: OpenRooms, workflow_id: WorkflowId) -> Response:
    """One workflow with all of its steps, their tasks and results."""
    async with reading(rooms) as connection:
        make = await _read_detail(connection, workflow_id)
    return await answer_beside(rooms, make)


async def _read_detail(connection: AsyncConnection, workflow_id: UUID) -> Callable[[], WorkflowDetail]:
    """What makes the answer of what was read."""
    record = await workflows.get_workflow(connection, workflow_id)
    if record is None:
        raise WorkflowNotFound
    steps = await workflows.list_steps(connection, workflow_id)
    results, omitted = await workflows.list_results(connection, workflow_id)
    return partial(WorkflowDetail.from_records, record, steps, results=results, omitted=omitted)


@router.get(
    "/{workflow_id}/graph",
    summary="Get a workflow's graph",
    response_model=WorkflowGraph,
    responses=responses(WorkflowNotFound),
)
async def get_graph(rooms: OpenRooms, workflow_id: WorkflowId) -> Response:
    """Its steps, what they wait for, the path that takes longest, and a drawing."""
    async with reading(rooms) as connection:
        steps = await workflows.list_steps(connection, workflow_id)
    if not steps:
        raise WorkflowNotFound
    return await answer_beside(rooms, partial(WorkflowGraph.from_records, workflow_id, steps))


@router.get(
    "/{workflow_id}/timeline",
    summary="Get a workflow's timeline",
    response_model=WorkflowTimeline,
    responses=responses(WorkflowNotFound),
)
async def get_timeline(
    rooms: OpenRooms, workflow_id: WorkflowId, *, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0
) -> Response:
    """What happened to it and to every task that its steps have had, oldest first."""
    async with reading(rooms) as connection:
        history = await read_history(connection, workflow_id)
    page = history.happenings[offset : offset + limit]

    def make() -> WorkflowTimeline:
        found = [event_of(happening, history.worker_ids) for happening in page]
        return WorkflowTimeline(
            total=len(history.happenings),
            limit=limit,
            offset=offset,
            data=found,
            events=found,
            **{name: history.workflow[name] for name in ("workflow_id", "name", "status")},
        )

    return await answer_beside(rooms, make)


@router.post(
    "/{workflow_id}/cancel",
    summary="Cancel a workflow",
    responses=responses(WorkflowNotFound, WorkflowAlreadyFinished)
    | {202: {"model": WorkflowCancelAnswer, "description": "Requested; some step has not been proven to have ended."}},
)
async def cancel_workflow(rooms: OpenRooms, workflow_id: WorkflowId, *, response: Response) -> WorkflowCancelAnswer:
    """Nothing of it starts any more; steps that run are cancelled as tasks are. 202 while one of them may still run."""
    async with rooms.engine.begin() as connection:
        status = await request_cancel(connection, workflow_id)
    reached = True
    if status not in TERMINAL:
        async with rooms.engine.begin() as connection:
            on_their_way = await cancel_tasks(connection, workflow_id)
        if on_their_way:
            reached = await _revoke(rooms, on_their_way)
            status = await _wait_for_end(rooms, workflow_id)
        else:
            async with rooms.engine.begin() as connection:
                status = await request_cancel(connection, workflow_id)
    refuse_finished(status)
    response.status_code = 200 if status is WorkflowStatus.CANCELLED else 202
    return WorkflowCancelAnswer(workflow_id=workflow_id, status=status, message=_message(status, reached=reached))


async def _revoke(rooms: Rooms, task_ids: list[str]) -> bool:
    """Shut the gate and tell the workers, all at once; `loops/cancels` looks after each until its end is proven."""
    await renew_keys(rooms.redis, task_ids)
    try:
        await rooms.control.revoke(task_ids, terminate=True)
    except BrokerUnavailable:
        return False
    return True


async def _wait_for_end(rooms: Rooms, workflow_id: UUID) -> WorkflowStatus:
    """The status once it has ended, or after `CANCEL_PROOF_SECONDS`. No connection is held in between."""
    deadline = time.monotonic() + CANCEL_PROOF_SECONDS
    while True:
        async with rooms.engine.connect() as connection:
            record = await workflows.get_workflow(connection, workflow_id)
        if record is None:
            raise WorkflowNotFound
        status = WorkflowStatus(record["status"])
        if status in TERMINAL or time.monotonic() > deadline:
            return status
        await asyncio.sleep(ASK_AGAIN_SECONDS)


def _message(status: WorkflowStatus, *, reached: bool) -> str:
    if status is WorkflowStatus.CANCELLED:
        return "Workflow cancelled successfully"
    if not reached:
        return "The broker cannot be reached; the cancel is stored and will be sent when it is back."
    return "Nothing new starts; workers were told to stop what runs, and some have not confirmed it yet."


@router.post(
    "/{workflow_id}/retry",
    summary="Retry a workflow",
    response_model=WorkflowDetail,
    responses=responses(WorkflowNotFound, WorkflowNotFinished, WorkflowAlreadyFinished),
)
async def retry_workflow(rooms: OpenRooms, workflow_id: WorkflowId) -> Response:
    """Goes on with a failed or cancelled workflow: what has completed is kept and does not run again."""
    async with rooms.engine.begin() as connection:
        await retry(connection, workflow_id)
        make = await _read_detail(connection, workflow_id)
    return await answer_beside(rooms, make)


@router.post(
    "/{workflow_id}/replay",
    summary="Replay a workflow",
    status_code=201,
    responses=responses(WorkflowNotFound, WorkflowNotFinished),
)
async def replay_workflow(
    rooms: OpenRooms, workflow_id: WorkflowId, *, key: IdempotencyKey, response: Response
) -> SubmittedWorkflow:
    """A new workflow, from the start, with the steps of a finished one."""

    async def act(connection: AsyncConnection) -> SubmittedWorkflow:
        new = await replay(connection, workflow_id)
        await refuse_marked(rooms, [step.submission for step in new.steps])
        return SubmittedWorkflow.from_new(new)

    return await answer_once(rooms.engine, key, response=response, act=act, form=SubmittedWorkflow)
