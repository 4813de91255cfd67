"""How messages reach a broker of each kind, and what became of each: `Fates` is filled as it becomes known.

A sender raises one of BROKER_ERRORS when the broker is away; what is noted by then stays true. It belongs to one
thread.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from amqp.exceptions import ChannelError, IrrecoverableConnectionError, MessageNacked
from kombu import Connection
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from domain.broker_options import BrokerOptions
from domain.refusals import LONGEST_REASON, Refusal
from gateway.answered_batch import AnsweredBatch
from gateway.connection import BROKER_ERRORS, connect
from gateway.envelopes import Envelope

BATCH_SIZE = 500
CONFIRM_SECONDS = 2
ALONE_BYTES = 256 * 1024
"""The size from which a message goes alone: Redis refuses what is too large by closing the connection."""

NO_QUEUE = Refusal("there is no queue of this name: no worker has declared it", awaits_queue=True)
NACKED = Refusal("the broker refuses it (nack): the queue may be full")
BROKE = Refusal("the connection broke while it was sent")
NOT_CONFIRMED = Refusal(f"the broker did not answer to it within {CONFIRM_SECONDS} s")
# What Redis would say to any message. redis-py takes the first word away where it has a class for it.
_OF_THE_SERVER = (OutOfMemoryError, ReadOnlyError, MasterDownError, ClusterDownError, TryAgainError)
_WORDS_OF_THE_SERVER = ("MISCONF", "NOREPLICAS", "BUSY", "UNKILLABLE", "LOADING")


@dataclass(slots=True)
class Fates:
    """What is known so far of the messages of one call, by task id."""

    sent: set[str] = field(default_factory=set)
    refused: dict[str, Refusal] = field(default_factory=dict)
    unanswered: dict[str, Refusal] = field(default_factory=dict)
    """Messages that count as refused if the broker takes others meanwhile; else it is the broker that does not answer.
    """
    lives: dict[str, str] = field(default_factory=dict)
    """The life of the server that took a message, where it tells."""
    trouble: Exception | None = None
    """What the broker has against all messages."""


class Sender(Protocol):
    """One held connection; a lost one is replaced by the next call."""

    def send(self, envelopes: Iterable[Envelope], fates: Fates) -> None: ...

    def disconnect(self) -> None: ...


class RedisSender:
    """Sends up to 500 messages in one go, each of them answered."""

    def __init__(self, broker_url: str, *, singly: bool, options: BrokerOptions | None = None) -> None:
        self._broker_url = broker_url
        self._options = options
        self._singly = singly
        self._connection: Connection | None = None
        self._doubts_one = False
        """After a batch whose connection broke: one message may be what breaks it, and it must be known which."""

    def send(self, envelopes: Iterable[Envelope], fates: Fates) -> None:
        """Send these in batches, and large ones alone."""
        batch, most = AnsweredBatch(), 1 if self._singly or self._doubts_one else BATCH_SIZE
        for envelope in envelopes:
            if most == 1 or envelope.size_bytes >= ALONE_BYTES:
                batch = self._execute(batch, fates)
                self._send_alone(envelope, fates)
                continue
            batch.put(self._channel(), envelope)
            if batch.is_full(most):
                batch = self._execute(batch, fates)
        self._execute(batch, fates)
        self._doubts_one = False

    def _send_alone(self, envelope: Envelope, fates: Fates) -> None:
        """If the connection breaks and can be had again at once, the message is what breaks it."""
        batch = AnsweredBatch()
        batch.put(self._channel(), envelope)
        try:
            self._execute(batch, fates)
        except BROKER_ERRORS:
            self.disconnect()
            self._channel()
            fates.refused.setdefault(envelope.task_id, BROKE)

    def disconnect(self) -> None:
        """Drop the channel and its connection."""
        if self._connection is not None:
            self._connection.release()
            self._connection = None

    def _channel(self) -> Any:
        """A new one has asked the server. Raises where the broker is away."""
        if self._connection is None:
            self._connection = connect(self._broker_url, options=self._options)
        return self._connection.default_channel

    def _execute(self, batch: AnsweredBatch, fates: Fates) -> AnsweredBatch:
        """Returns the next, empty one."""
        if batch.envelopes:
            try:
                batch.execute(self._channel())
            except BROKER_ERRORS:
                self._doubts_one = True
                raise
            finally:
                _note_answers(batch, fates)
        return AnsweredBatch()


def _note_answers(batch: AnsweredBatch, fates: Fates) -> None:
    for envelope, answer in zip(batch.envelopes, batch.answers, strict=False):
        if not isinstance(answer, ResponseError):
            fates.sent.add(envelope.task_id)
            if batch.server:
                fates.lives[envelope.task_id] = batch.server
        elif _concerns_all(answer):
            fates.trouble = answer
        else:
            fates.refused[envelope.task_id] = Refusal(words_of(answer))


def _concerns_all(answer: ResponseError) -> bool:
    if isinstance(answer, NoPermissionError):
        return " command" in str(answer)  # else it is the key that may not be written
    return isinstance(answer, _OF_THE_SERVER) or str(answer).startswith(_WORDS_OF_THE_SERVER)


class RabbitSender:
    """Sends one message after another, each confirmed. The broker closes the channel of one that it does not like."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._connection: Connection | None = None
        self._open_channel: Any = None
        self._returned = False

    def send(self, envelopes: Iterable[Envelope], fates: Fates) -> None:
        """Send these one by one."""
        # What is said of a queue is not waited for again in the same call, however many messages it has.
        shut: dict[str, tuple[dict[str, Refusal], Refusal]] = {}
        for envelope in envelopes:
            if envelope.queue_name in shut:
                noted, refusal = shut[envelope.queue_name]
                noted[envelope.task_id] = refusal
                continue
            try:
                self._publish(envelope)
            except MessageNacked:
                fates.refused[envelope.task_id] = NACKED
            except (ChannelError, IrrecoverableConnectionError) as error:
                self._renew(error)
                fates.refused[envelope.task_id] = Refusal(words_of(error))
            except BROKER_ERRORS as error:
                self._renew(error)
                shut[envelope.queue_name] = fates.unanswered, NOT_CONFIRMED
                fates.unanswered[envelope.task_id] = NOT_CONFIRMED
            else:
                if self._returned:
                    shut[envelope.queue_name] = fates.refused, NO_QUEUE
                    fates.refused[envelope.task_id] = NO_QUEUE
                else:
                    fates.sent.add(envelope.task_id)

    def disconnect(self) -> None:
        """Drop the channel and its connection."""
        self._open_channel = None
        if self._connection is not None:
            self._connection.release()
            self._connection = None

    def _publish(self, envelope: Envelope) -> None:
        channel = self._channel()
        self._returned = False
        channel.basic_publish(
            envelope.on(channel),
            exchange="",
            routing_key=envelope.queue_name,
            mandatory=True,
            confirm_timeout=CONFIRM_SECONDS,
        )

    def _channel(self) -> Any:
        if self._open_channel is None:
            if self._connection is None:
                self._connection = connect(self._broker_url)
                self._open_channel = self._connection.default_channel
            else:
                self._open_channel = self._connection.channel()
            self._open_channel.events["basic_return"].add(self._on_return)
        return self._open_channel

    def _renew(self, error: Exception) -> None:
        """Open another channel after a channel's end, else another connection; raises where the broker is away."""
        if isinstance(error, ChannelError):
            self._open_channel = None
        else:
            self.disconnect()
        self._channel()

    def _on_return(self, *_: object) -> None:
        """What no queue takes comes back before it is confirmed."""
        self._returned = True


def words_of(error: Exception) -> str:
    """Return the broker's words, without arguments, which Redis repeats of an unknown command: they are the task's."""
    text = " ".join(str(error).split(", with args", 1)[0].split())
    return f"the broker says: {text}"[:LONGEST_REASON]
