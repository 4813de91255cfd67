"""Which workers an app has, as an API tells or as they answer themselves."""

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from cli.beside import fleet
from cli.beside.fleet import ANSWERED_SECONDS, HEARD_SECONDS, find_workers, known_workers, wait_for_workers
from domain.errors import Unavailable
from domain.promises import FleetWorker
from settings import Settings
from tests.unit.cli.apis import answering
from tests.unit.cli.beside.apps import facts

URL = "http://api.test"


def row(hostname: str, **more: Any) -> dict[str, Any]:
    return {"hostname": hostname, "worker_id": f"id-of-{hostname}", "status": "ACTIVE", "plugin": None, **more}


def test_only_workers_that_are_online_count_and_only_those_with_a_plugin_are_asked_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [
        row("b", plugin="0.1.0", queues=["q"], events="on"),
        row("gone", status="OFFLINE", plugin="0.1.0"),
        row("a", queues=["q"], events="off"),
    ]
    with answering(monkeypatch, (200, {"data": rows}), (200, {"capabilities": ["pause"]})) as api:
        first, second = known_workers(URL, facts())
    assert api.lines[1:] == ["GET /api/v1/workers/id-of-b"]
    assert (first.node, first.plugin, first.events, first.gated) == ("a", None, False, False)
    assert (second.node, second.plugin, second.events, second.gated) == ("b", "0.1.0", True, True)


def test_of_a_huge_fleet_a_hundred_are_asked_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(f"w{number}", plugin="0.1.0") for number in range(fleet.MOST_DETAILS + 1)]
    with answering(monkeypatch, (200, {"data": rows}), (200, {})) as api:
        assert len(known_workers(URL, facts())) == fleet.MOST_DETAILS + 1
    assert len(api.asked) == 1 + fleet.MOST_DETAILS


@pytest.mark.parametrize("answer", [httpx.ConnectError("refused"), (503, {"detail": "down"}), (200, "<html>")])
def test_an_api_that_does_not_answer_knows_no_workers(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    with answering(monkeypatch, answer):
        assert known_workers(URL, facts()) == []


@pytest.mark.parametrize(
    ("told", "app_says", "events"),
    [
        ("on", False, True),
        ("off", True, False),
        (None, True, True),
        ("unknown", True, True),
        (None, False, None),
        (None, None, None),
    ],
)
def test_what_a_worker_tells_of_its_events_wins_over_its_app(
    monkeypatch: pytest.MonkeyPatch, told: str | None, app_says: bool | None, events: bool | None
) -> None:
    with answering(monkeypatch, (200, {"data": [row("a", events=told)]})):
        (found,) = known_workers(URL, facts(options={"worker_send_task_events": app_says}))
    assert found.events is events


@pytest.mark.parametrize(("queues", "answers", "named"), [(None, False, ()), ([], True, ()), (["q"], True, ("q",))])
def test_a_worker_whose_queues_nobody_knows_has_not_answered_yet(
    monkeypatch: pytest.MonkeyPatch, queues: list[str] | None, answers: bool, named: tuple[str, ...]
) -> None:
    with answering(monkeypatch, (200, {"data": [row("a", queues=queues)]})):
        (found,) = known_workers(URL, facts())
    assert (found.answers, found.queues) == (answers, named)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def seen(*looks: list[FleetWorker], monkeypatch: pytest.MonkeyPatch) -> tuple[list[FleetWorker], float]:
    """What is known after these looks, of which the last lasts, and how many seconds it took."""
    clock, left = Clock(), list(looks)
    monkeypatch.setattr(fleet, "time", clock)
    monkeypatch.setattr(fleet, "known_workers", lambda *_: left.pop(0) if len(left) > 1 else left[0])
    return wait_for_workers(URL, facts()), clock.now - 1_000.0


READY = FleetWorker(node="a", queues=("q",), plugin=None, events=True)
MUTE = FleetWorker(node="a", queues=(), plugin=None, events=True, answers=False)


def test_nobody_is_waited_for_longer_than_a_few_heartbeats_take(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen([], monkeypatch=monkeypatch) == ([], HEARD_SECONDS)


def test_who_was_heard_and_does_not_say_what_it_consumes_is_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen([MUTE], monkeypatch=monkeypatch) == ([MUTE], ANSWERED_SECONDS)


def test_once_three_looks_have_shown_the_same_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen([READY], monkeypatch=monkeypatch) == ([READY], 1.5)
    assert seen([], [MUTE], [READY], monkeypatch=monkeypatch) == ([READY], 2.5)


class Control:
    """Asks workers over a broker that answers, or does not."""

    def __init__(self, url: str, _options: object) -> None:
        self.url = url
        self.nodes: Collection[str] = ()
        self.described: dict[str, Any] = {}
        self.error: Exception | None = None
        self.asked: list[str] = []
        self.is_closed = False

    async def find_nodes(self) -> frozenset[str]:
        self.asked.append("nodes")
        if self.error:
            raise self.error
        return frozenset(self.nodes)

    async def describe(self, nodes: Collection[str]) -> dict[str, Any]:
        self.asked.append("descriptions")
        return self.described

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Control:
    control = Control("", None)
    monkeypatch.setattr(fleet, "Control", lambda *_, **__: control)
    return control


def test_workers_that_answer_a_ping_are_described_by_themselves(control: Control) -> None:
    control.nodes = ["b", "a"]
    control.described = {"b": SimpleNamespace(queues=("q",), plugin="0.1.0", capabilities=["pause"])}
    mute, told = find_workers(Settings(broker_url="amqp://h//"), facts())
    assert (mute.node, mute.answers, mute.queues, mute.plugin) == ("a", False, (), None)
    assert (told.node, told.answers, told.queues, told.gated, told.plugin) == ("b", True, ("q",), True, "0.1.0")
    assert control.is_closed


def test_where_nobody_answers_nobody_is_asked_for_more(control: Control) -> None:
    assert find_workers(Settings(broker_url="amqp://h//"), facts()) == []
    assert (control.asked, control.is_closed) == (["nodes"], True)


def test_a_broker_that_does_not_answer_has_no_workers_and_is_left(control: Control) -> None:
    control.error = Unavailable("the broker does not answer")
    assert find_workers(Settings(broker_url="amqp://h//"), facts()) == []
    assert control.is_closed
