"""`celeriac worker`: Celery's own worker, in this process, with our tasks and the user's."""

import gc
import importlib
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import typer
from celery import Celery, maybe_patch_concurrency
from celery.signals import after_setup_logger, after_setup_task_logger
from celery.utils.nodenames import default_nodename, host_format

from cli.configuration import described, read_settings, require_urls
from cli.errors import CliError
from cli.garbage import nothing_goes
from logs import clean_handlers
from settings import Settings


def command(
    hostname: Annotated[str, typer.Option(help="Name of the Celery node; `%h` is this machine's.")] = "worker-1@%h",
    concurrency: Annotated[int | None, typer.Option(help=described("concurrency"))] = None,
    *,
    pool: Annotated[str | None, typer.Option(help=described("pool"))] = None,
    queues: Annotated[str | None, typer.Option(help=described("queues"))] = None,
    held: Annotated[bool, typer.Option("--held", hidden=True)] = False,
) -> None:
    """Run a Celery worker in this process."""
    settings = read_settings(concurrency=concurrency, pool=pool, queues=queues)
    require_urls(settings, "broker_url", "result_url", "redis_url")
    _patch_for(settings.pool)
    with nothing_goes():
        app = resolve_name("tasks.app:app")
    _load_task_modules(settings.task_modules)
    _clean_logs()
    worker = _worker(app, settings, hostname=hostname)
    if held:
        sys.stdin.read()  # ends when `celeriac up` lets go: the mirror hears us now
    worker.start()
    sys.exit(worker.exitcode)


def _patch_for(pool: str) -> None:
    """gevent must replace the standard library's waits before anything else imports them."""
    try:
        maybe_patch_concurrency(["celery", "--pool", pool])
    except ImportError as error:
        raise CliError(f"The pool {pool} needs a package that is not installed: {error.name}.") from error


def _load_task_modules(modules: tuple[str, ...]) -> None:
    """The user's modules are looked for where the worker was started, last, so that they cannot shadow ours.

    What they read while they are imported may be of any size, so their garbage goes, unlike ours. What stays is not
    looked through again: each process of the pool would copy its pages.
    """
    sys.path.append(str(Path.cwd()))
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise CliError(f"CELERIAC_TASK_MODULES names {name!r}, but {error.name!r} cannot be found.") from error
    gc.freeze()


def _clean_logs() -> None:
    """Names, ids and errors of tasks are chosen by clients, and Celery logs them as they are."""
    for signal in (after_setup_logger, after_setup_task_logger):
        signal.connect(clean_handlers, weak=False)


def _worker(app: Celery, settings: Settings, *, hostname: str) -> Any:
    """What `celery worker` builds, without its command line: that imports every plugin, Flower too, in 0.8 s."""
    return app.Worker(
        hostname=host_format(default_nodename(hostname)),
        concurrency=settings.concurrency,
        pool_cls=settings.pool,
        queues=list(settings.queues or (settings.default_queue,)),
        loglevel=settings.log_level.upper(),
        no_color=True,
        task_events=True,
        # Mingle waits 1 s for other workers' revoked ids. Ours need none: cancels are repeated until an end is proven.
        without_mingle=True,
        # Gossip hears other workers' events, for an election that nobody holds. kombu raises what is wrong with one of
        # them: a single published text that is no event (its headers a string) ended every worker that listened.
        without_gossip=True,
    )
