"""`celeriac keys`: makes, lists, rotates, disables and revokes API keys in the database itself, with no HTTP.

So it needs no key: whoever has the database's password may do everything anyway. The secret of a key goes to stdout,
once.
"""

import getpass
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.database import run_on_database
from cli.errors import CliError
from cli.options import Data, Json, Reason
from cli.terminal import line_of, print_fields, print_json, time_text
from domain.api_keys import (
    HIGHEST_RATE_LIMIT,
    LONGEST_OVERLAP_SECONDS,
    MAX_KEYS,
    MAX_NAME,
    USUAL_OVERLAP_SECONDS,
    ApiKey,
    parse_networks,
)
from domain.audit import Author, check_reason
from domain.scopes import Scope
from domain.sight import MAX_PATTERNS, check_pattern
from services import api_keys
from services.api_keys import Issued, Order
from settings import Settings
from store.queries.api_keys import list_keys, was_closed

NAME = "celeriac keys"
COLUMNS = ("key_id", "name", "scopes", "limits", "state", "last_used_at", "last_used_from")

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="The 12 characters behind `cel_`.")]

command = typer.Typer(no_args_is_help=True)


CREATE_HELP = """Make a key and print it; it cannot be shown again.

The first key closes the door, for good: from then on the API refuses every program that sends none.
"""


@command.command("create", help=CREATE_HELP)
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
    reason: Reason = None,
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

    async def make(connection: AsyncConnection, settings: Settings) -> tuple[Issued, bool]:
        author, is_first = _author(reason, settings), not await was_closed(connection)
        issued = await api_keys.create_key(connection, order, author=author, has_other_way=settings.has_full_key)
        return issued, is_first

    issued, is_first = run_on_database(make, data, name=NAME)
    _print_issued(issued, as_json=as_json)
    if is_first:
        print("The first key: from now on the API refuses every program that sends none.", file=sys.stderr)


@command.command("list", help="List the keys, without their secrets.")
def list_all(data: Data = None, as_json: Json = False) -> None:
    """Print every key that there ever was."""

    async def read(connection: AsyncConnection, _settings: Settings) -> list[ApiKey]:
        return (await list_keys(connection, limit=2 * MAX_KEYS, offset=0))[1]

    rows = [_shown(key) for key in run_on_database(read, data, name=NAME)]
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
    reason: Reason = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Give a key another secret, and print that."""

    async def change(connection: AsyncConnection, settings: Settings) -> Issued:
        author = _author(reason, settings)
        return await api_keys.rotate_key(connection, key_id, overlap=timedelta(seconds=overlap_seconds), author=author)

    _print_issued(run_on_database(change, data, name=NAME), as_json=as_json)


@command.command("disable", help="Let a key open nothing, until it is enabled.")
def disable(key_id: KeyId, reason: Reason = None, *, data: Data = None) -> None:
    """Let a key open nothing for a while."""
    _set_disabled(key_id, data, reason=reason, disabled=True)


@command.command("enable", help="Let a disabled key open again.")
def enable(key_id: KeyId, reason: Reason = None, *, data: Data = None) -> None:
    """Let a key open again."""
    _set_disabled(key_id, data, reason=reason, disabled=False)


@command.command("revoke", help="End a key for good.")
def revoke(key_id: KeyId, reason: Reason = None, *, data: Data = None) -> None:
    """End a key for good."""

    async def end(connection: AsyncConnection, settings: Settings) -> None:
        author = _author(reason, settings)
        await api_keys.revoke_key(connection, key_id, author=author, has_other_way=settings.has_full_key)

    run_on_database(end, data, name=NAME)
    print(f"revoked {key_id}")


def _set_disabled(key_id: str, data: str | None, *, reason: str | None, disabled: bool) -> None:

    async def change(connection: AsyncConnection, settings: Settings) -> ApiKey:
        author = _author(reason, settings)
        return await api_keys.change_key(
            connection, key_id, changes={"disabled": disabled}, author=author, has_other_way=settings.has_full_key
        )

    run_on_database(change, data, name=NAME)
    print(f"{'disabled' if disabled else 'enabled'} {key_id}")


def _author(reason: str | None, settings: Settings) -> Author:
    """Who does this, as the audit says it: the user of this machine, whom nobody has asked for a proof.

    Raises CliError for what is no reason, or where one is needed.
    """
    if reason is None and Scope.ADMIN in settings.require_reason:
        raise CliError("Say why this is done, with --reason: CELERIAC_REQUIRE_REASON wants it.")
    if reason is not None:
        try:
            check_reason(reason)
        except ValueError as flaw:
            raise CliError(f"--reason {flaw}.") from None
    return Author("cli", "cli", _user(), reason=reason)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return str(os.getuid())


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
        "state": (key.flaw(datetime.now(UTC)) or "valid").split()[-1],
        "expires_at": time_text(key.expires_at),
        "previous_expires_at": time_text(key.previous_expires_at),
        "last_used_at": time_text(key.last_used_at),
        "last_used_from": key.last_used_from,
    }
