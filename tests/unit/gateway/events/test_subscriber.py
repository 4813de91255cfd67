import asyncio
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from gateway.events.sources import Blind, EventItem, EventMessage
from gateway.events.subscriber import EventSubscriber, Heard, Pace
from tests.patience import until

MESSAGE = EventMessage(b"{}", datetime.now(UTC))


class OneMessage:
    """A source that brings one message and is silent from then on."""

    streamed = False
    brings_all_below = 0

    def __init__(self) -> None:
        self.passed_on = threading.Event()
        self._to_bring: list[EventItem] = [MESSAGE]

    def connect(self) -> bool:
        return False

    def receive(self, timeout: float) -> Sequence[EventItem]:
        if self._to_bring:
            return [self._to_bring.pop()]
        self.passed_on.set()
        time.sleep(timeout)
        return []

    def probe(self) -> None: ...

    def acknowledge(self, item: EventItem) -> None: ...

    def close(self) -> None: ...


async def test_the_late_word_of_a_message_already_taken_ends_no_later_wait() -> None:
    source = OneMessage()
    subscriber = EventSubscriber(source)
    await subscriber.start()
    assert source.passed_on.wait(5)  # and the loop, held up here, has not yet been told
    assert await subscriber.get(max_wait=5) == Heard((MESSAGE,))
    began = time.monotonic()
    assert await subscriber.get(max_wait=0.2) == Heard()
    assert time.monotonic() - began > 0.15
    await subscriber.close()


class Failing(OneMessage):
    """Raises what no broker raises; each connection brings one message, and something was missed before each."""

    streamed = True

    def __init__(self, *, where: str) -> None:
        super().__init__()
        self.connections = 0
        self._where = where

    def connect(self) -> bool:
        self.connections += 1
        self._fail_in("connect")
        self._to_bring = [MESSAGE]
        return True

    def receive(self, timeout: float) -> Sequence[EventItem]:
        if not self._to_bring:
            self._fail_in("receive")
        return super().receive(timeout)

    def close(self) -> None:
        self._fail_in("close")

    def _fail_in(self, where: str) -> None:
        if where == self._where and self.connections < 3:
            raise RecursionError("of one message")


@pytest.mark.parametrize("where", ["connect", "receive", "close"])
async def test_a_listener_that_fails_listens_again_and_what_it_missed_is_told(where: str) -> None:
    source = Failing(where=where)
    subscriber = EventSubscriber(source, pace=Pace(first_pause_seconds=0.01, longest_pause_seconds=0.02))
    assert not subscriber.connected
    began = datetime.now(UTC)
    await subscriber.start()
    expected = 3 if where != "close" else 1
    await until(lambda: source.connections == expected and subscriber.connected)
    blinds = []
    while isinstance(item := await subscriber.get(max_wait=1), Blind) or item.messages:
        blinds += [item] if isinstance(item, Blind) else []
    assert len(blinds) == (3 if where == "receive" else 1)
    assert all(
        began - timedelta(seconds=1) <= blind.started_at <= blind.ended_at and blind.streamed for blind in blinds
    )
    await subscriber.close()
    assert not subscriber.connected


async def test_green_means_heard() -> None:
    subscriber = EventSubscriber(OneMessage(), pace=Pace(slack_seconds=-60))
    await subscriber.start()
    await until(lambda: subscriber._is_connected)
    assert not subscriber.connected, "connected, and silent for longer than a probe takes"
    await subscriber.close()


async def test_who_goes_on_reading_what_is_closed_can_still_be_stopped() -> None:
    subscriber = EventSubscriber(OneMessage())
    await subscriber.start()
    await subscriber.close()

    async def read_on() -> None:
        while True:
            await subscriber.get()

    reading = asyncio.create_task(read_on())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
