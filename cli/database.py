"""Work on the database itself, for the commands that need no API: whoever has its password may do all."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cli.addresses import with_addresses
from cli.configuration import read_settings, require_urls
from cli.errors import CliError
from domain.errors import CeleriacError
from settings import Settings
from store.engine import open_engine

Answer = TypeVar("Answer")
Work = Callable[[AsyncConnection, Settings], Awaitable[Answer]]
WorkOfMany = Callable[[AsyncEngine, Settings], Awaitable[Answer]]


def run_on_database(work: Work[Answer], data: str | None, *, name: str) -> Answer:
    """Return the answer of this in one transaction; what is refused or out of reach is one sentence.

    Raises CliError. `name`: what Postgres is told of who asks.
    """

    async def transact(engine: AsyncEngine, settings: Settings) -> Answer:
        async with engine.begin() as connection:
            return await work(connection, settings)

    return run_with_engine(transact, data, name=name)


def run_with_engine(work: WorkOfMany[Answer], data: str | None, *, name: str) -> Answer:
    """Return the answer of this, which makes transactions of its own; else as `run_on_database`. Raises CliError."""
    settings = with_addresses(read_settings(data=data))
    require_urls(settings, "database_url")
    try:
        return asyncio.run(with_engine(work, settings, name=name))
    except CeleriacError as error:
        raise CliError(error.detail) from error
    except (SQLAlchemyError, OSError) as error:
        reason = (str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__])[0]
        raise CliError(f"The database of CELERIAC_DATABASE_URL could not be asked: {reason}") from error


async def with_engine(work: WorkOfMany[Answer], settings: Settings, *, name: str) -> Answer:
    """Return the answer of this, which is given the database of the settings for as long as it takes."""
    engine = open_engine(str(settings.database_url), pool_size=1, name=name, keys=settings.at_rest_keys)
    try:
        return await work(engine, settings)
    finally:
        await engine.dispose()
