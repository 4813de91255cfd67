"""Connections to Postgres: one pool for each process, with bounds on every wait."""

import asyncio
import os
import select
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import AsyncConnection
from psycopg.abc import RV, PQGen
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import AsyncAdaptedQueuePool, event, text
from sqlalchemy.engine import URL, Dialect, ExceptionContext, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection as SqlConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import PoolProxiedConnection

from domain.at_rest import AtRestKeys
from store.at_rest import OPTION, AtRest

CONNECT_TIMEOUT_SECONDS = 3
POOL_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_MS = 30_000
_limit_statements = text("SELECT set_config('statement_timeout', :limit, true)")
IDLE_IN_TRANSACTION_MS = 45_000
"""Longer than any of ours waits for anything else within a transaction; then Postgres drops its locks."""
# A peer that vanished without a word is noticed after this long, not after the kernel's 15 minutes.
TCP_USER_TIMEOUT_MS = 10_000
ANSWER_SECONDS = STATEMENT_TIMEOUT_MS / 1000 + 5
"""How long an answer may take until the connection is closed: what is lost on the way nobody else notices."""
TRUSTED_SECONDS = 3.0
"""How long after an answer a connection is not asked whether it lives: that is a tenth of a short request. Longer than
the pause of what reads every two seconds.
"""


class BoundedConnection(AsyncConnection[Any]):
    """Hangs up on a server that owes an answer for longer than it may work on one. psycopg itself waits for ever."""

    _asked_at: float | None = None
    _guard: asyncio.TimerHandle | None = None
    """One for many waits: a timer for each would cost a tenth of a short query."""
    _answered_at = float("-inf")

    @property
    def is_trusted(self) -> bool:
        """Tell whether it answered just now and the server has not left it since."""
        return time.monotonic() - self._answered_at <= TRUSTED_SECONDS and not self.is_left

    @property
    def is_left(self) -> bool:
        """Tell whether it is closed, or the server has sent something; at rest that could only be a farewell."""
        if self.closed:
            return True
        waiting = select.poll()
        waiting.register(self.pgconn.socket, select.POLLIN)
        return bool(waiting.poll(0))

    async def wait(self, gen: PQGen[RV], *limits: Any, **named_limits: Any) -> RV:
        """Wait as psycopg does, but hang up after `ANSWER_SECONDS`."""
        loop = asyncio.get_running_loop()
        self._asked_at = loop.time()
        if self._guard is None:
            self._guard = loop.call_later(ANSWER_SECONDS, self._judge, loop)
        try:
            answer = await super().wait(gen, *limits, **named_limits)
            self._answered_at = time.monotonic()
            return answer
        finally:
            self._asked_at = None

    def _judge(self, loop: asyncio.AbstractEventLoop) -> None:
        self._guard = None
        if self._asked_at is None:
            return
        left = self._asked_at + ANSWER_SECONDS - loop.time()
        if left > 0:
            self._guard = loop.call_later(left, self._judge, loop)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        """The wait then ends as if the server had closed the connection."""
        with suppress(OSError), socket.socket(fileno=os.dup(self.pgconn.socket)) as connected:
            connected.shutdown(socket.SHUT_RDWR)


class CountingPool(AsyncAdaptedQueuePool):
    """A pool that knows how many wait for one of its connections, which SQLAlchemy does not tell."""

    waiting = 0

    def connect(self) -> PoolProxiedConnection:
        self.waiting += 1
        try:
            return super().connect()
        finally:
            self.waiting -= 1


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How many connections of one process are in use."""

    size: int
    in_use: int
    waiting: int
    """How many have asked for a connection and do not have it yet."""


def pool_use(engine: AsyncEngine) -> PoolUse:
    """Return the connections in use right now."""
    pool = engine.pool
    assert isinstance(pool, CountingPool)
    return PoolUse(size=pool.size(), in_use=pool.checkedout(), waiting=pool.waiting)


def sqlalchemy_url(database_url: str) -> URL:
    """Turn `postgresql://...`, as people write it, into the URL of the psycopg 3 dialect."""
    return make_url(database_url).set(drivername="postgresql+psycopg")


def libpq_url(database_url: str) -> str:
    """Turn any accepted form of the URL into what psycopg itself and libpq tools take."""
    return make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)


def open_engine(
    database_url: str,
    *,
    pool_size: int = 10,
    name: str = "celeriac",
    by_key: bool = False,
    keys: AtRestKeys | None = None,
) -> AsyncEngine:
    """Return a pooled engine; dispose it when the process ends. `name` shows in pg_stat_activity.

    `keys`: what is encrypted before it is stored, is with these.

    `by_key`: its statements find rows by an index, and shall not scan a table because it was small when they were
    planned: a plan is kept, while a new table or a new day's partition grows by a million rows.
    """
    engine = create_async_engine(
        sqlalchemy_url(database_url),
        poolclass=CountingPool,
        pool_size=pool_size,
        # The one used last is used next: its statements are prepared, and it need not be asked whether it lives.
        pool_use_lifo=True,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        execution_options={OPTION: AtRest(keys)} if keys else {},
        # Errors of SQLAlchemy are logged, and the parameters are task arguments.
        hide_parameters=True,
        connect_args={"async_creator_fn": BoundedConnection.connect, **options_of(name, by_key=by_key)},
    )
    event.listen(engine.sync_engine, "connect", _send_lists_as_binary)
    event.listen(engine.sync_engine, "checkout", partial(_try_before_use, engine.dialect))
    return engine


def options_of(name: str, *, by_key: bool) -> dict[str, Any]:
    """Return how every connection is made, as psycopg takes it; the arguments are those of `open_engine`."""
    session = {
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_MS,
        "timezone": "UTC",
        # No statement of ours is worth compiling, and one that has to scan where it shall not is taken for that costly.
        "jit": "off",
    } | ({"enable_seqscan": "off"} if by_key else {})
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
        "application_name": name,
        "options": " ".join(f"-c {option}={value}" for option, value in session.items()),
    }


@asynccontextmanager
async def stating(engine: AsyncEngine) -> AsyncIterator[SqlConnection]:
    """Open a connection, each statement of which is a transaction of its own and commits by itself: that takes one
    round trip, and not three. For a single statement, and for questions that need no answers of the same moment.
    """
    async with engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")


async def limit_statements(connection: SqlConnection, *, seconds: float) -> None:
    """Let Postgres break off each statement of this transaction after this long."""
    await connection.execute(_limit_statements, {"limit": f"{int(seconds * 1000)}ms"})


def _try_before_use(dialect: Dialect, connection: Any, _record: object, _fairy: object, /) -> None:
    """What `pool_pre_ping` does, but only for connections that rested: the pool replaces those that are dead."""
    if connection.driver_connection.is_trusted:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _send_lists_as_binary(connection: Any, _record: object) -> None:
    """Send lists as binary: as text, each element is searched for characters to quote, a third of the mirror's time."""
    connection.driver_connection.adapters.register_dumper(list, ListBinaryDumper)


def tell_lost_connections(engine: AsyncEngine, tell: Callable[[], None]) -> None:
    """Call `tell` whenever a connection is lost or cannot be made; an old one found dead before its use is neither."""

    def listen(context: ExceptionContext) -> None:
        is_lost = context.is_disconnect or context.connection is None
        if is_lost and isinstance(context.original_exception, Exception):
            tell()

    event.listen(engine.sync_engine, "handle_error", listen)
