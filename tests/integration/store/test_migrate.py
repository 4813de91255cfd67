from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.dialects.postgresql.base import ischema_names

from store.engine import sqlalchemy_url
from store.inspection import ask_server, is_current
from store.migrate import _config, migrate, pending_revisions
from store.tables.audit import Xid8
from store.tables.base import metadata

ALL = sorted(path.stem for path in (Path(migrate.__code__.co_filename).parent / "migrations/versions").glob("*.py"))


@contextmanager
def connect(database_url: str) -> Iterator[Connection]:
    """A connection of an engine of its own."""
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def table_names(database_url: str) -> set[str]:
    with connect(database_url) as connection:
        return set(inspect(connection).get_table_names())


def is_ours(name: str | None, type_: str, parents: object, /) -> bool:
    """Partitions are made as the days go by; Alembic keeps a table of its own."""
    return type_ != "table" or name in metadata.tables


def test_the_migrations_make_what_the_tables_say(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ischema_names, "xid8", Xid8)
    with connect(database_url) as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": is_ours, "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    before = table_names(database_url)
    migrate(database_url)
    assert table_names(database_url) == before
    assert pending_revisions(database_url) == []


def test_two_that_migrate_at_once_take_turns(unmigrated_database_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate, [unmigrated_database_url] * 2))
    assert pending_revisions(unmigrated_database_url) == []


def test_pending_revisions_names_what_is_missing(unmigrated_database_url: str) -> None:
    assert pending_revisions(unmigrated_database_url) == ALL
    assert not is_current(unmigrated_database_url)
    migrate(unmigrated_database_url)
    assert pending_revisions(unmigrated_database_url) == []
    assert is_current(unmigrated_database_url)


def test_a_downgrade_leaves_nothing_and_can_be_upgraded_again(database_url: str) -> None:
    with connect(database_url) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    assert table_names(database_url) == {"alembic_version"}
    migrate(database_url)
    assert metadata.tables.keys() <= table_names(database_url)


def test_a_server_tells_its_version_and_time(database_url: str) -> None:
    facts = ask_server(database_url)
    assert facts.major_version >= 14
    assert facts.now.tzinfo is not None
