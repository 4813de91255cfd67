"""Statements that take one round trip together: each is sent behind the other, and their answers come at the end.

What Postgres does for a statement of a small batch takes less time than the way there and back.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import Dialect, Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ClauseElement

MOST_COMPILED = 256


class Answer:
    """The rows of one statement; there when the block has ended in which it was asked."""

    def __init__(self, cursor: psycopg.AsyncCursor[Any]) -> None:
        self._cursor = cursor
        self.rows: Sequence[tuple[Any, ...]] = ()

    async def take(self) -> None:
        """Take the rows, which have come."""
        self.rows = await self._cursor.fetchall()
        await self._cursor.close()


class Together:
    """Asks within such a block."""

    def __init__(self, dialect: Dialect, driver: psycopg.AsyncConnection[Any]) -> None:
        self._dialect = dialect
        self._driver = driver
        self.answers: list[Answer] = []

    async def ask(self, statement: Executable, parameters: Mapping[str, Any]) -> Answer:
        """Send a statement whose rows are wanted. Neither they nor the parameters are turned into what SQLAlchemy would
        make of them: for types that the driver knows.
        """
        text, constants = _compiled(statement, self._dialect)
        cursor = self._driver.cursor()
        await cursor.execute(text, {**constants, **parameters})
        answer = Answer(cursor)
        self.answers.append(answer)
        return answer


@asynccontextmanager
async def together(connection: AsyncConnection) -> AsyncIterator[Together]:
    """Send the statements of the block one behind the other: all of them take one round trip.

    Nobody sees their answers before the block has ended, and of those that were not asked for (`Together.ask`) not even
    how many rows they have written. Raises the first error at the end of the block, as SQLAlchemy would; what follows
    the failed statement is not executed.
    """
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    if not connection.in_transaction():
        # What goes past SQLAlchemy begins a transaction that it does not know of, and would not end.
        await connection.begin()
    asking = Together(connection.dialect, driver)
    try:
        async with driver.pipeline():
            yield asking
        for answer in asking.answers:
            await answer.take()
    except psycopg.Error as error:
        if driver.closed:
            await connection.invalidate()
        raise _as_of_sqlalchemy(connection, error) from error


@lru_cache(maxsize=MOST_COMPILED)
def _compiled(statement: Executable, dialect: Dialect) -> tuple[bytes, Mapping[str, Any]]:
    """The statement as text, and its own parameters; each of them is a constant of its module."""
    assert isinstance(statement, ClauseElement)
    compiled = statement.compile(dialect=dialect)
    return str(compiled).encode(), compiled.params


def _as_of_sqlalchemy(connection: AsyncConnection, error: psycopg.Error) -> BaseException:
    is_lost = connection.invalidated
    return DBAPIError.instance(
        None,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=connection.dialect,
    )
