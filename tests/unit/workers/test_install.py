"""One call adds the plugin to an app, whenever and however often it is made."""

import importlib
import sys
from typing import Any

import celeriac_worker
import pytest
from celeriac_worker import install
from celeriac_worker.announcement import Announcement
from celeriac_worker.channel_clients import ChannelClients
from celeriac_worker.fetching import Fetching
from celeriac_worker.gate_step import GateStep
from celeriac_worker.retries import RetryCeiling
from celeriac_worker.sealing import PayloadOpening
from celeriac_worker.stream import StreamedEvents
from celery import Celery


@pytest.fixture
def app() -> Any:
    return Celery("shop", broker="memory://", set_as_current=False)


@pytest.mark.parametrize("times", [1, 2])
def test_an_app_gets_every_step_once(app: Any, times: int) -> None:
    before = {name: set(app.steps[name]) for name in ("worker", "consumer")}
    for _ in range(times):
        install(app)
    assert app.steps["worker"] - before["worker"] == {
        ChannelClients,
        RetryCeiling,
        PayloadOpening,
        GateStep,
        Announcement,
    }
    assert app.steps["consumer"] - before["consumer"] == {Fetching}
    assert app.events.dispatcher_cls.__mro__.count(StreamedEvents) == 1


def test_another_app_of_the_same_process_is_left_as_it_was(app: Any) -> None:
    other: Any = Celery("other", broker="memory://", set_as_current=False)
    install(app)
    assert not {GateStep, RetryCeiling, Announcement} & set(other.steps["worker"])
    assert Fetching not in other.steps["consumer"]
    assert other.events.dispatcher_cls is not app.events.dispatcher_cls


def test_a_dispatcher_that_was_asked_for_before_is_made_anew(app: Any) -> None:
    stale = app.events.Dispatcher
    install(app)
    assert app.events.Dispatcher is not stale


def test_the_module_of_the_option_include_installs_it_on_the_app_that_includes_it(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[object] = []
    monkeypatch.setattr(celeriac_worker, "install", installed.append)
    monkeypatch.setattr("celery._state.get_current_app", lambda: app)
    monkeypatch.delitem(sys.modules, "celeriac_worker.auto", raising=False)
    importlib.import_module("celeriac_worker.auto")
    assert installed == [app]
    del sys.modules["celeriac_worker.auto"]
