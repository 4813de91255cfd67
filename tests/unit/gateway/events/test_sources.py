"""Events are heard on each broker, whatever else is said there; a silence that may have hidden some is told."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.broker_options import BrokerOptions
from gateway.events import sources
from gateway.events.sources import (
    MAX_ENVELOPE_BYTES,
    MAX_MESSAGE_BYTES,
    MOST_AT_ONCE,
    NOT_UNDERSTOOD,
    Blind,
    EventMessage,
    RedisEvents,
)
from tests.fakes.scripted_redis import BlockingScriptedRedis

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def envelope(body: str = "{}", *, encoding: str | None = None, **headers: object) -> bytes:
    """A message as kombu writes it."""
    return json.dumps({"body": body, "properties": {"body_encoding": encoding}, "headers": headers}).encode()


def published(data: bytes) -> dict[str, Any]:
    return {"type": "pmessage", "data": data}


class Subscription:
    """Of redis-py's, as far as events need it: what comes, one after another."""

    def __init__(self) -> None:
        self.messages: list[Any] = [{"type": "psubscribe", "data": 1}]
        self.patterns: list[str] = []
        self.waits: list[float] = []
        self.pings = 0
        self.connection = self

    def psubscribe(self, pattern: str) -> None:
        self.patterns.append(pattern)

    def can_read(self, *, timeout: float) -> bool:
        self.waits.append(timeout)
        return bool(self.messages)

    def get_message(self, *, timeout: float) -> Any:
        return self.messages.pop(0) if self.messages else None

    def ping(self) -> None:
        self.pings += 1


class Events(RedisEvents):
    """What is heard on a subscription that a test fills."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, options: BrokerOptions | None = None, db: int = 0) -> None:
        self.subscription = Subscription()
        self.server = BlockingScriptedRedis(pubsub=self.subscription)
        self.server.connection_pool.connection_kwargs = {"db": db}
        monkeypatch.setattr(sources, "blocking_redis_client", lambda _url: self.server)
        super().__init__("redis://h/0", options)

    def hear(self, *data: bytes) -> Any:
        """Let these be published, and receive."""
        self.subscription.messages = [published(each) for each in data]
        return self.receive(0.2)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    events = Events(monkeypatch)
    assert events.connect() is True, "what was published before is missed"
    return events


def bodies(items: Any) -> list[bytes]:
    return [item.body for item in items]


@pytest.mark.parametrize(
    ("options", "db", "pattern"),
    [
        (None, 0, "/0.celeryev*"),
        (None, 5, "/5.celeryev*"),
        (BrokerOptions(global_keyprefix="shop:", fanout_prefix=""), 0, "shop:celeryev*"),
        (BrokerOptions(global_keyprefix="a*[b]?\\"), 0, "a\\*\\[b\\]\\?\\\\/0.celeryev*"),
    ],
)
def test_just_the_channels_of_the_app_are_listened_to(
    options: BrokerOptions | None, db: int, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = Events(monkeypatch, options=options, db=db)
    events.connect()
    assert events.subscription.patterns == [pattern]


@pytest.mark.parametrize("answer", [[], [{"type": "pong", "data": b""}]])
def test_a_subscription_that_is_not_confirmed_is_none(answer: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    events = Events(monkeypatch)
    events.subscription.messages = answer
    with pytest.raises(TimeoutError, match="the subscription was not confirmed"):
        events.connect()


def test_events_are_taken_out_of_their_envelopes(events: Events) -> None:
    text = '{"type": "task-started"}'
    coded = base64.b64encode(text.encode()).decode()
    assert bodies(events.hear(envelope(text), envelope(coded, encoding="base64"))) == [text.encode()] * 2


def test_what_the_stream_has_as_well_is_passed_over_and_is_a_sign_of_life(events: Events) -> None:
    assert events.hear(envelope("{}", celeriac_kept=True)) == []
    assert bodies(events.hear(envelope("a", celeriac_kept=True), envelope("b"))) == [b"b"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"body": "{}"}',
        b'{"body": {}, "properties": {}}',
        envelope("no base64!", encoding="base64"),
        envelope("\ud800"),
        envelope(celeriac_kept="yes"),
        b"x" * (MAX_ENVELOPE_BYTES + 1),
    ],
)
def test_what_is_no_event_is_counted_and_hides_no_other(data: bytes, events: Events) -> None:
    assert bodies(events.hear(data, envelope("after"))) == [NOT_UNDERSTOOD, b"after"]


def test_an_envelope_may_be_as_large_as_that_of_the_largest_message(events: Events) -> None:
    largest = base64.b64encode(b"x" * MAX_MESSAGE_BYTES).decode()
    assert [len(body) for body in bodies(events.hear(envelope(largest, encoding="base64")))] == [MAX_MESSAGE_BYTES]


def test_nothing_at_all_is_no_sign_of_life_and_an_answer_to_a_probe_is(events: Events) -> None:
    assert events.receive(0.2) is None
    events.probe()
    assert events.subscription.pings == 1
    events.subscription.messages = [{"type": "pong", "data": b""}]
    assert events.receive(0.2) == []


def test_only_the_first_message_is_waited_for(events: Events) -> None:
    events.subscription.waits.clear()
    events.hear(envelope(), envelope())
    assert events.subscription.waits == [0.2, 0, 0]


def test_no_more_come_at_once_than_so_many(events: Events) -> None:
    assert len(events.hear(*[envelope()] * (MOST_AT_ONCE + 1))) == MOST_AT_ONCE
    assert len(events.subscription.messages) == 1


def test_no_more_bytes_come_at_once_than_so_many(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_BYTES_AT_ONCE", 10)
    assert bodies(events.hear(*[envelope("x" * 5)] * 3)) == [b"x" * 5] * 2


def test_redis_keeps_nothing_that_could_be_acknowledged(events: Events) -> None:
    commands = list(events.server.commands)
    events.acknowledge(EventMessage(b"{}", NOW))
    events.acknowledge(Blind(NOW, NOW))
    assert events.server.commands == commands
    events.close()
    assert events.server.closed == 1
