"""Results in an application's SQL database; a file of SQLite is one."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Unavailable
from domain.results import StoredResult
from gateway.results.sql import CELERY_TABLE, DJANGO_TABLE, SqlStore

COLUMNS = "task_id, status, result, traceback, date_done"
SUM = ("sum", "SUCCESS", '{"total": 12}', None, "2026-03-01 12:00:00")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "app.sqlite3"


@pytest.fixture
def tables(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(f"CREATE TABLE {CELERY_TABLE} ({COLUMNS})")
        connection.execute(f"CREATE TABLE {DJANGO_TABLE} ({COLUMNS}, content_type)")
        yield connection


@pytest.fixture
async def store(database: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"db+sqlite:///{database}")
    yield store
    await store.close()


@pytest.fixture
async def django(database: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"django-db+sqlite:///{database}")
    yield store
    await store.close()


def read(meta: bytes | StoredResult | None) -> Any:
    assert isinstance(meta, bytes)
    return json.loads(meta)


async def test_what_is_json_is_told_as_other_backends_tell_it(django: SqlStore, tables: sqlite3.Connection) -> None:
    tables.execute(f"INSERT INTO {DJANGO_TABLE} VALUES (?, ?, ?, ?, ?, ?)", (*SUM, "application/json"))
    absent, found = await django.metas(["nothing", "sum"])
    assert absent is None
    assert read(found) == {
        "status": "SUCCESS",
        "traceback": None,
        "date_done": "2026-03-01 12:00:00",
        "result": {"total": 12},
    }


async def test_what_is_not_json_is_named_and_never_read(django: SqlStore, tables: sqlite3.Connection) -> None:
    row = ("sum", "FAILURE", "gASVCw==", None, None, "application/x-python-serialize")
    tables.execute(f"INSERT INTO {DJANGO_TABLE} VALUES (?, ?, ?, ?, ?, ?)", row)
    (found,) = await django.metas(["sum"])
    assert found == StoredResult("sum", "FAILURE", unreadable="is stored as application/x-python-serialize")


async def test_a_result_that_is_empty_is_null(django: SqlStore, tables: sqlite3.Connection) -> None:
    row = ("sum", "SUCCESS", None, None, None, "application/json")
    tables.execute(f"INSERT INTO {DJANGO_TABLE} VALUES (?, ?, ?, ?, ?, ?)", row)
    (found,) = await django.metas(["sum"])
    assert (read(found)["result"], read(found)["date_done"]) == (None, None)


async def test_sizes_come_in_the_order_of_the_question(store: SqlStore, tables: sqlite3.Connection) -> None:
    tables.execute(f"INSERT INTO {CELERY_TABLE} VALUES (?, ?, ?, ?, ?)", SUM)
    tables.execute(f"INSERT INTO {CELERY_TABLE} VALUES ('empty', 'SUCCESS', NULL, NULL, NULL)")
    assert await store.sizes(["nothing", "empty", "sum"]) == [0, 1, 14]


async def test_a_file_or_a_table_that_is_missing_holds_no_results_and_is_not_made(
    store: SqlStore, database: Path
) -> None:
    assert await store.metas(["sum"]) == [None]
    assert not database.exists()  # noqa: ASYNC240
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE another (id)")
    assert await store.metas(["sum"]) == [None]


async def test_a_table_of_another_form_is_an_error_and_not_the_absence_of_results(
    store: SqlStore, database: Path
) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"CREATE TABLE {CELERY_TABLE} (task_id)")
        connection.commit()
    with pytest.raises(Unavailable, match="The result backend is unavailable"):
        await store.metas(["sum"])


def test_a_database_without_a_driver_is_named() -> None:
    with pytest.raises(ImportError, match="no driver for this database"):
        SqlStore("db+nosuch://u:s3cret@db.test/x")
