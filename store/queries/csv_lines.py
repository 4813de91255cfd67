"""Rows as lines of CSV: Postgres writes each whole line, so that a file costs us next to nothing.

In a spreadsheet a cell may be a formula; such text gets a leading `'`.
"""

from collections.abc import AsyncGenerator
from typing import Any

from psycopg import AsyncConnection as DriverConnection
from sqlalchemy import ColumnElement, Select, Text, case, func, literal, text
from sqlalchemy.ext.asyncio import AsyncConnection

# What spreadsheets take for the start of a formula, OWASP's list with the full-width forms, behind any kind of space,
# behind quotes, and behind what is not seen: controls, zero widths, marks of direction, a byte order mark.
_SPACE = r"\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNSEEN = r"\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
FORMULA = rf"^([\t\r\n]|[{_SPACE}{_UNSEEN}\u0022]*[=+@＝＋－＠-])"  # noqa: RUF001


def plain_cell(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a text as a cell that is no formula."""
    return case((column.op("~")(literal(FORMULA, Text)), literal("'", Text).concat(column)), else_=column)


def time_cell(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a time as a cell, with a fraction only where there is one. The session's time zone is UTC."""
    return func.replace(func.to_char(column, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ".000000", "")


async def copy_lines(connection: AsyncConnection, statement: Select[Any], *, seconds: float) -> AsyncGenerator[bytes]:
    """Yield one line of CSV for each row, without its end, in order; close it. It may take so long in all.

    The rows come as fast as they are read: Postgres waits for a slow reader, and nothing piles up here.
    """
    await connection.execute(text(f"SET LOCAL statement_timeout = {round(seconds * 1000)}"))
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
