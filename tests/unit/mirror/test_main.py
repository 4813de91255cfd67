"""What is heard is written in its order, acknowledged when it is stored, and left whole when there is no time."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.events.sources import Blind, EventMessage
from mirror import main
from mirror.main import mirror_events
from mirror.writer import Written
from services.resident.counters import CounterName
from tests.fakes.gateway import FakeEventSubscriber
from tests.patience import until

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def message(body: bytes) -> EventMessage:
    return EventMessage(body, NOW)


class Writer:
    """Notes what it is given, and in what order with what was acknowledged by then."""

    def __init__(self, subscriber: FakeEventSubscriber) -> None:
        self._subscriber = subscriber
        self.written: list[Any] = []
        self.acknowledged_before: list[int] = []
        self.error: Exception | None = None
        self.freezes = False
        self.cancelled = 0

    async def write(self, messages: Sequence[EventMessage]) -> Written:
        await self._note([message.body for message in messages])
        return Written(len(messages), 1)

    async def note_blindness(self, blind: Blind) -> None:
        await self._note(blind)

    async def _note(self, what: Any) -> None:
        self.acknowledged_before.append(self._subscriber.acknowledged)
        self.written.append(what)
        if self.error:
            raise self.error
        if self.freezes:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1


class Noting:
    """Stands in for the sign of life and for the counters."""

    def __init__(self) -> None:
        self.given = 0
        self.counts: dict[CounterName, int] = {}

    def give(self, _part: object) -> None:
        self.given += 1

    def add(self, name: CounterName, count: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + count


class Mirror:
    """One half of a mirror, with what stands around it."""

    def __init__(self) -> None:
        self.subscriber = FakeEventSubscriber()
        self.writer = Writer(self.subscriber)
        self.noting = Noting()
        self.stopping = asyncio.Event()

    async def run(self, *, stop_seconds: float = 60) -> None:
        given: Any = self.writer
        noting: Any = self.noting
        subscriber: Any = self.subscriber
        await mirror_events(
            subscriber, given, stopping=self.stopping, life=noting, counters=noting, stop_seconds=stop_seconds
        )


@pytest.fixture
async def mirror() -> Mirror:
    return Mirror()


async def test_what_has_arrived_is_written_before_it_stops(mirror: Mirror) -> None:
    mirror.subscriber.hear(message(b"a"), message(b"b"))
    mirror.stopping.set()
    await mirror.run()
    assert mirror.writer.written == [[b"a", b"b"]]
    assert mirror.subscriber.acknowledged == 2
    assert mirror.noting.counts == {CounterName.EVENTS_APPLIED: 2, CounterName.EVENTS_REFUSED: 1}


async def test_nothing_is_acknowledged_before_it_is_stored(mirror: Mirror) -> None:
    mirror.subscriber.hear(message(b"a"))
    mirror.subscriber.go_blind(NOW, NOW)
    mirror.subscriber.hear(message(b"b"))
    mirror.stopping.set()
    await mirror.run()
    assert mirror.writer.written == [[b"a"], Blind(NOW, NOW), [b"b"]], "and each in its place"
    assert mirror.writer.acknowledged_before == [0, 1, 1]


async def test_what_cannot_be_written_is_not_acknowledged_and_ends_the_process(mirror: Mirror) -> None:
    mirror.subscriber.hear(message(b"a"))
    mirror.writer.error = RuntimeError("of the writer")
    with pytest.raises(RuntimeError, match="of the writer"):
        await mirror.run()
    assert (mirror.subscriber.acknowledged, mirror.noting.counts) == (0, {})


async def test_what_takes_too_long_when_it_stops_is_left_and_not_acknowledged(mirror: Mirror) -> None:
    mirror.subscriber.hear(message(b"a"))
    mirror.writer.freezes = True
    mirror.stopping.set()
    with capture_logs() as logs:
        await mirror.run(stop_seconds=0.01)
    assert [(line["event"], line["after_seconds"]) for line in logs] == [("batch_left", 0.01)]
    assert (mirror.subscriber.acknowledged, mirror.writer.cancelled) == (0, 1)


async def test_a_half_that_is_ended_from_outside_lets_go_of_what_it_uses_first(mirror: Mirror) -> None:
    mirror.subscriber.hear(message(b"a"))
    mirror.writer.freezes = True
    running = asyncio.create_task(mirror.run())
    await until(lambda: mirror.writer.written)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (mirror.subscriber.acknowledged, mirror.writer.cancelled) == (0, 1)


@pytest.mark.parametrize("connected", [True, False])
async def test_a_sign_of_life_is_given_only_while_it_hears(connected: bool, mirror: Mirror) -> None:
    mirror.subscriber.connected = connected
    mirror.stopping.set()
    await mirror.run()
    assert bool(mirror.noting.given) is connected


async def test_a_batch_has_a_bound(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "MAX_BATCH", 2)
    mirror.subscriber.hear(*(message(b"%d" % number) for number in range(3)))
    mirror.stopping.set()
    await mirror.run()
    assert [len(batch) for batch in mirror.writer.written] == [2, 1]


RECEIVED, STARTED, SUCCEEDED = (b'{"type": "task-%s"}' % kind for kind in (b"received", b"started", b"succeeded"))


async def test_the_beginning_of_a_task_and_its_end_are_written_together(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "END_SECONDS", 60)
    running = asyncio.create_task(mirror.run())
    for body in (RECEIVED, STARTED, SUCCEEDED):
        assert mirror.writer.written == []
        mirror.subscriber.hear(message(body))
        await until(lambda: mirror.subscriber.is_read)
    await until(lambda: mirror.subscriber.acknowledged == 3)
    mirror.stopping.set()
    await running
    assert mirror.writer.written == [[RECEIVED, STARTED, SUCCEEDED]]


async def test_an_end_that_does_not_come_soon_is_not_waited_for(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "END_SECONDS", 0.01)
    running = asyncio.create_task(mirror.run())
    mirror.subscriber.hear(message(RECEIVED))
    await until(lambda: mirror.subscriber.acknowledged == 1)
    mirror.stopping.set()
    await running
    assert mirror.writer.written == [[RECEIVED]]


async def test_what_waits_for_an_end_is_written_before_the_time_in_which_that_may_have_been_missed(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "END_SECONDS", 60)
    running = asyncio.create_task(mirror.run())
    mirror.subscriber.hear(message(RECEIVED))
    await until(lambda: mirror.subscriber.is_read)
    mirror.subscriber.go_blind(NOW, NOW)
    await until(lambda: mirror.subscriber.acknowledged == 1)
    mirror.stopping.set()
    await running
    assert mirror.writer.written == [[RECEIVED], Blind(NOW, NOW)]
