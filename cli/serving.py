"""Runs our long-lived doors in this process: settings, logs, and a stop at SIGTERM or SIGINT."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from pkgutil import resolve_name

import structlog
import uvloop

import logs
from background import Watchdog
from cli.configuration import read_settings, require_urls, unknown_variables
from settings import Settings

GARBAGE_THRESHOLDS = (50_000, 20, 20)
"""New objects beyond those that went, and how many such rounds until older ones are looked through as well."""

Run = Callable[[Settings, asyncio.Event], Awaitable[None]]

log = structlog.get_logger(__name__)


def serve(door: str) -> None:
    """Run the function `module:name`. By name, as uvicorn takes the API: doors never import each other."""
    settings = read_settings()
    require_urls(settings, "database_url", "broker_url", "result_url", "redis_url")
    configure_logs(settings)
    run = resolve_name(door)
    look_for_garbage_seldom()
    # Waiting for small answers is a good part of what mirror and loops do: 15 % less of their time than with asyncio's.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(run, settings))


def look_for_garbage_seldom() -> None:
    """Never look again through what never goes, and through the rest only when much has come.

    115,000 objects of modules are a fifth of the mirror's time. A batch makes some hundred thousand more, next to none
    of them in circles: with Python's own thresholds of 700, the mirror takes in 8 % fewer events.
    """
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def configure_logs(settings: Settings) -> None:
    """Set the logs of this process up, and tell there which of its variables nothing reads; never their values."""
    logs.configure(settings.log_level, settings.log_format)
    for name, meant in unknown_variables().items():
        log.warning("variable_unknown", variable=name, perhaps=meant)


async def _until_stopped(run: Run, settings: Settings) -> None:
    stopping = asyncio.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(which, stopping.set)
    async with Watchdog():
        await run(settings, stopping)
