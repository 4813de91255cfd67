"""`celeriac migrate`: brings the database to the newest schema."""

import psycopg
from sqlalchemy.exc import DBAPIError

from cli.addresses import with_addresses
from cli.configuration import read_settings, require_urls
from cli.errors import CliError
from cli.options import Data, Json
from cli.terminal import print_json
from store.migrate import migrate, pending_revisions


def command(data: Data = None, as_json: Json = False) -> None:
    """Apply every pending migration and print which."""
    settings = with_addresses(read_settings(data=data))
    require_urls(settings, "database_url")
    applied = _migrate(str(settings.database_url))
    if as_json:
        print_json({"applied": applied})
    else:
        print("\n".join(f"applied {revision}" for revision in applied) or "nothing to apply")


def _migrate(database_url: str) -> list[str]:
    try:
        pending = pending_revisions(database_url)
        migrate(database_url)
    except (DBAPIError, psycopg.Error) as error:
        reason = (str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__])[0]
        raise CliError(f"The database of CELERIAC_DATABASE_URL could not be migrated: {reason}") from error
    return pending
