"""The app's own worker as a child of ours."""

import signal
from typing import Any

import pytest

from cli.addresses import Addresses
from cli.beside import worker
from cli.beside.worker import app_worker, refuse_factory
from cli.child import Child
from cli.errors import CliError
from tests.unit.cli.beside.apps import facts

ADDRESSES = Addresses("http://api.test", "postgresql://u:s3cret@h/db", "b", "r", "redis://:s3cret@ours/2")


def child(**changed: Any) -> Child:
    environment = {"SHOP": "1", "CELERIAC_REDIS_URL": "somebody's"}
    return app_worker(
        ADDRESSES, facts(**changed), name="shop", interpreter="/srv/venv/bin/python", environment=environment
    )


@pytest.mark.parametrize(
    ("plugin", "installed", "loads"), [(None, False, False), ("0.1.0", False, True), ("0.1.0", True, False)]
)
def test_it_is_celerys_own_command_and_loads_the_plugin_where_the_app_does_not(
    plugin: str | None, installed: bool, loads: bool
) -> None:
    command = list(child(plugin=plugin, plugin_installed=installed).command)
    start = command.index("/srv/venv/bin/python")
    assert command[start:][:7] == ["/srv/venv/bin/python", "-m", "celery", "-A", "shop", "worker", "-E"]
    assert (command[-2:] == ["-I", "celeriac_worker.auto"]) is loads


def test_it_has_the_apps_environment_and_our_redis_and_no_password_in_its_command() -> None:
    made = child()
    assert made.environment == {"SHOP": "1", "PYTHONUNBUFFERED": "1", "CELERIAC_REDIS_URL": "redis://:s3cret@ours/2"}
    assert "s3cret" not in " ".join(made.command)
    assert "s3cret" not in repr(made)


def test_it_may_finish_what_it_runs_and_its_files_are_the_apps() -> None:
    made = child()
    assert [which for which, _ in made.stop_signals] == [signal.SIGTERM, signal.SIGQUIT]
    assert made.umask is None


def test_it_stays_away_while_somebody_has_drained_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def is_drained(*what: str) -> bool:
        asked.append(what)
        return True

    monkeypatch.setattr(worker, "is_drained", is_drained)
    made = child()
    assert made.stays_away
    assert made.stays_away()
    ((url, node),) = asked
    assert (url, node.split("@")[0]) == (ADDRESSES.database_url, "app-worker")


def test_an_app_that_is_made_by_a_call_is_refused_in_a_sentence() -> None:
    refuse_factory("shop", facts(is_made=False))
    with pytest.raises(CliError, match=r"^'shop:make' makes its app when it is called, and `celery -A` takes none"):
        refuse_factory("shop:make", facts(is_made=True))
