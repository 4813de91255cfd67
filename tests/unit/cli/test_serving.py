"""How a long-lived door begins in its process, and how it is asked to stop."""

import asyncio
import gc
import os
import signal
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

import logs
from cli import serving
from cli.errors import CliError
from cli.garbage import SELDOM
from cli.serving import configure_logs, serve
from settings import Settings

URLS = {
    "CELERIAC_DATABASE_URL": "postgresql://h/db",
    "CELERIAC_BROKER_URL": "redis://h/0",
    "CELERIAC_RESULT_URL": "redis://h/1",
    "CELERIAC_REDIS_URL": "redis://h/2",
}
ran: list[str] = []


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a process does to itself is undone."""
    thresholds = gc.get_threshold()
    for name, url in URLS.items():
        monkeypatch.setenv(name, url)
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    ran.clear()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


async def run_until_stopped(settings: Settings, stopping: asyncio.Event) -> None:
    ran.append(settings.broker_url or "")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(stopping.wait(), timeout=10)
    ran.append("stopped")


async def run_until_interrupted(_: Settings, stopping: asyncio.Event) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.wait_for(stopping.wait(), timeout=10)
    ran.append("stopped")


def test_a_door_runs_with_the_settings_until_it_is_told_to_stop() -> None:
    serve(f"{__name__}:run_until_stopped")
    assert ran == ["redis://h/0", "stopped"]
    assert gc.get_threshold() == SELDOM


def test_an_interrupt_is_the_same_wish() -> None:
    serve(f"{__name__}:run_until_interrupted")
    assert ran == ["stopped"]


@pytest.mark.parametrize("missing", ["CELERIAC_DATABASE_URL", "CELERIAC_BROKER_URL"])
def test_without_its_servers_a_door_is_not_even_imported(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(CliError, match=f"^{missing} is not set; `celeriac up` starts servers of its own instead"):
        serve("no_such_module:run")


def test_a_variable_that_nothing_reads_is_warned_of_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "unknown_variables", lambda: {"CELERIAC_PROT": "CELERIAC_PORT", "CELERIAC_X": None})
    with capture_logs() as told:
        configure_logs(Settings())
    assert [(line["event"], line["variable"], line["perhaps"]) for line in told] == [
        ("variable_unknown", "CELERIAC_PROT", "CELERIAC_PORT"),
        ("variable_unknown", "CELERIAC_X", None),
    ]


def test_logs_are_written_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[tuple[object, ...]] = []
    monkeypatch.setattr(logs, "configure", lambda *given: configured.append(given))
    configure_logs(Settings(log_level="error"))
    assert [level for level, _ in configured] == ["error"]
