"""`celeriac audit`: lists what was done by whom, and tells whether anybody has tampered with it, in the database."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.audit_key import audit_keys_of
from cli.database import run_on_database
from cli.errors import CliError
from cli.options import Data, Json
from cli.terminal import line_of, print_fields, print_json, time_text
from domain.audit import Action, Author, Outcome
from domain.audit_seals import EXPLANATIONS, AuditRow
from services.audit_seals import Verification, verify
from settings import Settings
from store.queries.audit import AuditFilter, list_rows

COLUMNS = ("at", "actor", "action", "subject_id", "outcome", "reason")
LONGEST_SECONDS = 3_600
MOST_ROWS = 10_000

command = typer.Typer(no_args_is_help=True)


@command.command("list", help="List what was done, the newest first.")
def list_all(
    actor: Annotated[str | None, typer.Option(help="Who: the id of a key, or `kind:id`.")] = None,
    *,
    action: Annotated[Action | None, typer.Option(help="What was done.")] = None,
    subject: Annotated[str | None, typer.Option(help="The id of what it was done to.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="What became of it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="Rows at most.")] = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Print the newest rows that match."""
    filters = AuditFilter(actor=actor, action=action, subject=subject, outcome=outcome)

    async def read(connection: AsyncConnection, _settings: Settings) -> list[AuditRow]:
        return await list_rows(connection, filters, limit=limit)

    rows = [_shown(row) for row in run_on_database(read, data, name="celeriac audit")]
    if as_json:
        print_json(rows)
        return
    table = Table(*(name.removesuffix("_id") for name in COLUMNS), box=None)
    for row in rows:
        table.add_row(*(line_of(row[name] or "-") for name in COLUMNS))
    Console(soft_wrap=True).print(table)


@command.command("verify", help="Tell whether all rows are what they were when they were sealed; exit code 1 if not.")
def verify_all(
    seconds: Annotated[int, typer.Option(min=1, max=LONGEST_SECONDS, help="How long to look at most.")] = 600,
    *,
    after: Annotated[int, typer.Option(min=0, help="Go on behind the seal of this number.")] = 0,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Print what was found; exits with 1 if something is not as it was sealed, or not all was looked at."""

    async def look(connection: AsyncConnection, settings: Settings) -> Verification:
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        return await verify(connection, audit_keys_of(settings), seconds=seconds, after=after)

    found = run_on_database(look, data, name="celeriac audit")
    answer = summary_of(found)
    print_json(answer) if as_json else print_fields(answer)
    if found.tampering is not None:
        raise CliError(EXPLANATIONS[found.tampering.flaw])
    if not found.complete:
        raise CliError(f"Not all was looked at in time; go on with --after {answer['last_seal']}.")


def summary_of(found: Verification) -> dict[str, Any]:
    """Return what was found, by the names that the API has for it."""
    tampering = found.tampering
    last = found.last_seal
    return {
        "ok": tampering is None,
        "complete": found.complete,
        "flaw": tampering and tampering.flaw.value,
        "seal_no": tampering and tampering.seal_no,
        "audit_id": str(tampering.audit_id) if tampering and tampering.audit_id else None,
        "seals": found.seals,
        "seals_with_key": found.seals_with_key,
        "rows": found.rows,
        "unsealed_rows": found.unsealed,
        "last_seal": last and last.seal_no,
        "last_hash": last.seal_hash.hex() if last else None,
    }


def _shown(row: AuditRow) -> dict[str, Any]:
    return {
        "audit_id": str(row.audit_id),
        "at": time_text(row.at),
        "actor": Author(row.actor_kind, row.actor_id, row.actor_name).label,
        "actor_name": row.actor_name,
        "action": row.action,
        "subject_id": row.subject_id,
        "outcome": row.outcome,
        "reason": row.reason,
        "request_id": row.request_id,
        "address": row.address,
        "before": row.before,
        "after": row.after,
    }
