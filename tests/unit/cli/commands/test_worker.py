"""What `celeriac worker` loads, and what it refuses before it begins."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import signals

from cli.commands import worker
from cli.errors import CliError
from logs import clean_handlers
from tests.unit.cli.commands.commands import run


@pytest.fixture(autouse=True)
def _path_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)


def test_modules_of_the_user_are_looked_for_where_it_was_started_and_last(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop_jobs_of_a_test.py").write_text("")
    (tmp_path / "json.py").write_text("raise AssertionError('it would shadow the standard library')")
    worker._load_task_modules(("shop_jobs_of_a_test", "json"))
    assert sys.modules.pop("shop_jobs_of_a_test")
    assert sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize(
    ("source", "missing"), [(None, "shop_jobs_of_a_test"), ("import not_installed_here", "not_installed_here")]
)
def test_a_module_that_cannot_be_found_is_named_with_the_one_that_is_missing(
    tmp_path: Path, source: str | None, missing: str
) -> None:
    if source:
        (tmp_path / "shop_jobs_of_a_test.py").write_text(source)
    with pytest.raises(CliError, match=f"names 'shop_jobs_of_a_test', but '{missing}' cannot be found"):
        worker._load_task_modules(("shop_jobs_of_a_test",))


def test_a_pool_whose_package_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: list[str]) -> None:
        raise ImportError("no", name="gevent")

    monkeypatch.setattr(worker, "maybe_patch_concurrency", fail)
    with pytest.raises(CliError, match=r"^The pool gevent needs a package that is not installed: gevent\.$"):
        worker._patch_for("gevent")


class App:
    """Makes a worker, and keeps with what."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.steps: list[str] = []

    def Worker(self, **options: Any) -> Any:
        self.made = options
        return SimpleNamespace(start=lambda: self.steps.append("started"), exitcode=3)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    app = App()
    for name in ("BROKER", "RESULT", "REDIS"):
        monkeypatch.setenv(f"CELERIAC_{name}_URL", "redis://h/0")
    for name in ("QUEUES", "POOL", "CONCURRENCY", "DEFAULT_QUEUE", "LOG_LEVEL", "TASK_MODULES"):
        monkeypatch.delenv(f"CELERIAC_{name}", raising=False)
    monkeypatch.setattr(worker, "maybe_patch_concurrency", lambda _: None)
    monkeypatch.setattr(worker, "resolve_name", lambda _: app)
    monkeypatch.setattr(worker, "_clean_logs", lambda: None)
    return app


def test_it_consumes_the_default_queue_sends_events_and_listens_to_no_other_worker(app: App) -> None:
    assert run("worker", "--hostname", "w@here").exit_code == 3, "that of Celery's worker"
    assert (app.made["hostname"], app.made["queues"]) == ("w@here", ["celery"])
    assert [app.made[name] for name in ("task_events", "without_mingle", "without_gossip")] == [True] * 3
    assert app.steps == ["started"]


def test_the_garbage_of_the_users_modules_goes_while_they_are_imported(
    app: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shop_jobs_of_a_test.py").write_text("import gc\nis_looked_for = gc.isenabled()")
    monkeypatch.setenv("CELERIAC_TASK_MODULES", "shop_jobs_of_a_test")
    run("worker")
    assert app.steps == ["started"]
    assert sys.modules.pop("shop_jobs_of_a_test").is_looked_for


def test_its_options_beat_the_settings(app: App) -> None:
    run("worker", "--queues", "a,b", "--concurrency", "7", "--pool", "threads")
    assert (app.made["queues"], app.made["concurrency"], app.made["pool_cls"]) == (["a", "b"], 7, "threads")


def test_a_held_worker_is_made_and_begins_when_it_is_let_go(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    class Held(io.StringIO):
        def read(self, *_: object) -> str:
            app.steps.append(f"let go, made: {bool(app.made)}")
            return ""

    monkeypatch.setattr(worker, "sys", SimpleNamespace(stdin=Held(), exit=sys.exit, path=sys.path))
    run("worker", "--held")
    assert app.steps == ["let go, made: True", "started"]


@pytest.mark.parametrize("missing", ["CELERIAC_BROKER_URL"])
def test_without_a_broker_it_does_not_begin(app: App, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(CliError, match=missing):
        run("worker")
    assert app.steps == []


def test_what_celery_logs_is_cleaned_of_what_steers_a_terminal() -> None:
    worker._clean_logs()
    for signal in (signals.after_setup_logger, signals.after_setup_task_logger):
        receivers: Any = signal.receivers
        assert clean_handlers in [receiver for _, receiver in receivers]
        signal.disconnect(clean_handlers)
