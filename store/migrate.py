"""Bring a database to the newest schema, or say what is missing. Blocking: for command lines only."""

import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from store.engine import CONNECT_TIMEOUT_SECONDS, sqlalchemy_url

# Two processes that migrate at once take turns on this advisory lock.
MIGRATION_LOCK = 0x63656C65
TURN_SECONDS = 0.1


def migrate(database_url: str) -> None:
    """Apply every pending migration, each in a transaction of its own; safe to call by several processes at once."""
    engine = create_engine(sqlalchemy_url(database_url), connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS})
    try:
        with engine.connect() as connection:
            _take_turn(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _renew_feed(connection)
    finally:
        engine.dispose()


_IS_OF_ANOTHER = "EXISTS (SELECT FROM feed WHERE xact >= pg_snapshot_xmax(pg_current_snapshot()))"
_RENEW = (
    "UPDATE feed_state SET epoch = left(replace(gen_random_uuid()::text, '-', ''), 12), complete_since = now(),"
    " dropped_xact = NULL, dropped_change_id = NULL",
    "TRUNCATE feed",
)


def _renew_feed(connection: Connection) -> None:
    """Begin the feed anew in a database that was restored into a server which counts fewer transactions: what it holds
    would be behind all that comes.
    """
    if connection.execute(text(f"SELECT {_IS_OF_ANOTHER}")).scalar_one():
        for statement in _RENEW:
            connection.execute(text(statement))
    connection.commit()


def _take_turn(connection: Connection) -> None:
    """Held until the connection ends. Asked again and again: an index that is built beside running work waits for every
    statement that is under way, also for one that waits for this lock.
    """
    while not connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK}).scalar_one():
        connection.rollback()
        time.sleep(TURN_SECONDS)
    connection.commit()


def pending_revisions(database_url: str) -> list[str]:
    """Return the names of the migrations that this database still lacks, oldest first."""
    engine = create_engine(sqlalchemy_url(database_url), connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS})
    try:
        with engine.connect() as connection:
            applied = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    script = ScriptDirectory.from_config(_config())
    missing = script.iterate_revisions("head", applied or "base")
    return [revision.revision for revision in reversed(list(missing))]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
