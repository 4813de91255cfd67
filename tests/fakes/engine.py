"""An engine without a database, for what only opens connections and hands them to queries that a test replaces."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class FakeEngine:
    """See `sqlalchemy.ext.asyncio.AsyncEngine`. Its connections can do nothing; how each ended is kept."""

    def __init__(self) -> None:
        self.open = 0
        """How many connections are open now."""
        self.ends: list[str] = []
        """`committed`, `rolled back`, or `closed` where there was no transaction."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with self._opened(end="committed") as connection:
            yield connection

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        async with self._opened(end="closed") as connection:
            yield connection

    async def execution_options(self, **_options: Any) -> Self:
        return self

    def as_engine(self) -> AsyncEngine:
        """Return itself, as what is tested takes it."""
        return cast(AsyncEngine, self)

    @asynccontextmanager
    async def _opened(self, *, end: str) -> AsyncIterator[AsyncConnection]:
        self.open += 1
        try:
            yield cast(AsyncConnection, self)
        except BaseException:
            end = "closed" if end == "closed" else "rolled back"
            raise
        finally:
            self.open -= 1
            self.ends.append(end)
