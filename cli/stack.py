"""What `celeriac up` consists of: which servers are embedded, where everything listens, which children run.

Pure: it decides, and `cli/up.py` starts.
"""

import os
import signal
import socket
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

from cli.addresses import Addresses
from cli.child import Child
from cli.configuration import OF_THE_PLUGIN, SECRETS, as_environment, variable
from cli.embedded.postgres import PostgresServer
from cli.embedded.valkey import ValkeyServer
from cli.flower_login import with_login
from cli.launch import launch_command
from cli.options import DEFAULT_URL
from settings import Settings
from store.inspection import is_drained

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared with, never listened on here
SERVER_STOP_SECONDS = 30.0

# Warm (finish what runs), then cold (put it back), then SIGKILL.
WORKER_STOP_SIGNALS = ((signal.SIGTERM, 20.0), (signal.SIGQUIT, 10.0))


def needs_postgres(settings: Settings) -> bool:
    """Tell whether no PostgreSQL was named, so that one is embedded."""
    return settings.database_url is None


def needs_valkey(settings: Settings) -> bool:
    """Tell whether one is embedded: it serves whatever needs a Redis and was given no URL."""
    return None in (settings.broker_url, settings.effective_result_url, settings.effective_redis_url)


def addresses_of(
    settings: Settings, *, postgres_url: str | None, valkey_url: str | None, flower_login: str | None = None
) -> Addresses:
    """Return the URLs given, and those of the embedded servers for the rest."""
    return Addresses(
        api_url=api_url(settings),
        database_url=settings.database_url or str(postgres_url),
        broker_url=settings.broker_url or f"{valkey_url}/0",
        result_url=settings.effective_result_url or f"{valkey_url}/1",
        redis_url=settings.effective_redis_url or f"{valkey_url}/2",
        flower_url=with_login(flower_url(settings), flower_login) if settings.flower_port else None,
        host=settings.host,
        asks_for_key=settings.asks_everybody,
    )


def api_url(settings: Settings) -> str:
    """Return how this machine reaches the API."""
    return _url(settings.host, settings.port)


def flower_url(settings: Settings) -> str:
    """Return how this machine reaches Flower."""
    return _url(settings.host, settings.flower_port)


def child_environment(settings: Settings, addresses: Addresses) -> dict[str, str]:
    """Return this process's environment with every setting in it: children read nothing else.

    Keys of encrypted arguments are left out: only workers are given them.
    """
    urls = {
        "CELERIAC_DATABASE_URL": addresses.database_url,
        "CELERIAC_BROKER_URL": addresses.broker_url,
        "CELERIAC_RESULT_URL": addresses.result_url,
        "CELERIAC_REDIS_URL": addresses.redis_url,
    }
    # Nobody else can have workers waiting on a broker that we have just started. What somebody says holds, though.
    is_said = "adopt_queues" in settings.model_fields_set
    adopts = settings.adopt_queues if is_said else settings.broker_url is None
    decided = {"CELERIAC_ADOPT_QUEUES": str(adopts).lower()}
    return {**inherited(), "PYTHONUNBUFFERED": "1", **as_environment(settings), **decided, **urls}


def server_child(server: PostgresServer | ValkeyServer) -> Child:
    """Return an embedded server as a child."""
    return Child(
        name=server.name,
        command=server.command,
        environment=inherited(),
        stop_signals=((server.stop_signal, SERVER_STOP_SECONDS), (signal.SIGQUIT, SERVER_STOP_SECONDS)),
    )


def inherited() -> dict[str, str]:
    """Return this process's environment without any key: which child is given which is said for each."""
    return {name: value for name, value in without_secrets(os.environ).items() if name not in OF_THE_PLUGIN}


def without_secrets(environment: Mapping[str, str], *, but: Collection[str] = ()) -> dict[str, str]:
    """Return an environment without the settings that nobody is shown, but for these."""
    secret = {variable(field) for field in SECRETS if field not in but}
    return {name: value for name, value in environment.items() if name not in secret}


def own_child(name: str, environment: dict[str, str], *options: str) -> Child:
    """Return a command of ours as a child. `-P`: a folder `tasks` where `up` was started must not shadow ours."""
    command = launch_command([sys.executable, "-P", "-m", "cli", name, *options])
    return Child(name=name, command=command, environment=environment)


def children(settings: Settings, environment: dict[str, str]) -> list[Child]:
    """Return the children that readiness depends on. The mirror is first: workers are held until it hears them."""
    mirror = replace(own_child("mirror", environment), announces="mirror_ready")
    others = [own_child(name, environment) for name in ("api", "loops")]
    return [mirror, *others, *(_worker(name, settings, environment=environment) for name in worker_names(settings))]


def late_children(settings: Settings, environment: dict[str, str]) -> list[Child]:
    """Return the children started when all is well: Flower takes a second of processor time that others
    would wait for."""
    # Its door is that of the API, which opens to any host only where there are keys.
    own = without_secrets(environment, but=("flower_basic_auth", "api_keys"))
    return [own_child("flower", own)] if settings.flower_port else []


def stop_order(settings: Settings) -> list[list[str]]:
    """Return groups that stop together: no new work first; the mirror after the workers, whose last events it still
    hears.
    """
    return [["api"], ["loops"], worker_names(settings), ["mirror"], ["flower"], ["valkey"], ["postgres"]]


def worker_names(settings: Settings) -> list[str]:
    """Return the names of the workers that `up` runs, as its children."""
    return [f"worker-{number}" for number in range(1, settings.workers + 1)]


def words_of_return(node: str, url: str) -> str:
    """Return how a drained worker of `up` comes back, as the end of a sentence."""
    where = "" if url == DEFAULT_URL else f" --url {url}"
    return f"until it is resumed: celeriac workers resume {node}{where}"


def _url(host: str, port: int) -> str:
    host = ANY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _worker(name: str, settings: Settings, *, environment: dict[str, str]) -> Child:
    """Return a worker. Its node name is the same in every life and after every `up`: the mirror knows a
    worker by it."""
    node = f"{name}@{socket.gethostname()}"
    own = without_secrets(environment)
    own.pop(variable("allowed_hosts"), None)  # a worker has no door, and without keys any host would be too many
    own |= {name: os.environ[name] for name in OF_THE_PLUGIN if name in os.environ}
    child = own_child("worker", own, "--held", "--hostname", node)
    stays_away = partial(is_drained, environment["CELERIAC_DATABASE_URL"], node)
    # Files that people's tasks write are theirs to open to others; ours are written by the other children.
    return replace(
        child,
        name=name,
        is_held=True,
        stop_signals=WORKER_STOP_SIGNALS,
        stays_away=stays_away,
        comes_back=words_of_return(node, api_url(settings)),
        umask=None,
    )
