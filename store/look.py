"""A statement that is asked again and again while nothing happens, past SQLAlchemy.

On a machine that rests, to take a connection from the pool, to execute one statement and to give the connection back
costs 1.2 ms of processor time; the statement alone, over a connection of its own, 0.4 ms.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import psycopg
from sqlalchemy import Select
from sqlalchemy.engine import make_url

from store.engine import BoundedConnection, libpq_url, options_of


class Asks(Protocol):
    """The part of `Look` that its users need."""

    async def ask(self) -> Sequence[Any]: ...


class Look:
    """One statement without parameters that answers with one row, and the connection over which it is asked."""

    def __init__(self, database_url: str, statement: str, *, name: str = "celeriac", by_key: bool = False) -> None:
        """Prepare to ask; `name` and `by_key` are those of `open_engine`."""
        self._statement = statement
        options = options_of(name, by_key=by_key)
        self._connect = partial(BoundedConnection.connect, libpq_url(database_url), autocommit=True, **options)
        self._connection: BoundedConnection | None = None

    async def ask(self) -> Sequence[Any]:
        """Return the row, as it is at this moment; one caller at a time. Raises what psycopg raises."""
        if self._connection is None or self._connection.is_left:
            await self.close()
            self._connection = await self._connect()
        try:
            answer = await self._connection.execute(self._statement, prepare=True)
            row: Sequence[Any] = await answer.fetchone() or ()
        except BaseException:  # what it is in the middle of is not known
            await self.close()
            raise
        return row

    async def close(self) -> None:
        """Close the connection; the next question opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                await connection.close()


def text_of(statement: Select[*tuple[Any, ...]]) -> str:
    """Return a statement as text, its values written out: to bind them anew each time would take longer than PostgreSQL
    takes to answer.
    """
    dialect = make_url("postgresql://").get_dialect()()
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
