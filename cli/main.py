"""`celeriac`: the table of its commands. Each command is the module of its name in `cli/commands`.

Its `command` is a function, or an application where it has commands of its own.
"""

import sys
from pkgutil import resolve_name

import typer

from cli.errors import CliError
from cli.garbage import nothing_goes
from cli.terminal import print_error

COMMANDS = {
    "up": "Start everything on this machine and keep it alive: servers, API, mirror, loops, workers, Flower.",
    "api": "Serve the REST API.",
    "mirror": "Write what Celery tells about itself to Postgres.",
    "loops": "Run the background loops: dispatch and its siblings.",
    "worker": "Run a Celery worker with the tasks of this project and those of CELERIAC_TASK_MODULES.",
    "flower": "Serve Flower on the same broker.",
    "migrate": "Bring the database to the newest schema.",
    "demo": "Fill a running system with a believable shop, to see every page of the dashboard alive.",
    "top": "Show how it is, live, in the terminal: the verdict, queues, workers, what fails and what runs.",
    "doctor": "Check versions, servers, clocks and workers, and say how to mend what is wrong.",
    "submit": "Submit a task; with --wait, follow it to its end.",
    "task": "Show a task.",
    "workflow": "Run, show, retry or cancel a workflow.",
    "events": "List what has changed, and follow what changes.",
    "webhooks": "Make, list, try and delete webhooks, and look into what they were sent.",
    "workers": "List workers, and pause, resume, drain or resize one.",
    "notifications": "Make, test and remove channels that people are notified of alerts by, and routes to them.",
    "keys": "Make, list, rotate, disable and revoke API keys, in the database itself.",
    "audit": "List what was done by whom, and tell whether it was tampered with, in the database itself.",
    "encrypt": "Encrypt what is stored plainly or under older keys with the current one, in the database itself.",
    "settings": "List every setting with its variable, value and meaning.",
}


def main() -> None:
    """Run the command line; a CliError is one sentence on stderr and exit code 1."""
    try:
        with nothing_goes():
            command_line = application(sys.argv[1:])
        command_line(prog_name="celeriac")
    except CliError as error:
        print_error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def application(arguments: list[str]) -> typer.Typer:
    """Return the command line with the asked command loaded: all their imports take 2 s, and help needs none."""
    app = typer.Typer(
        help="Celeriac: a control plane for Celery.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # its tracebacks print local variables, secrets among them
    )
    for name, summary in COMMANDS.items():
        asked = arguments[:1] == [name]
        command = resolve_name(f"cli.commands.{name}:command") if asked else _not_loaded
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=summary)
        else:
            app.command(name, help=summary)(command)
    return app


def _not_loaded() -> None:
    raise AssertionError("only listed, never run")
