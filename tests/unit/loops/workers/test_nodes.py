"""Whom a round asks, what it stores of the answers, and what a line of the log names."""

from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from domain.errors import BrokerUnavailable
from gateway.descriptions import NodeDescription
from gateway.layout import Layout
from loops.workers import nodes as module
from loops.workers.nodes import MAX_NODES, MOST_NAMED, NodesRound
from tests.fakes.engine import FakeEngine
from tests.fakes.gateway import FakeBroker, FakeControl


class Store:
    """Stands in for the queries that the round uses, and keeps what it was told."""

    def __init__(self) -> None:
        self.undescribed: list[str] = []
        self.unasked: list[str] = []
        self.forgotten = 0
        self.saved: list[str] = []
        self.silent: tuple[set[str], dict[str, str]] | None = None
        self.sending: dict[str, bool] | None = None
        self.limits: list[int] = []
        self.has_come = False
        self.told = 0

    async def is_any_changed(self, _: Any) -> bool:
        return self.has_come

    async def tell_presences(self, _: Any) -> None:
        self.told += 1

    async def forget_strangers(self, _: Any, *, remaining: int, most: int) -> int:
        self.limits.append(remaining)
        return self.forgotten

    async def list_undescribed(self, _: Any, *, max_age: Any, watched_age: Any, limit: int) -> list[str]:
        return self.undescribed[:limit]

    async def list_unasked_of_events(self, _: Any, *, limit: int) -> list[str]:
        return self.unasked[:limit]

    async def note_events_asked(self, _: Any, nodes: Collection[str], *, sending: dict[str, bool]) -> None:
        assert set(nodes) == set(self.unasked[:MAX_NODES])
        self.sending = sending

    async def save_descriptions(self, _: Any, told: Iterable[NodeDescription]) -> None:
        self.saved += [each.node for each in told]

    async def note_silence(self, _: Any, nodes: set[str], *, unreadable: dict[str, str]) -> None:
        self.silent = nodes, unreadable

    async def get_consumers(self, _: Any) -> str:
        return "consumers"


class Learned:
    """Stands in for the layout."""

    def __init__(self) -> None:
        self.learned: list[Any] = []

    def learn(self, consumers: Any) -> None:
        self.learned.append(consumers)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    for name in ("descriptions", "presences", "signs", "strangers"):
        monkeypatch.setattr(module, name, store)
    for name in ("save_descriptions", "note_silence", "get_consumers", "tell_presences"):
        monkeypatch.setattr(module, name, getattr(store, name))
    return store


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def layout() -> Learned:
    return Learned()


def round_of(broker: FakeBroker, layout: Learned, **options: Any) -> NodesRound:
    return NodesRound(FakeEngine().as_engine(), FakeControl(broker), layout=cast(Layout, layout), **options)


def add(broker: FakeBroker, *nodes: str) -> None:
    broker.nodes |= {node: cast(NodeDescription, SimpleNamespace(node=node)) for node in nodes}


async def test_where_all_are_described_nobody_is_asked_and_the_layout_is_renewed(
    store: Store, broker: FakeBroker, layout: Learned
) -> None:
    broker.available = False  # a question would fail
    assert await round_of(broker, layout).run_once() == 1.0
    assert layout.learned == ["consumers"]
    assert (store.saved, store.silent, store.sending, store.told) == ([], None, None, 0)


async def test_answers_are_stored_and_silence_is_noted(store: Store, broker: FakeBroker, layout: Learned) -> None:
    add(broker, "a", "c")
    broker.unreadable = {"d": "yaml", "elsewhere": "pickle"}
    store.undescribed = ["a", "b", "c", "d"]
    await round_of(broker, layout).run_once()
    assert store.saved == ["a", "c"]
    assert store.silent == ({"b", "d"}, {"d": "yaml"})


async def test_a_broker_that_is_away_ends_the_round_and_stores_nothing(
    store: Store, broker: FakeBroker, layout: Learned
) -> None:
    broker.available, store.undescribed, store.has_come = False, ["a"], True
    with pytest.raises(BrokerUnavailable):
        await round_of(broker, layout).run_once()
    assert (store.saved, store.silent, layout.learned, store.told) == ([], None, [], 1)


async def test_no_more_are_asked_at_once_than_can_answer(store: Store, broker: FakeBroker, layout: Learned) -> None:
    store.undescribed = [f"n{number}" for number in range(MAX_NODES + 1)]
    add(broker, *store.undescribed)
    await round_of(broker, layout).run_once()
    assert len(store.saved) == MAX_NODES


async def test_events_are_switched_on_once_and_only_where_they_were_off(
    store: Store, broker: FakeBroker, layout: Learned
) -> None:
    add(broker, "on", "off")
    broker.telling = {"on"}
    store.unasked = ["on", "off", "silent"]
    with capture_logs() as logs:
        await round_of(broker, layout).run_once()
    assert store.sending == {"on": True, "off": True}
    switched = [event for event in logs if event["event"] == "events_switched_on"]
    assert [(event["count"], event["nodes"]) for event in switched] == [(1, ["off"])]


async def test_where_all_send_events_nothing_is_told(store: Store, broker: FakeBroker, layout: Learned) -> None:
    add(broker, "on")
    broker.telling, store.unasked = {"on"}, ["on"]
    with capture_logs() as logs:
        await round_of(broker, layout).run_once()
    assert "events_switched_on" not in [event["event"] for event in logs]
    assert store.sending == {"on": True}


async def test_whoever_forbids_it_has_no_events_switched_on(store: Store, broker: FakeBroker, layout: Learned) -> None:
    add(broker, "off")
    store.unasked = ["off"]
    await round_of(broker, layout, enable_events=False).run_once()
    assert (store.sending, broker.telling) == (None, set())


async def test_a_line_of_the_log_names_a_few_of_many(store: Store, broker: FakeBroker, layout: Learned) -> None:
    store.unasked = [f"n{number:02}" for number in range(MOST_NAMED + 1)]
    add(broker, *store.unasked)
    with capture_logs() as logs:
        await round_of(broker, layout).run_once()
    (event,) = [event for event in logs if event["event"] == "events_switched_on"]
    assert (event["count"], len(event["nodes"])) == (MOST_NAMED + 1, MOST_NAMED)


@pytest.mark.parametrize(("count", "told"), [(0, []), (7, [7])])
async def test_strangers_that_are_forgotten_are_counted_in_a_warning(
    store: Store, broker: FakeBroker, layout: Learned, count: int, told: list[int]
) -> None:
    store.forgotten = count
    with capture_logs() as logs:
        await round_of(broker, layout, most_strangers=3).run_once()
    assert [event["count"] for event in logs if event["event"] == "strangers_forgotten"] == told
    assert store.limits == [3]


async def test_a_node_that_cannot_be_switched_is_noted_as_sending_nothing_and_not_as_switched(
    store: Store, broker: FakeBroker, layout: Learned, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def enable_events(_: FakeControl, nodes: Collection[str]) -> dict[str, bool | None]:
        return dict.fromkeys(nodes)

    monkeypatch.setattr(FakeControl, "enable_events", enable_events)
    store.unasked = ["strange"]
    with capture_logs() as logs:
        await round_of(broker, layout).run_once()
    assert store.sending == {"strange": False}
    assert "events_switched_on" not in [event["event"] for event in logs]
