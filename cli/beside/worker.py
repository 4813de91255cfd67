"""The app's own worker as a child of `up`: Celery's command, by the app's interpreter, with all of its environment."""

import socket
from collections.abc import Mapping
from functools import partial

from cli.addresses import Addresses
from cli.beside.advice import PLUGIN_MODULE
from cli.beside.app import AppFacts
from cli.child import Child
from cli.errors import CliError
from cli.launch import launch_command
from cli.stack import WORKER_STOP_SIGNALS, words_of_return
from cli.up import GUEST_WORKER
from store.inspection import is_drained


def refuse_factory(name: str, facts: AppFacts) -> None:
    """Raise CliError where `celery -A` would not take what we were given."""
    if facts.is_made:
        raise CliError(
            f"{name!r} makes its app when it is called, and `celery -A` takes none of that kind: "
            "start your worker yourself, or name a module that has called it."
        )


def app_worker(
    addresses: Addresses, facts: AppFacts, *, name: str, interpreter: str, environment: Mapping[str, str]
) -> Child:
    """Return the app's worker as a child. It sends events, and has the plugin where that is installed beside
    the app."""
    node = f"{GUEST_WORKER}@{socket.gethostname()}"
    plugin = ["-I", PLUGIN_MODULE] if facts.plugin and not facts.plugin_installed else []
    command = [interpreter, "-m", "celery", "-A", name, "worker", "-E", "-l", "info", "-n", node, *plugin]
    return Child(
        name=GUEST_WORKER,
        command=launch_command(command),
        environment={**environment, "PYTHONUNBUFFERED": "1", "CELERIAC_REDIS_URL": addresses.redis_url},
        stop_signals=WORKER_STOP_SIGNALS,
        stays_away=partial(is_drained, addresses.database_url, node),
        comes_back=words_of_return(node, addresses.api_url),
        umask=None,
    )
