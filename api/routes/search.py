"""Search: tasks by words and filters, filters with a name, and what they find as CSV."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query, Response

from api.authorship import RequestAuthor
from api.declarations import audited_as, caches_answers, needs, whole_fleet, within_limits
from api.dependencies import ExportConnection, ReadConnection, SearchConnection, Sighted, WriteConnection
from api.openapi.document import responses
from api.pages.csv_export import CSV_FILE, EXPORT_SECONDS, CsvResponse, csv_response
from api.pages.task_pages import read_page, slice_of
from api.routing import api_router
from api.schemas.filters import ExportQuery, PageQuery, TaskFilters, TaskQuery
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from api.schemas.presets import PresetModel, PresetPage, PresetSubmission
from api.schemas.tasks import TaskPage
from domain.audit import Action
from domain.errors import BuiltInPreset, Overloaded, PresetExists, PresetNotFound
from domain.scopes import Scope
from services import presets
from store.queries.tasks.lines import stream_lines

router = api_router("/search", tag="search")


@router.get("/tasks", summary="Search tasks", response_model=TaskPage)
@needs(Scope.READ)
@within_limits
@caches_answers
async def search_tasks(
    connection: SearchConnection, sight: Sighted, *, query: Annotated[TaskQuery, Query()]
) -> TaskPage | Response:
    """Tasks that match all filters, newest first unless asked otherwise. A new task is found within a second."""
    return (await read_page(connection, query.as_filter(), query=query, sight=sight)).with_rows(query.rows)


@router.get(
    "/tasks/export/csv",
    summary="Export tasks as CSV",
    # Not CsvResponse: FastAPI would then declare the errors as text/csv too.
    response_class=Response,
    responses=responses(Overloaded) | {200: CSV_FILE},
)
@needs(Scope.READ)
@within_limits
async def export_tasks(
    connection: ExportConnection, sight: Sighted, *, query: Annotated[ExportQuery, Query()]
) -> CsvResponse:
    """All tasks that match, or so many as `limit` says, streamed. A cell that would be a formula begins with `'`."""
    filters = replace(query.as_filter(), sight=sight)
    return await csv_response(stream_lines(connection, filters, part=slice_of(query), seconds=EXPORT_SECONDS))


@router.get("/presets", summary="List filter presets", response_model=PresetPage)
@needs(Scope.READ)
@whole_fleet
@caches_answers
async def list_presets(
    connection: ReadConnection, limit: Limit = DEFAULT_LIMIT, *, offset: Offset = 0, rows: RowsShown = Rows.BOTH
) -> PresetPage | Response:
    """Lists the presets that ship with Celeriac, then the saved ones by name."""
    total, page = await presets.list_presets(connection, limit=limit, offset=offset)
    models = [PresetModel.from_preset(preset) for preset in page]
    return PresetPage(total=total, limit=limit, offset=offset, data=models, presets=models).with_rows(rows)


@router.post("/presets", summary="Save a filter preset", status_code=201, responses=responses(PresetExists))
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.PRESET_SAVE)
async def save_preset(connection: WriteConnection, author: RequestAuthor, *, body: PresetSubmission) -> PresetModel:
    """Filters under a name; relative times such as `-24h` count from when the preset is applied."""
    return PresetModel.from_preset(await presets.save_preset(connection, body.as_preset(), author=author))


@router.get(
    "/presets/{name}", summary="Apply a filter preset", response_model=TaskPage, responses=responses(PresetNotFound)
)
@needs(Scope.READ)
@within_limits
@caches_answers
async def apply_preset(
    connection: SearchConnection, name: str, *, sight: Sighted, query: Annotated[PageQuery, Query()]
) -> TaskPage | Response:
    """Answers as a search with the preset's filters does."""
    preset = await presets.find_preset(connection, name)
    filters = TaskFilters.model_validate(preset.filters).as_filter()
    result_page = await read_page(connection, filters, query=query, sight=sight)
    return result_page.with_rows(query.rows)


@router.delete(
    "/presets/{name}",
    summary="Remove a saved filter preset",
    status_code=204,
    responses=responses(PresetNotFound, BuiltInPreset),
)
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.PRESET_DELETE)
async def delete_preset(connection: WriteConnection, name: str, *, author: RequestAuthor) -> None:
    """Deletes a saved preset; those that ship with Celeriac stay."""
    await presets.delete_preset(connection, name, author=author)
