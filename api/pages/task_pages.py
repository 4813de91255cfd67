"""A page of tasks: read by one filter and one slice, shaped as lists show it. The list, search and presets share it."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from api.pages.cursors import decode_cursor, encode_cursor, refused
from api.schemas.filters import PageQuery
from api.schemas.tasks import TaskPage, TaskRow
from domain.filters import Cursor, TaskFilter
from domain.sight import Sight
from store.at_rest import at_rest_of
from store.queries.tasks import documents
from store.queries.tasks.documents import ListedTask, Slice

NO_WORD = "`search` has no word in it: no letter and no digit. So it finds nothing."

SEALED = "Arguments are encrypted at rest: `search` finds names, ids, queues, workers and errors, and no arguments."


async def read_page(connection: AsyncConnection, filters: TaskFilter, *, query: PageQuery, sight: Sight) -> TaskPage:
    """Return the page of matching tasks that the query wants, of those that are seen."""
    part, filters = slice_of(query), replace(filters, sight=sight)
    total, is_exact = await documents.count_tasks(connection, filters)
    page = await documents.list_tasks(connection, filters, part=part, few=is_exact and total <= documents.FEW)
    rows = [TaskRow.from_task(task) for task in page]
    return TaskPage(
        total=total,
        total_is_exact=is_exact,
        limit=query.limit,
        offset=query.offset,
        data=rows,
        tasks=rows,
        next_cursor=_cursor_behind(page[-1], query) if len(page) == query.limit else None,
        message=_message(connection, filters),
    )


def _message(connection: AsyncConnection, filters: TaskFilter) -> str | None:
    if not filters.search:
        return None if filters.search is None else NO_WORD
    return SEALED if at_rest_of(connection).seals else None


def slice_of(query: PageQuery) -> Slice:
    """Translate order and part into the store's terms; raises InvalidRequest for a cursor that is not ours."""
    if query.cursor and query.sort_by != "created_at":
        raise refused("needs sort_by=created_at")
    after = decode_cursor(query.cursor) if query.cursor else None
    return Slice(sort=query.sort(), limit=query.limit, offset=query.offset, after=after)


def _cursor_behind(last: ListedTask, query: PageQuery) -> str | None:
    return encode_cursor(Cursor(last.created_at, last.task_id)) if query.sort_by == "created_at" else None
