"""Runs our long-lived doors in this process: settings, logs, and a stop at SIGTERM or SIGINT."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pkgutil import resolve_name

import structlog
import uvloop

import logs
from background import Watchdog
from cli.configuration import read_settings, require_urls, unknown_variables
from cli.garbage import look_for_garbage_seldom, nothing_goes
from settings import Settings

Run = Callable[[Settings, asyncio.Event], Awaitable[None]]

log = structlog.get_logger(__name__)


def serve(door: str) -> None:
    """Run the function `module:name`. By name, as uvicorn takes the API: doors never import each other."""
    settings = read_settings()
    require_urls(settings, "database_url", "broker_url", "result_url", "redis_url")
    configure_logs(settings)
    with nothing_goes():
        run = resolve_name(door)
    look_for_garbage_seldom()
    # Waiting for small answers is a good part of what mirror and loops do: 15 % less of their time than with asyncio's.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(run, settings))


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
