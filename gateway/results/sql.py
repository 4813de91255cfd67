"""Results in an application's SQL database, as far as they are JSON: django-celery-results', and Celery's own table.

Only read, by one thread with one connection. The database is the application's: nothing is made or changed there, and
a table that is missing holds no results yet.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import Unavailable
from domain.results import StoredResult
from domain.url_kinds import DJANGO_DB, POSTGRES, scheme_of
from gateway.results.forms import Sealed, as_json
from gateway.threads import BrokerThread

CONNECT_SECONDS = 2
QUERY_SECONDS = 10.0
MOST_BYTES = 32 * 1024 * 1024
JSON_TYPE = "application/json"
DJANGO_TABLE, CELERY_TABLE = "django_celery_results_taskresult", "celery_taskmeta"


class SqlStore:
    """Reads metas by task id. Raises ImportError without the database's driver, ValueError for a bad URL."""

    def __init__(self, result_url: str) -> None:
        self._is_django = scheme_of(result_url) == DJANGO_DB
        self._table = DJANGO_TABLE if self._is_django else CELERY_TABLE
        kind = ", content_type" if self._is_django else ""
        selection = f"FROM {self._table} WHERE task_id IN :ids"  # one of two names of ours
        ids: Any = bindparam("ids", expanding=True)
        self._sizes = text(f"SELECT task_id, length(result) AS size {selection}").bindparams(ids)
        self._rows = text(f"SELECT task_id, status, result, traceback, date_done{kind} {selection}").bindparams(ids)
        try:
            url = _readable(make_url(result_url.partition("+")[2]))
            self._engine = create_engine(url, pool_size=1, connect_args=_limits(url))
        except SQLAlchemyError as error:
            raise ImportError(f"no driver for this database: {type(error).__name__}") from error
        # A file that nobody has written yet holds no results.
        self._file = (
            Path(url.database.removeprefix("file:")) if url.query.get("mode") == "ro" and url.database else None
        )
        self._thread = BrokerThread("results")

    async def sizes(self, ids: Sequence[str]) -> Sequence[int]:
        """Return sizes in bytes or characters; 0 where there is none."""
        rows = await self._ask(self._sizes, ids)
        size_by_task = {row["task_id"]: (row["size"] or 0) + 1 for row in rows}
        return [size_by_task.get(task_id, 0) for task_id in ids]

    async def metas(self, ids: Sequence[str]) -> Sequence[bytes | StoredResult | None]:
        """Return the metas as JSON; what is not is said to be so, with the state beside it."""
        rows = {row["task_id"]: row for row in await self._ask(self._rows, ids)}
        return [self._meta(rows[task_id]) if task_id in rows else None for task_id in ids]

    async def close(self) -> None:
        """Close the connection."""
        await self._thread.close(self._engine.dispose)

    async def _ask(self, question: Any, ids: Sequence[str]) -> list[dict[str, Any]]:
        return await self._thread.run(self._fetch, question, list(ids), limit_seconds=QUERY_SECONDS)

    def _fetch(self, question: Any, ids: list[str]) -> list[dict[str, Any]]:
        if self._file and not self._file.exists():
            return []
        with self._connected() as connection:
            try:
                return [dict(row) for row in connection.execute(question, {"ids": ids}).mappings()]
            except SQLAlchemyError:
                connection.rollback()
                if inspect(connection).has_table(self._table):
                    raise
                return []

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise Unavailable("The result backend is unavailable; try again.") from error

    def _meta(self, row: dict[str, Any]) -> bytes | StoredResult:
        """Return the meta as a key-value backend would have it: JSON. What is not is said to be so, with the state."""
        task_id, state, result = row["task_id"], str(row["status"])[:50], row["result"]
        if self._is_django and row["content_type"] != JSON_TYPE:
            return StoredResult(task_id, state, unreadable=f"is stored as {str(row['content_type'])[:50]}")
        content = result.encode() if isinstance(result, str) else bytes(result or b"")
        document = as_json(content, most_bytes=MOST_BYTES) if content else b"null"
        if isinstance(document, Sealed):
            return StoredResult(task_id, state, unreadable=document.reason)
        done = row["date_done"]
        around = {"status": state, "traceback": row["traceback"], "date_done": str(done) if done else None}
        return json.dumps(around).encode()[:-1] + b', "result": ' + document + b"}"


def _readable(url: URL) -> URL:
    """Return the URL with the driver that we have, and never written to by accident."""
    backend = url.get_backend_name()
    if backend in POSTGRES:
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    return url


def _limits(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "postgresql":
        limit = int(QUERY_SECONDS * 1000)
        return {
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={limit} -c default_transaction_read_only=on",
        }
    return {"timeout": CONNECT_SECONDS} if url.get_backend_name() == "sqlite" else {}
