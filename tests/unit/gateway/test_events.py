import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.event_sources import EventItem, EventMessage
from gateway.events import EventSubscriber, Heard

MESSAGE = EventMessage(b"{}", datetime.now(UTC))


class OneMessage:
    """A source that brings one message and is silent from then on."""

    kept = False

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
