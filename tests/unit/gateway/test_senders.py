from typing import Any

import pytest
from amqp.exceptions import MessageNacked, PreconditionFailed
from redis.exceptions import ResponseError

from domain.refusals import LONGEST_REASON
from gateway import senders
from gateway.envelopes import Envelope
from gateway.senders import NACKED, Fates, RabbitSender, words_of


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
        self.events: dict[str, set[Any]] = {"basic_return": set()}

    def prepare_message(self, body: str, *_: object) -> str:
        return body

    def basic_publish(self, _message: str, *, routing_key: str, **_: object) -> None:
        self.tried.append(routing_key)
        if routing_key in self.raises:
            raise self.raises[routing_key]


class Broker:
    """Stands in for a connection; every channel is the same."""

    def __init__(self, channel: Channel) -> None:
        self.default_channel = channel
        self.channels_opened = 0

    def channel(self) -> Channel:
        self.channels_opened += 1
        return self.default_channel

    def release(self) -> None:
        pass


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
