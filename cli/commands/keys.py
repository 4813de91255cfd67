"""`celeriac keys`: makes, lists, rotates, disables and revokes API keys in the database itself, with no HTTP.

So it needs no key: whoever has the database's password may do everything anyway. The secret of a key goes to stdout,
once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.addresses import with_addresses
from cli.configuration import read_settings, require_urls
from cli.errors import CliError
from cli.options import Data, Json
from cli.terminal import line_of, print_fields, print_json
from domain.api_keys import (
    HIGHEST_RATE_LIMIT,
    LONGEST_OVERLAP_SECONDS,
    MAX_KEYS,
    MAX_NAME,
    USUAL_OVERLAP_SECONDS,
    ApiKey,
    parse_networks,
)
from domain.errors import CeleriacError
from domain.scopes import Scope
from domain.sight import MAX_PATTERNS, check_pattern
from services import api_keys
from services.api_keys import Issued, Order
from settings import Settings
from store.engine import open_engine
from store.queries.api_keys import list_keys

AUTHOR = "cli"
COLUMNS = ("key_id", "name", "scopes", "limits", "state", "last_used_at", "last_used_from")

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="The 12 characters behind `cel_`.")]
Answer = TypeVar("Answer")

command = typer.Typer(no_args_is_help=True)


@command.command("create", help="Make a key and print it; it cannot be shown again.")
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")] = "admin",
    *,
    admin: Annotated[bool, typer.Option("--admin", help="Let it do everything: all four scopes.")] = False,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; several times for several.")] = None,
    queue: Annotated[list[str] | None, typer.Option(help="Limit it to this queue, or with etl.* to those.")] = None,
    task_name: Annotated[list[str] | None, typer.Option(help="Limit it to tasks of this name, or shop.*.")] = None,
    network: Annotated[list[str] | None, typer.Option(help="From where it may be used; default: anywhere.")] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it expires.")] = None,
    rate_limit: Annotated[
        int | None, typer.Option(min=1, max=HIGHEST_RATE_LIMIT, help="Requests a minute with it.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a key with the scopes that were asked for, and print it."""
    if not (admin or scope):
        raise CliError("Say what the key may do: --admin, or --scope read, submit, operate or admin.")
    order = Order(
        name=_checked_name(name),
        scopes=frozenset(Scope if admin else scope or ()),
        queues=_checked_patterns("--queue", queue or []),
        task_names=_checked_patterns("--task-name", task_name or []),
        networks=_checked_networks(network or []),
        rate_limit_per_minute=rate_limit,
        expires_at=datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None,
    )

    async def make(connection: AsyncConnection, settings: Settings) -> Issued:
        return await api_keys.create_key(connection, order, author=AUTHOR, has_other_way=settings.has_full_key)

    _print_issued(_run(make, data), as_json=as_json)


@command.command("list", help="List the keys, without their secrets.")
def list_all(data: Data = None, as_json: Json = False) -> None:
    """Print every key that there ever was."""

    async def read(connection: AsyncConnection, _settings: Settings) -> list[ApiKey]:
        return (await list_keys(connection, limit=2 * MAX_KEYS, offset=0))[1]

    rows = [_shown(key) for key in _run(read, data)]
    if as_json:
        print_json(rows)
        return
    table = Table(*(name.replace("_", " ") for name in COLUMNS), box=None)
    for row in rows:
        table.add_row(*(line_of(row[name] or "-") for name in COLUMNS))
    Console(soft_wrap=True).print(table)


@command.command("rotate", help="Give a key another secret and print it; the old one opens a while longer.")
def rotate(
    key_id: KeyId,
    overlap_seconds: Annotated[
        int, typer.Option(min=0, max=LONGEST_OVERLAP_SECONDS, help="For how long the old secret opens.")
    ] = USUAL_OVERLAP_SECONDS,
    *,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Give a key another secret, and print that."""

    async def change(connection: AsyncConnection, _settings: Settings) -> Issued:
        return await api_keys.rotate_key(connection, key_id, overlap=timedelta(seconds=overlap_seconds))

    _print_issued(_run(change, data), as_json=as_json)


@command.command("disable", help="Let a key open nothing, until it is enabled.")
def disable(key_id: KeyId, data: Data = None) -> None:
    """Let a key open nothing for a while."""
    _set_disabled(key_id, data, disabled=True)


@command.command("enable", help="Let a disabled key open again.")
def enable(key_id: KeyId, data: Data = None) -> None:
    """Let a key open again."""
    _set_disabled(key_id, data, disabled=False)


@command.command("revoke", help="End a key for good.")
def revoke(key_id: KeyId, data: Data = None) -> None:
    """End a key for good."""

    async def end(connection: AsyncConnection, settings: Settings) -> None:
        await api_keys.revoke_key(connection, key_id, has_other_way=settings.has_full_key)

    _run(end, data)
    print(f"revoked {key_id}")


def _set_disabled(key_id: str, data: str | None, *, disabled: bool) -> None:
    async def change(connection: AsyncConnection, settings: Settings) -> ApiKey:
        changes = {"disabled": disabled}
        return await api_keys.change_key(connection, key_id, changes=changes, has_other_way=settings.has_full_key)

    _run(change, data)
    print(f"{'disabled' if disabled else 'enabled'} {key_id}")


def _run(work: Callable[[AsyncConnection, Settings], Awaitable[Answer]], data: str | None) -> Answer:
    """The answer of this in one transaction; what is refused or out of reach is one sentence."""
    settings = with_addresses(read_settings(data=data))
    require_urls(settings, "database_url")
    try:
        return asyncio.run(_transact(work, settings))
    except CeleriacError as error:
        raise CliError(error.detail) from error
    except (SQLAlchemyError, OSError) as error:
        reason = (str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__])[0]
        raise CliError(f"The database of CELERIAC_DATABASE_URL could not be asked: {reason}") from error


async def _transact(work: Callable[[AsyncConnection, Settings], Awaitable[Answer]], settings: Settings) -> Answer:
    engine = open_engine(str(settings.database_url), pool_size=1, name="celeriac keys")
    try:
        async with engine.begin() as connection:
            return await work(connection, settings)
    finally:
        await engine.dispose()


def _checked_name(name: str) -> str:
    if not 0 < len(name) <= MAX_NAME or "\x00" in name:
        raise CliError(f"The name of a key has 1 to {MAX_NAME} characters.")
    return name


def _checked_patterns(option: str, patterns: list[str]) -> tuple[str, ...]:
    if len(patterns) > MAX_PATTERNS:
        raise CliError(f"{option} may be given {MAX_PATTERNS} times.")
    try:
        for pattern in patterns:
            check_pattern(pattern)
    except ValueError as error:
        raise CliError(f"{option} {error}.") from None
    return tuple(patterns)


def _checked_networks(networks: list[str]) -> tuple[str, ...]:
    try:
        parse_networks(networks)
    except ValueError as error:
        raise CliError(f"--network {error}.") from None
    return tuple(networks)


def _print_issued(issued: Issued, *, as_json: bool) -> None:
    answer = {"key": issued.text} | _shown(issued.key)
    print_json(answer) if as_json else print_fields(answer)


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": ", ".join(scope for scope in Scope if scope in key.scopes),
        "limits": ", ".join((*key.queues, *key.task_names)) or None,
        "state": (key.flaw(datetime.now(UTC)) or "opens").split()[-1],
        "expires_at": _time(key.expires_at),
        "previous_expires_at": _time(key.previous_expires_at),
        "last_used_at": _time(key.last_used_at),
        "last_used_from": key.last_used_from,
    }


def _time(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z") if time else None
