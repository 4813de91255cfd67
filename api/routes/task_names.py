"""Names of tasks: which there are, which workers know them, and how the tasks of each have fared."""

from datetime import UTC, datetime, timedelta

from fastapi import Response

from api.declarations import caches_answers, needs, within_limits
from api.dependencies import ReadConnection, Sighted
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.analytics import Hours
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from api.schemas.task_names import TaskNameDetail, TaskNameModel, TaskNamePage
from domain.errors import TaskNameNotFound
from domain.scopes import Scope
from domain.trends import Window
from services.task_figures import find_named_tasks, find_slower_since, list_named_tasks
from store.queries.for_task_names import find_latest_failure, list_knowers

router = api_router("/task-names", tag="task names")


@router.get("", summary="List task names", response_model=TaskNamePage)
@needs(Scope.READ)
@within_limits
@caches_answers
async def list_task_names(
    connection: ReadConnection,
    sight: Sighted,
    *,
    hours: Hours = 24,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    rows: RowsShown = Rows.BOTH,
) -> TaskNamePage | Response:
    """Names that a worker has known within 7 days, and those of tasks of the last hours, up to 1,000 of each."""
    window = Window.of_last(timedelta(hours=hours), now=datetime.now(UTC))
    total, page = await list_named_tasks(connection, window, sight=sight, limit=limit, offset=offset)
    models = [TaskNameModel.from_named(named) for named in page]
    return TaskNamePage(total=total, limit=limit, offset=offset, data=models, task_names=models).with_rows(rows)


@router.get("/{task_name}", summary="Get a task name", responses=responses(TaskNameNotFound))
@needs(Scope.READ)
@within_limits
@caches_answers
async def get_task_name(
    connection: ReadConnection, sight: Sighted, *, task_name: str, hours: Hours = 24
) -> TaskNameDetail:
    """One name, with the workers that know it and those that do not, and its latest failure. A key with limits is told
    of those only that know it.
    """
    window = Window.of_last(timedelta(hours=hours), now=datetime.now(UTC))
    named = await find_named_tasks(connection, task_name, window=window, sight=sight)
    if named is None:
        raise TaskNameNotFound
    knowers = await list_knowers(connection, task_name, only=sight.is_bounded)
    return TaskNameDetail.of(
        named,
        knowers,
        failure=await find_latest_failure(connection, task_name, sight=sight),
        slower_since=await find_slower_since(connection, named, now=window.until, sight=sight),
    )
