"""What `-A` does: which questions are asked of what, and what is told, for people and for programs."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.addresses import Addresses, write_addresses
from cli.beside import run
from cli.beside.run import examine_beside, run_beside
from cli.doctor import CheckResult
from cli.errors import CliError
from cli.up import Guest
from domain.promises import FleetWorker
from settings import Settings
from tests.unit.cli.beside.apps import facts

OURS = FleetWorker(node="app-worker@here", queues=("q",), plugin=None, events=None)
OTHER = FleetWorker(node="celery@here", queues=("q",), plugin=None, events=None)
WELL, AWAY = CheckResult("broker", "ok", "redis"), CheckResult("broker", "fail", "no answer", "Is it running?")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An app, and what is asked about it."""
    place = SimpleNamespace(asked=[], facts=facts(), findings=[WELL], known=[], answering=[OTHER], shown=[], guests=[])

    async def run_up(settings: Settings, *, guest: Guest) -> None:
        place.guests.append((settings, guest))

    def known_workers(url: str, _facts: object) -> list[FleetWorker]:
        place.asked.append(url)
        return list(place.known)

    def find_workers(_settings: object, _facts: object) -> list[FleetWorker]:
        place.asked.append("broker")
        return list(place.answering)

    for name in ("CELERIAC_BROKER_URL", "CELERIAC_RESULT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(run, "interpreter_of", lambda python: python or "/usr/bin/python")
    monkeypatch.setattr(run, "read_app", lambda *_: place.facts)
    monkeypatch.setattr(run, "leave_app_variables", lambda: {"SHOP": "1"})
    monkeypatch.setattr(run, "tell_unknown_variables", lambda: None)
    monkeypatch.setattr(run, "examine_servers", lambda _: place.findings)
    monkeypatch.setattr(run, "known_workers", known_workers)
    monkeypatch.setattr(run, "wait_for_workers", known_workers)
    monkeypatch.setattr(run, "find_workers", find_workers)
    monkeypatch.setattr(run, "show_app", lambda name, *_, **__: place.shown.append(name))
    monkeypatch.setattr(run, "show_fleet", lambda workers, advice: place.shown.append((workers, advice)))
    monkeypatch.setattr(run, "run_up", run_up)
    return place


def examine(data: Path, url: str | None = None) -> Any:
    return examine_beside("shop", python=None, data=str(data), url=url)


def test_where_no_celeriac_runs_the_workers_themselves_are_asked(place: SimpleNamespace, tmp_path: Path) -> None:
    assert examine(tmp_path).consumers == [OTHER]
    assert place.asked == ["broker"]


def test_one_that_runs_beside_it_knows_more_and_is_asked_first(place: SimpleNamespace, tmp_path: Path) -> None:
    write_addresses(tmp_path, Addresses("http://127.0.0.1:9", "d", "b", "r", "k"))
    place.known = [OURS]
    assert examine(tmp_path).consumers == [OURS]
    assert place.asked == ["http://127.0.0.1:9"]
    examine(tmp_path, "http://named.test")
    assert place.asked[1:] == ["http://named.test"]


def test_one_that_knows_nobody_yet_is_not_the_last_word(place: SimpleNamespace, tmp_path: Path) -> None:
    assert examine(tmp_path, "http://named.test").consumers == [OTHER]
    assert place.asked == ["http://named.test", "broker"]


def test_over_a_broker_that_does_not_answer_nobody_is_asked_and_nothing_is_advised(
    place: SimpleNamespace, tmp_path: Path
) -> None:
    place.findings = [AWAY]
    found = examine(tmp_path)
    assert (found.consumers, found.advice, place.asked) == ([], None, [])


def test_for_programs_the_same_is_told_without_a_password(place: SimpleNamespace, tmp_path: Path) -> None:
    found = examine(tmp_path).as_json()
    text = json.dumps(found)
    assert "s3cret" not in text
    assert found["broker_url"] == "redis://:***@broker.example:6379/3"
    assert (found["app"]["name"], found["app"]["interpreter"], found["default_queue"]) == (
        "shop",
        "/usr/bin/python",
        "celery",
    )
    assert [worker["node"] for worker in found["workers"]] == ["celery@here"]
    assert set(found["queues"]) == {"q"}
    assert found["advice"]["line"].startswith("celery -A shop worker -E")
    place.answering, place.findings = [], [AWAY]
    empty = examine(tmp_path).as_json()
    assert (empty["workers"], empty["queues"], empty["advice"]) == ([], {}, None)


def test_an_app_is_shown_before_anything_starts_and_nothing_of_its_own_is_started(
    place: SimpleNamespace, tmp_path: Path
) -> None:
    run_beside("shop", python=None, worker=False, data=str(tmp_path))
    ((settings, guest),) = place.guests
    assert place.shown == ["shop"]
    assert (settings.broker_url, settings.workers, guest.worker) == (facts().broker_url, 0, None)


def test_a_worker_of_the_app_gets_the_environment_as_it_was(place: SimpleNamespace, tmp_path: Path) -> None:
    run_beside("shop", python="/srv/python", worker=True, data=str(tmp_path))
    ((_, guest),) = place.guests
    child = guest.worker(Addresses("a", "d", "b", "r", "redis://ours/2"))
    assert child.environment["SHOP"] == "1"
    assert "/srv/python" in child.command


def test_a_worker_of_an_app_that_is_made_by_a_call_is_refused_before_anything_is_shown(
    place: SimpleNamespace, tmp_path: Path
) -> None:
    place.facts = facts(is_made=True)
    with pytest.raises(CliError, match="makes its app when it is called"):
        run_beside("shop:make", python=None, worker=True, data=str(tmp_path))
    assert (place.shown, place.guests) == ([], [])
    run_beside("shop:make", python=None, worker=False, data=str(tmp_path))
    assert len(place.guests) == 1


@pytest.mark.parametrize(("own_worker", "events"), [(True, [True, None]), (False, [None, None])])
def test_of_the_worker_that_we_have_started_we_know_that_it_sends_events(
    place: SimpleNamespace, own_worker: bool, events: list[bool | None]
) -> None:
    place.known = [OURS, OTHER]
    run._tell(Addresses("http://a", "d", "b", "r", "k"), facts(), name="shop", own_worker=own_worker)
    ((workers, advice),) = place.shown
    assert [worker.events for worker in workers] == events
    assert advice.line
