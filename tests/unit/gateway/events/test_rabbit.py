"""Events are heard on RabbitMQ and acknowledged once they are stored; those of other mirrors go into their shares."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import serialization
from amqp.exceptions import AccessRefused, NotFound

from domain.shares import Shares, share_of
from gateway.events import rabbit as rabbit_module
from gateway.events.dealing import PacketPart, Packets, unpack
from gateway.events.rabbit import DURABLE_QUEUE, QUEUE_LENGTH, WITNESS_QUEUE, RabbitEvents
from gateway.events.share_queues import MOST_PACKETS, share_queue
from gateway.events.sources import EVENT_EXCHANGE, MAX_MESSAGE_BYTES, NOT_UNDERSTOOD, Blind, EventMessage

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class RabbitChannel:
    """A channel; `raises` by exchange what declaring it passively raises."""

    def __init__(self, broker: "Rabbit") -> None:
        self._broker = broker
        self.auto_decode = True
        self.connection = SimpleNamespace(client=SimpleNamespace(declared_entities=set()), transport=None)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self._broker.calls.append((name, args, options))
            if name == "exchange_declare" and options.get("passive") and self._broker.exchange_error:
                raise self._broker.exchange_error
            if name == "queue_declare":
                queue = args[0] if args else options["queue"]
                return SimpleNamespace(message_count=self._broker.lengths.get(queue, 0), queue=queue)
            return None

        return call


class Rabbit:
    """Stands in for a connection to RabbitMQ, on which a test lets messages come."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.exchange_error: Exception | None = None
        self.lengths = {DURABLE_QUEUE: 3, WITNESS_QUEUE: 1}
        self.channels: list[RabbitChannel] = []
        self.coming: list[Any] = []
        self.checked = 0
        self.collected = 0

    def channel(self) -> RabbitChannel:
        self.channels.append(RabbitChannel(self))
        return self.channels[-1]

    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]

    def given(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(args, options) for called, args, options in self.calls if called == name]

    def drain_events(self, *, timeout: float) -> None:
        if not self.coming:
            raise TimeoutError
        ((_, options),) = self.given("basic_consume")[-1:]
        options["callback"](self.coming.pop(0))

    def heartbeat_check(self) -> None:
        self.checked += 1

    def collect(self) -> None:
        self.collected += 1


@pytest.fixture
def rabbit(monkeypatch: pytest.MonkeyPatch) -> Rabbit:
    rabbit = Rabbit()
    monkeypatch.setattr(rabbit_module, "connect", lambda _url, *, heartbeat_seconds: rabbit)
    monkeypatch.setattr(rabbit_module, "_durable_queue", lambda: DurableQueue())
    return rabbit


class DurableQueue:
    """Of kombu's queue, what is asked of it; its exchange is itself."""

    def __init__(self) -> None:
        self.exchange = self
        self._channel: Any = None

    def bind(self, channel: Any) -> "DurableQueue":
        self._channel = channel
        return self

    def queue_declare(self) -> None:
        self._channel.queue_declare(DURABLE_QUEUE)

    def queue_bind(self) -> None:
        self._channel.queue_bind(DURABLE_QUEUE)

    def declare(self) -> None:
        self._channel.exchange_declare(EVENT_EXCHANGE, passive=False)


def delivered(body: Any, tag: int = 1) -> Any:
    return SimpleNamespace(body=body, delivery_tag=tag)


@pytest.mark.parametrize(
    ("length", "witnesses", "missed"),
    [(0, 1, False), (QUEUE_LENGTH - 1, 1, False), (QUEUE_LENGTH, 1, True), (0, 0, True)],
)
def test_something_was_missed_where_the_queue_is_full_or_the_broker_began_anew(
    length: int, witnesses: int, missed: bool, rabbit: Rabbit
) -> None:
    rabbit.lengths = {DURABLE_QUEUE: length, WITNESS_QUEUE: witnesses}
    assert RabbitEvents("amqp://h//").connect() is missed


def test_the_queue_is_consumed_only_when_it_is_known_whether_anything_was_missed(rabbit: Rabbit) -> None:
    RabbitEvents("amqp://h//").connect()
    assert rabbit.names()[-1] == "basic_consume"
    ((args, options),) = rabbit.given("basic_consume")
    assert (args, options["no_ack"]) == ((DURABLE_QUEUE,), False)
    assert rabbit.channels[-1].auto_decode is False


def test_the_exchange_is_declared_only_where_no_worker_has(rabbit: Rabbit) -> None:
    RabbitEvents("amqp://h//").connect()
    assert [options["passive"] for _, options in rabbit.given("exchange_declare")] == [True]
    rabbit.calls.clear()
    rabbit.exchange_error = NotFound("no exchange")
    RabbitEvents("amqp://h//").connect()
    assert [options["passive"] for _, options in rabbit.given("exchange_declare")] == [True, False]
    assert len(rabbit.channels) == 3, "the refusal closed the first one"


def test_who_may_not_see_the_exchange_is_told_so(rabbit: Rabbit) -> None:
    rabbit.exchange_error = AccessRefused("no right")
    with pytest.raises(AccessRefused):
        RabbitEvents("amqp://h//").connect()


@pytest.mark.parametrize(
    ("body", "heard"),
    [
        (b"{}", b"{}"),
        (b"x" * MAX_MESSAGE_BYTES, b"x" * MAX_MESSAGE_BYTES),
        (b"x" * (MAX_MESSAGE_BYTES + 1), NOT_UNDERSTOOD),
        ("text", NOT_UNDERSTOOD),
        (None, NOT_UNDERSTOOD),
    ],
)
def test_what_cannot_be_one_of_celerys_takes_its_place_and_is_acknowledged_like_any_other(
    body: Any, heard: bytes, rabbit: Rabbit
) -> None:
    source = RabbitEvents("amqp://h//")
    source.connect()
    rabbit.coming = [delivered(body, tag=7)]
    (item,) = source.receive(0.2) or ()
    assert isinstance(item, EventMessage)
    assert (item.body, item.tag, item.streamed) == (heard, 7, False)
    source.acknowledge(item)
    assert rabbit.given("basic_ack") == [((7,), {"multiple": True})]


def test_a_silence_is_a_sign_of_life_while_the_heartbeat_is(rabbit: Rabbit) -> None:
    source = RabbitEvents("amqp://h//")
    source.connect()
    assert source.receive(0.2) == []
    assert rabbit.checked == 1
    rabbit.coming = [delivered(b"one")]
    assert len(source.receive(0.2) or ()) == 1
    assert source.receive(0.2) == [], "and what was given is not given again"


def test_a_message_of_a_connection_that_broke_is_not_acknowledged_on_the_next(rabbit: Rabbit) -> None:
    """Its tag is that of another message there."""
    source = RabbitEvents("amqp://h//")
    source.connect()
    rabbit.coming = [delivered(b"one"), delivered(b"two", tag=2)]
    (first,) = source.receive(0.2) or ()
    source.close()
    source.connect()
    source.acknowledge(first)
    assert rabbit.given("basic_ack") == []
    (second,) = source.receive(0.2) or ()
    source.acknowledge(second)
    assert rabbit.given("basic_ack") == [((2,), {"multiple": True})]


def test_the_witness_is_set_only_when_it_is_stored_that_something_was_missed(rabbit: Rabbit) -> None:
    source = RabbitEvents("amqp://h//")
    source.connect()
    assert rabbit.given("basic_publish_confirm") == []
    source.acknowledge(Blind(NOW, NOW))
    ((args, options),) = rabbit.given("basic_publish")
    assert options == {"routing_key": WITNESS_QUEUE}
    assert args[0].properties["delivery_mode"] == 1, "so that a restart drops it, as it drops events"


def test_a_source_of_rabbitmq_is_closed_once_and_also_before_it_was_open(rabbit: Rabbit) -> None:
    source = RabbitEvents("amqp://h//")
    source.close()
    source.connect()
    source.probe()
    source.close()
    source.close()
    assert rabbit.collected == 1


def test_headers_that_nobody_can_read_are_taken_for_none(rabbit: Rabbit) -> None:
    """py-amqp would give up the connection over them, and the next one would begin with the same message."""
    RabbitEvents("amqp://h//")
    read: Any = serialization.PROPERTY_CLASSES[60]
    assert read is rabbit_module._headers_or_none
    assert read(b"\x20\x00\xff\xff\xff\xff", 0) == ({}, 6)


class Dealt:
    """A mirror of two on one connection, which owns the even shares of four; a test says how many packets wait."""

    def __init__(self, rabbit: Rabbit) -> None:
        self.rabbit = rabbit
        self.shares = Shares(4, frozenset({0, 2}), alone=False)
        self.source = RabbitEvents("amqp://h//", shares=lambda: self.shares)
        self.source.connect()

    def hear(self, *messages: Any) -> list[Any]:
        """Let these come on the queue of all events."""
        self.source._received.extend(messages)
        return [item for item in self.source.receive(0.0) or () if isinstance(item, EventMessage)]

    def sent(self) -> list[tuple[str, list[PacketPart]]]:
        calls = self.rabbit.given("basic_publish_confirm")
        return [(options["routing_key"], unpack(args[0].body)) for args, options in calls]


@pytest.fixture
def dealt(rabbit: Rabbit) -> Dealt:
    return Dealt(rabbit)


def event(task_id: str) -> bytes:
    return json.dumps({"uuid": task_id}).encode()


OURS, THEIRS = "b", "a"
"""Two tasks of different shares."""


def test_a_mirror_reads_the_queues_of_its_shares_and_no_others(dealt: Dealt) -> None:
    read = [args[0] for args, _ in dealt.rabbit.given("basic_consume")]
    assert read == [DURABLE_QUEUE, share_queue(0), share_queue(2)]
    dealt.shares = Shares(4, frozenset({1, 2}), alone=False)
    dealt.source.receive(0.0)
    assert [args for args, _ in dealt.rabbit.given("basic_cancel")] == [(share_queue(0),)]
    assert dealt.rabbit.given("basic_consume")[-1][0] == (share_queue(1),)
    assert len(dealt.rabbit.given("basic_consume")) == 4


def test_queues_of_shares_are_as_durable_as_packets(dealt: Dealt) -> None:
    declared = [(args[0], options) for args, options in dealt.rabbit.given("queue_declare") if "share" in args[0]]
    assert [name for name, _ in declared] == [share_queue(share) for share in range(4)]
    assert all(options["durable"] for _, options in declared)


def test_what_is_another_mirrors_is_on_disk_before_it_is_acknowledged(dealt: Dealt) -> None:
    dealt.shares = Shares(4, frozenset({share_of(OURS, 4)}), alone=False)
    items = dealt.hear(delivered(event(THEIRS), tag=1), delivered(event(OURS), tag=2))
    assert [item.body for item in items] == [event(OURS)]
    ((queue, (part,)),) = dealt.sent()
    assert (queue, part.body) == (share_queue(share_of(THEIRS, 4)), event(THEIRS))
    ((args, options),) = dealt.rabbit.given("basic_publish_confirm")
    assert (args[0].properties["delivery_mode"], options["mandatory"]) == (2, True)
    names = dealt.rabbit.names()
    assert names.index("basic_publish_confirm") < names.index("basic_ack")
    assert dealt.rabbit.given("basic_ack") == [((1,), {"multiple": True})]
    dealt.source.acknowledge(items[-1])
    assert dealt.rabbit.given("basic_ack")[1:] == [((2,), {"multiple": True})]


def test_a_packet_is_acknowledged_with_the_last_of_its_parts(dealt: Dealt) -> None:
    packets = Packets()
    packets.add(0, event("x"), heard_ms=0, streamed=False)
    packets.add(0, event("y"), heard_ms=0, streamed=False)
    ((_, body),) = packets.take()
    dealt.source._packets.append(delivered(body, tag=5))
    first, last = dealt.hear()
    assert ([first.body, last.body], first.tag) == ([event("x"), event("y")], None)
    dealt.source.acknowledge(first)
    assert dealt.rabbit.given("basic_ack") == []
    dealt.source.acknowledge(last)
    assert dealt.rabbit.given("basic_ack") == [((5,), {"multiple": True})]


@pytest.mark.parametrize("body", [b"x", b"[]", None, "text"])
def test_what_is_no_packet_takes_its_place_and_is_acknowledged(body: Any, dealt: Dealt) -> None:
    dealt.source._packets.append(delivered(body, tag=5))
    (item,) = dealt.hear()
    assert item.body == NOT_UNDERSTOOD
    dealt.source.acknowledge(item)
    assert dealt.rabbit.given("basic_ack") == [((5,), {"multiple": True})]


def test_while_another_is_far_behind_messages_stay_and_are_not_acknowledged(dealt: Dealt) -> None:
    dealt.rabbit.lengths |= {share_queue(1): MOST_PACKETS, share_queue(2): MOST_PACKETS}
    assert dealt.hear(delivered(event(THEIRS)), delivered(event(OURS), tag=2)) == []
    assert dealt.sent() == []
    dealt.rabbit.lengths[share_queue(1)] = MOST_PACKETS - 1
    assert dealt.hear() == [], "asked a few times a second"
    assert dealt.source._queues is not None
    dealt.source._queues._counted_at = 0.0
    dealt.shares = Shares(4, frozenset(range(4)) - {1}, alone=False)
    dealt.hear()
    assert dealt.source._received == []
    assert len(dealt.sent()) == 1


def test_one_mirror_alone_deals_nothing_and_reads_what_others_have_left(rabbit: Rabbit) -> None:
    source = RabbitEvents("amqp://h//", shares=lambda: Shares(2, frozenset({0, 1}), alone=True))
    source.connect()
    source._received.append(delivered(event(THEIRS)))
    assert len(source.receive(0.0) or ()) == 1
    assert [args[0] for args, _ in rabbit.given("basic_consume")] == [DURABLE_QUEUE, share_queue(0), share_queue(1)]
    assert rabbit.given("basic_publish_confirm") == []
