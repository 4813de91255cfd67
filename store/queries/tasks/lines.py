"""Tasks as lines of CSV: Postgres writes each whole line, so that a file costs us next to nothing.

The cells are those that a list of tasks shows as JSON. In a spreadsheet a cell may be a formula; such text gets a
leading `'`.
"""

from collections.abc import AsyncGenerator
from typing import Any

from psycopg import AsyncConnection as DriverConnection
from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.filters import TaskFilter
from domain.states import Phase
from store.queries.sight import seen_links
from store.queries.tasks.documents import Slice, in_order
from store.queries.tasks.documents import worker_id as _worker_id
from store.tables.tasks import tasks

# What spreadsheets take for the start of a formula, OWASP's list with the full-width forms, behind any kind of space,
# behind quotes, and behind what is not seen: controls, zero widths, marks of direction, a byte order mark.
_SPACE = r"\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNSEEN = r"\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
FORMULA = rf"^([\t\r\n]|[{_SPACE}{_UNSEEN}\u0022]*[=+@＝＋－＠-])"  # noqa: RUF001
EXACT_FLOAT = 1e15
"""The size below which a whole number of seconds has the `.0` that JSON gives it."""


def _plain(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((column.op("~")(literal(FORMULA, Text)), literal("'", Text).concat(column)), else_=column)


def _time(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A fraction only where there is one. The session's time zone is UTC."""
    return func.replace(func.to_char(column, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ".000000", "")


def _seconds(column: ColumnElement[Any]) -> ColumnElement[Any]:
    is_whole = and_(column == func.trunc(column), func.abs(column) < EXACT_FLOAT)
    return cast(column, Text).concat(case((is_whole, ".0"), else_=""))


_is_due = or_(tasks.c.scheduled_at.is_(None), tasks.c.scheduled_at <= func.now())
CELLS: dict[str, ColumnElement[Any]] = {
    "task_id": _plain(tasks.c.task_id),
    "task_name": _plain(tasks.c.task_name),
    "status": tasks.c.status,
    "phase": case(
        (and_(tasks.c.phase == Phase.SCHEDULED.value, _is_due), Phase.DISPATCHING.value), else_=tasks.c.phase
    ),
    "priority": tasks.c.priority,
    "queue_name": _plain(tasks.c.queue_name),
    "worker_id": _worker_id,
    "worker_hostname": _plain(func.regexp_replace(tasks.c.node, "^celery@", "")),
    "created_at": _time(tasks.c.created_at),
    "scheduled_at": _time(tasks.c.scheduled_at),
    "started_at": _time(tasks.c.started_at),
    "completed_at": _time(tasks.c.completed_at),
    "duration_seconds": _seconds(tasks.c.duration_seconds),
    "retry_count": tasks.c.retry_count,
    "max_retries": tasks.c.max_retries,
    "timeout_seconds": tasks.c.timeout_seconds,
    "error": _plain(tasks.c.exception),
    "original_task_id": _plain(tasks.c.original_task_id),
    "workflow_id": tasks.c.workflow_id,
    "cancel_requested": case((tasks.c.cancel_requested_at.is_not(None), "true"), else_="false"),
    "outcome": tasks.c.outcome,
}
"""The cells of a line, by the names that head the columns."""


async def stream_lines(
    connection: AsyncConnection, filters: TaskFilter, *, part: Slice, seconds: float
) -> AsyncGenerator[bytes]:
    """Yield one line of CSV for each task that matches, without its end, in order; close it. It may take so long in
    all.

    The rows come as fast as they are read: Postgres waits for a slow reader, and nothing piles up here.
    """
    await connection.execute(text(f"SET LOCAL statement_timeout = {round(seconds * 1000)}"))
    links = {name: cast(link, Text) for name, link in seen_links(filters.sight).items()}
    cells = CELLS | {name: _plain(link) for name, link in links.items()}
    statement = in_order(select(*cells.values()), filters, part=part)
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, DriverConnection)
    query, values = _compiled(connection, statement)
    # COPY takes no parameters: psycopg writes them, quoted, into the statement.
    async with driver.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)", values) as lines:
        async for line in lines:
            yield bytes(line)[:-1]


def _compiled(connection: AsyncConnection, statement: Select[Any]) -> tuple[str, dict[str, Any]]:
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled), compiled.params
