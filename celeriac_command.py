"""Begins the commands `celeriac` and `celery -A proj celeriac`, in a module of a name that no app has.

Celery imports it into every process of every app beside which Celeriac is installed. So it imports nothing of ours
there: an app's own `tasks` or `settings` would then be ours.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import click

AS_CELERY = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def main() -> None:
    """Run `celeriac`, with our packages before those that PYTHONPATH brings, which may have their names."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import_module("cli.main").main()


@click.command("celeriac", context_settings=AS_CELERY, short_help="Celeriac beside this app, as `celeriac up -A`.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Become `celeriac up -A APP`, or `celeriac doctor -A APP`, with whatever options follow."""
    verb, rest = ("doctor", arguments[1:]) if arguments[:1] == ("doctor",) else ("up", arguments)
    own = [sys.executable, "-P", str(Path(__file__).resolve()), verb, "-A", _app_as_named(), "--python", sys.executable]
    os.execv(sys.executable, [*own, *rest])  # noqa: S606  no shell


def _app_as_named() -> str:
    """What was given to `celery -A`: its context holds only the app that became of it."""
    parent = click.get_current_context().parent
    named = parent.params.get("app") if parent else None
    if isinstance(named, str):
        return named
    raise click.UsageError("Name your app: celery -A proj celeriac")


if __name__ == "__main__":
    main()
