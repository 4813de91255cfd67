from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from amqp.exceptions import (
    ConnectionForced,
    FrameSyntaxError,
    MessageNacked,
    NotFound,
    PreconditionFailed,
    RecoverableConnectionError,
)
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from domain.refusals import LONGEST_REASON, Refusal
from gateway import answered_batch, senders
from gateway.envelopes import Envelope
from gateway.senders import (
    ALONE_BYTES,
    BATCH_SIZE,
    BROKE,
    NACKED,
    NO_QUEUE,
    NOT_CONFIRMED,
    Fates,
    RabbitSender,
    RedisSender,
    words_of,
)


def test_of_an_unknown_command_redis_repeats_the_arguments_and_they_are_not_told() -> None:
    said = "unknown command 'LPUSH', with args beginning with: 'celery' 's3cret' "
    assert words_of(ResponseError(said)) == "the broker says: unknown command 'LPUSH'"


def test_what_a_broker_says_is_one_short_line() -> None:
    words = words_of(ResponseError("a\nb\r\n\x0bc " + "x" * 1000))
    assert words.startswith("the broker says: a b c xxx")
    assert len(words) == LONGEST_REASON


class Channel:
    """Of RabbitMQ, as far as a sender needs it: by queue, what it raises."""

    def __init__(self, raises: dict[str, Exception]) -> None:
        self.raises = raises
        self.tried: list[str] = []
        self.options: list[dict[str, object]] = []
        self.returns: frozenset[str] = frozenset()
        """Queues that are not there."""
        self.events: dict[str, set[Any]] = {"basic_return": set()}

    def prepare_message(self, body: str, *_: object) -> str:
        return body

    def basic_publish(self, _message: str, *, routing_key: str, **options: object) -> None:
        self.tried.append(routing_key)
        self.options.append(options)
        if routing_key in self.returns:
            for told in self.events["basic_return"]:
                told("channel", "exchange", routing_key, "message")
        if routing_key in self.raises:
            raise self.raises[routing_key]


class Broker:
    """Stands in for a connection; every channel is the same."""

    def __init__(self, channel: Channel) -> None:
        self.default_channel = channel
        self.channels_opened = 0
        self.released = 0

    def channel(self) -> Channel:
        self.channels_opened += 1
        return self.default_channel

    def release(self) -> None:
        self.released += 1


def sent_through(
    monkeypatch: pytest.MonkeyPatch, raises: dict[str, Exception], *queue_names: str
) -> tuple[Fates, Channel]:
    """What became of one message for each of these queues; its id is the number of its place."""
    channel = Channel(raises)
    monkeypatch.setattr(senders, "connect", lambda _: Broker(channel))
    fates = Fates()
    envelopes = [Envelope(str(number), name, "", 0, "", "", {}, {}) for number, name in enumerate(queue_names)]
    RabbitSender("amqp://").send(envelopes, fates)
    return fates, channel


def test_after_a_channel_error_the_next_message_has_another_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    too_large = PreconditionFailed("message size 2 is larger than configured max size 1", (60, 40))
    fates, channel = sent_through(monkeypatch, {"bad": too_large}, "bad", "good", "bad")
    assert (fates.sent, set(fates.refused), channel.tried) == ({"1"}, {"0", "2"}, ["bad", "good", "bad"])
    assert "larger than configured max size" in fates.refused["0"].reason


def test_a_queue_that_does_not_confirm_is_waited_for_once_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    fates, channel = sent_through(monkeypatch, {"mute": TimeoutError()}, "mute", "mute", "good", "mute", "good")
    assert (fates.sent, set(fates.unanswered)) == ({"2", "4"}, {"0", "1", "3"})
    assert channel.tried == ["mute", "good", "good"]


def test_a_nack_is_the_fate_of_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    fates, _ = sent_through(monkeypatch, {"full": MessageNacked()}, "full", "good")
    assert (fates.sent, fates.refused) == ({"1"}, {"0": NACKED})


def envelopes_for(*queue_names: str) -> list[Envelope]:
    """One message for each; its id is the number of its place."""
    return [Envelope(str(number), name, "", 0, "", "", {}, {}) for number, name in enumerate(queue_names)]


def test_a_message_that_no_queue_takes_waits_for_one_and_the_queue_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel = Channel({})
    channel.returns = frozenset({"absent"})
    monkeypatch.setattr(senders, "connect", lambda _: Broker(channel))
    fates = Fates()
    RabbitSender("amqp://").send(envelopes_for("absent", "good", "absent"), fates)
    assert (fates.sent, fates.refused) == ({"1"}, {"0": NO_QUEUE, "2": NO_QUEUE})
    assert channel.tried == ["absent", "good"]
    assert NO_QUEUE.awaits_queue


def test_each_message_is_confirmed_or_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    _, channel = sent_through(monkeypatch, {}, "good")
    assert channel.options == [{"exchange": "", "mandatory": True, "confirm_timeout": 2}]


@pytest.mark.parametrize(
    ("error", "is_refused"),
    [(FrameSyntaxError("bad frame"), True), (ConnectionForced("shut down"), False), (TimeoutError(), False)],
)
def test_where_another_connection_can_be_had_only_an_error_over_the_message_itself_refuses_it(
    error: Exception, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    brokers: list[Broker] = []
    channel = Channel({"bad": error})

    def connect(_url: str) -> Broker:
        brokers.append(Broker(channel))
        return brokers[-1]

    monkeypatch.setattr(senders, "connect", connect)
    fates = Fates()
    RabbitSender("amqp://").send(envelopes_for("bad", "good"), fates)
    assert (fates.sent, len(brokers), brokers[0].released) == ({"1"}, 2, 1)
    assert (set(fates.refused), set(fates.unanswered)) == (({"0"}, set()) if is_refused else (set(), {"0"}))


def test_a_broker_that_is_away_ends_the_call_and_what_was_sent_by_then_stays_true(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel, connections = Channel({"bad": RecoverableConnectionError("reset")}), [0]

    def connect(_url: str) -> Broker:
        connections[0] += 1
        if connections[0] > 1:
            raise ConnectionRefusedError
        return Broker(channel)

    monkeypatch.setattr(senders, "connect", connect)
    fates = Fates()
    with pytest.raises(ConnectionRefusedError):
        RabbitSender("amqp://").send(envelopes_for("good", "bad", "good"), fates)
    assert (fates.sent, fates.refused, fates.unanswered) == ({"0"}, {}, {}), "the others are in doubt"


def test_a_connection_is_held_from_call_to_call_and_opened_anew_after_it_was_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brokers: list[Broker] = []

    def connect(_url: str) -> Broker:
        brokers.append(Broker(Channel({"odd": NotFound("no")})))
        return brokers[-1]

    monkeypatch.setattr(senders, "connect", connect)
    sender = RabbitSender("amqp://")
    sender.disconnect()
    for _ in range(2):
        sender.send(envelopes_for("good", "odd"), Fates())
    assert (len(brokers), brokers[0].channels_opened) == (1, 2)
    sender.disconnect()
    sender.disconnect()
    sender.send(envelopes_for("good"), Fates())
    assert (len(brokers), brokers[0].released) == (2, 1)


class RedisServer:
    """Of Redis and kombu's channel to it, as far as a sender needs them.

    `says`: by list, the answer to a message that is put there, or the error over which the connection breaks.
    """

    def __init__(self) -> None:
        self.says: dict[str, Exception] = {}
        self.breaks: dict[str, Exception] = {}
        self.goes: list[list[str]] = []
        """The lists that were written to, of each go."""
        self.connections = 0
        self.released = 0
        self.is_away = False
        self.info: Any = {"run_id": "0123456789abcdef"}

    def connect(self, _url: str, *, options: object) -> "RedisServer":
        if self.is_away:
            raise RedisConnectionError("refused")
        self.connections += 1
        return self

    @property
    def default_channel(self) -> "RedisServer":
        return self

    def release(self) -> None:
        self.released += 1

    def prepare_message(self, body: Any, *_: object) -> Any:
        return body

    def basic_publish(self, message: Any, *, exchange: str, routing_key: str, _publish_batch: Any) -> None:
        assert exchange == ""
        _publish_batch.add("lpush", f"{routing_key}: as kombu would choose", message)

    @contextmanager
    def conn_or_acquire(self) -> Iterator["RedisServer"]:
        yield self

    @contextmanager
    def pipeline(self, *, transaction: bool) -> Iterator["Pipeline"]:
        assert not transaction, "one refused message would refuse all"
        yield Pipeline(self)


class Pipeline:
    """Answers one command after another, as the server says."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._lists: list[str | None] = []
        self.parse_response: Any = self._answer_to

    def lpush(self, name: str, _message: Any) -> None:
        self._lists.append(name)

    def info(self, _section: str) -> None:
        self._lists.append(None)

    def execute(self, *, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        self._server.goes.append([name for name in self._lists if name is not None])
        answers = []
        for name in self._lists:
            try:
                answers.append(self.parse_response(name, "command"))
            except ResponseError as error:
                answers.append(error)
        return answers

    def _answer_to(self, name: str | None, _command: str) -> Any:
        if name is None:
            if isinstance(self._server.info, Exception):
                raise self._server.info
            return self._server.info
        if name in self._server.breaks:
            raise self._server.breaks[name]
        if name in self._server.says:
            raise self._server.says[name]
        return 1


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    server = RedisServer()
    monkeypatch.setattr(senders, "connect", server.connect)
    return server


def lists(*names: str, size: int = 1) -> list[Envelope]:
    """One message for each of these lists; its id is the number of its place."""
    return [Envelope(str(n), "q", "x" * size, 0, "", "", {}, {}, list_name=name) for n, name in enumerate(names)]


def sender(*, singly: bool = False) -> RedisSender:
    return RedisSender("redis://h/0", singly=singly)


def test_messages_go_together_and_each_into_the_list_that_was_chosen_for_it(server: RedisServer) -> None:
    fates = Fates()
    sender().send(lists("a", "b", "a"), fates)
    assert server.goes == [["a", "b", "a"]]
    assert fates.sent == {"0", "1", "2"}
    assert set(fates.lives.values()) == {"0123456789ab"}


def test_a_message_without_a_list_goes_where_kombu_has_it(server: RedisServer) -> None:
    sender().send([Envelope("t", "q", "x", 0, "", "", {}, {})], Fates())
    assert server.goes == [["q: as kombu would choose"]]


def test_nothing_to_send_asks_nobody(server: RedisServer) -> None:
    sender().send([], Fates())
    assert (server.connections, server.goes) == (0, [])


@pytest.mark.parametrize(
    ("count", "goes"),
    [(1, [1]), (BATCH_SIZE, [BATCH_SIZE]), (BATCH_SIZE + 1, [BATCH_SIZE, 1])],
)
def test_no_more_go_together_than_so_many(count: int, goes: list[int], server: RedisServer) -> None:
    fates = Fates()
    sender().send(lists(*["a"] * count), fates)
    assert [len(go) for go in server.goes] == goes
    assert len(fates.sent) == count


def test_no_more_bytes_go_together_than_a_timeout_has_room_for(server: RedisServer) -> None:
    size = ALONE_BYTES - 1
    most = answered_batch.MOST_BYTES // size + 1
    sender().send(lists(*["a"] * (most + 1), size=size), Fates())
    assert [len(go) for go in server.goes] == [most, 1]


def test_a_large_message_goes_alone_after_those_before_it(server: RedisServer) -> None:
    small, large = lists("a", "b"), lists("c", size=ALONE_BYTES)
    sender().send([small[0], *large, small[1]], Fates())
    assert server.goes == [["a"], ["c"], ["b"]]


def test_what_the_server_has_against_one_message_is_the_fate_of_that_one(server: RedisServer) -> None:
    server.says["b"] = ResponseError("WRONGTYPE Operation against a key\nholding the wrong kind of value")
    fates = Fates()
    sender().send(lists("a", "b", "c"), fates)
    assert fates.sent == {"0", "2"}
    assert fates.refused == {
        "1": Refusal("the broker says: WRONGTYPE Operation against a key holding the wrong kind of value")
    }
    assert (fates.trouble, set(fates.lives)) == (None, {"0", "2"})


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        ReadOnlyError("You can't write against a read only replica."),
        MasterDownError("Link with MASTER is down"),
        ClusterDownError("The cluster is down"),
        TryAgainError("Multiple keys request during rehashing of slot"),
        ResponseError("MISCONF Redis is configured to save RDB snapshots"),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
        ResponseError("BUSY Redis is busy running a script."),
        ResponseError("UNKILLABLE Sorry the script already executed write commands"),
        ResponseError("LOADING Redis is loading the dataset in memory"),
        NoPermissionError("this user has no permissions to run the 'lpush' command"),
    ],
)
def test_what_the_server_would_say_to_any_message_is_no_tasks_fault(error: Exception, server: RedisServer) -> None:
    server.says["a"] = error
    fates = Fates()
    sender().send(lists("a"), fates)
    assert (fates.trouble, fates.refused, fates.sent) == (error, {}, set())


@pytest.mark.parametrize(
    "words",
    [
        "No permissions to access a key",
        "this user has no permissions to access one of the keys used as arguments",
    ],
)
def test_a_key_that_may_not_be_written_is_the_fate_of_its_message(words: str, server: RedisServer) -> None:
    server.says["a"] = NoPermissionError(words)
    fates = Fates()
    sender().send(lists("a", "b"), fates)
    assert (fates.trouble, set(fates.refused), fates.sent) == (None, {"0"}, {"1"})


def test_a_server_that_does_not_tell_its_life_has_the_message_all_the_same(server: RedisServer) -> None:
    server.info = ResponseError("NOPERM")
    fates = Fates()
    sender().send(lists("a"), fates)
    assert (fates.sent, fates.lives) == ({"0"}, {})


def test_what_was_answered_before_the_connection_broke_is_known(server: RedisServer) -> None:
    server.says["b"] = ResponseError("WRONGTYPE")
    server.breaks["c"] = RedisConnectionError("reset")
    fates = Fates()
    with pytest.raises(RedisConnectionError):
        sender().send(lists("a", "b", "c", "d"), fates)
    assert (fates.sent, set(fates.refused)) == ({"0"}, {"1"}), "the others are in doubt"


def test_after_a_batch_that_broke_each_goes_alone_until_it_is_known_which_one_breaks(server: RedisServer) -> None:
    server.breaks["bad"] = RedisConnectionError("reset")
    held, fates = sender(), Fates()
    with pytest.raises(RedisConnectionError):
        held.send(lists("bad", "good"), fates)
    assert fates == Fates(), "all of it is in doubt"
    held.disconnect()
    held.send(lists("bad", "good"), fates)
    assert (fates.refused, fates.sent) == ({"0": BROKE}, {"1"})
    server.goes.clear()
    held.send(lists("good", "good"), Fates())
    assert server.goes == [["good", "good"]], "and then together again"


def test_a_message_is_not_what_breaks_a_server_that_is_away(server: RedisServer) -> None:
    server.breaks["a"] = RedisConnectionError("reset")
    held, fates = sender(singly=True), Fates()
    original = server.pipeline

    @contextmanager
    def break_down(*, transaction: bool) -> Iterator[Pipeline]:
        server.is_away = True
        with original(transaction=transaction) as pipeline:
            yield pipeline

    server.pipeline = break_down  # type: ignore[method-assign]
    with pytest.raises(RedisConnectionError, match="refused"):
        held.send(lists("a", "b"), fates)
    assert (fates.refused, fates.sent, server.released) == ({}, set(), 1)


def test_a_refusal_that_came_before_the_end_is_not_taken_for_the_reason_of_the_end(server: RedisServer) -> None:
    """The answer to the message was there; what broke was the question after it."""
    server.says["a"] = ResponseError("WRONGTYPE")
    server.info = RedisConnectionError("reset")
    fates = Fates()
    sender(singly=True).send(lists("a"), fates)
    assert fates.refused["0"].reason == "the broker says: WRONGTYPE"


def test_who_sends_singly_sends_each_alone(server: RedisServer) -> None:
    sender(singly=True).send(lists("a", "b"), Fates())
    assert server.goes == [["a"], ["b"]]
    assert server.connections == 1, "and over one connection"


def test_a_sender_of_redis_lets_go_of_its_connection_once(server: RedisServer) -> None:
    held = sender()
    held.disconnect()
    held.send(lists("a"), Fates())
    held.disconnect()
    held.disconnect()
    assert (server.connections, server.released) == (1, 1)


def test_every_sentence_of_a_refusal_is_one_for_people() -> None:
    assert [each.reason for each in (NO_QUEUE, NACKED, BROKE, NOT_CONFIRMED)] == [
        "there is no queue of this name: no worker has declared it",
        "the broker refuses it (nack): the queue may be full",
        "the connection broke while it was sent",
        "the broker did not answer to it within 2 s",
    ]
