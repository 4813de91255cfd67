"""`celeriac encrypt`: encrypts what the database holds plainly or under older keys with the current one."""

from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.database import run_with_engine
from cli.encryption import COUNTED, Encrypted, count_left, encrypt_stored
from cli.errors import CliError
from cli.options import Data, Json
from cli.terminal import print_json
from domain.sentences import plural
from settings import Settings

NO_KEYS = "CELERIAC_ENCRYPTION_KEYS is not set: there is no key to encrypt with."


def command(
    check: Annotated[bool, typer.Option("--check", help="Only count what is left to do.")] = False,
    *,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Print what was done for each table; exits with 1 if anything is left."""
    if check:
        _print_left(run_with_engine(_count, data, name="celeriac encrypt"), as_json=as_json)
        return
    tables = run_with_engine(_encrypt, data, name="celeriac encrypt")
    if as_json:
        print_json([asdict(table) for table in tables])
    else:
        for table in tables:
            print(f"{table.table}: {plural(table.encrypted, 'row')} encrypted")
    problems = [_problem(table) for table in tables if table.locked or table.unreadable]
    if problems:
        raise CliError(" ".join(problems))
    if not as_json:
        print("Done: the first of CELERIAC_ENCRYPTION_KEYS has encrypted all that is stored.")


async def _encrypt(engine: AsyncEngine, settings: Settings) -> list[Encrypted]:
    _require_key(settings)
    return await encrypt_stored(engine)


async def _count(engine: AsyncEngine, settings: Settings) -> dict[str, int]:
    _require_key(settings)
    return await count_left(engine)


def _require_key(settings: Settings) -> None:
    if not settings.encryption_keys:
        raise CliError(NO_KEYS)


def _print_left(counts: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        print_json(counts)
    else:
        for table, count in counts.items():
            print(f"{table}: {plural(count, 'row', is_exact=count < COUNTED)} left")
    if any(counts.values()):
        raise typer.Exit(1)


def _problem(table: Encrypted) -> str:
    if table.locked:
        locked = plural(table.locked, f"row of {table.table} was", many=f"rows of {table.table} were")
        return f"{locked} locked by others; run this again."
    return f"{plural(table.unreadable, 'row')} of {table.table} can be opened by none of the keys."
