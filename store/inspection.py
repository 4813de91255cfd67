"""Questions that a command line asks a database without an engine: is it current, how old, which nodes stay away?

Plain psycopg: importing SQLAlchemy and Alembic takes 1.5 s, and most starts find nothing to migrate.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

CONNECT_SECONDS = 3
VERSIONS = Path(__file__).parent / "migrations" / "versions"


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server tells about itself."""

    major_version: int
    now: datetime


def ask_server(database_url: str) -> ServerFacts:
    """Return what the server tells about itself; raises psycopg.Error if there is no answer within 3 s."""
    with psycopg.connect(database_url, connect_timeout=CONNECT_SECONDS) as connection:
        row = connection.execute("select clock_timestamp()").fetchone()
        assert row is not None
        return ServerFacts(connection.info.server_version // 10_000, row[0])


def count_unread(database_url: str) -> dict[str, int]:
    """Count the last 1,000 results that could not be read by their reason (index task_results_unreadable).

    Raises psycopg.Error.
    """
    with psycopg.connect(database_url, connect_timeout=CONNECT_SECONDS) as connection:
        return dict(connection.execute(_UNREAD).fetchall())


_UNREAD = """select unreadable, count(*) from (
    select unreadable from task_results where unreadable is not null order by stored_at desc limit 1000
) latest group by unreadable order by 2 desc"""


def was_closed(database_url: str) -> bool:
    """Whether there ever was an API key, since when everybody needs one. Raises psycopg.Error."""
    with psycopg.connect(database_url, connect_timeout=CONNECT_SECONDS) as connection:
        if connection.execute("select to_regclass('api_keys')").fetchone() == (None,):
            return False
        return connection.execute("select from api_keys limit 1").fetchone() is not None


def is_drained(database_url: str, node: str) -> bool:
    """Tell whether a node is draining or drained, and nobody has resumed it since. True while nobody can say."""
    try:
        with psycopg.connect(database_url, connect_timeout=CONNECT_SECONDS) as connection:
            row = connection.execute(
                "select drain_started_at is not null from workers where node = %s", [node]
            ).fetchone()
    except psycopg.Error:
        return True
    return row is not None and bool(row[0])


def is_current(database_url: str) -> bool:
    """Tell whether the newest migration is applied. A migration's file is named like its revision."""
    newest = max(path.stem for path in VERSIONS.glob("[0-9]*.py"))
    with psycopg.connect(database_url, connect_timeout=CONNECT_SECONDS) as connection:
        # Asked first: a statement that fails would be an ERROR in the server's log, the first thing a new user reads.
        if connection.execute("select to_regclass('alembic_version')").fetchone() == (None,):
            return False
        return connection.execute("select version_num from alembic_version").fetchone() == (newest,)
