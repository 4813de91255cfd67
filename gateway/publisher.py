"""Hands tasks to the broker, and says which of them it surely holds and which it refuses.

At least once: what a broken connection leaves in doubt is reported as neither, and the caller sends it again under the
same task id. What the broker has against one message is the fate of that message: the others of its batch are sent, and
known as sent. Nothing is sent with an ETA (workers would hoard it), and no queue is declared: none of them is ours.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import structlog

from domain.broker_options import BrokerOptions
from domain.errors import BrokerUnavailable
from domain.priority import Transport, message_priority, priority_step_for
from domain.queue_names import flaw_of
from domain.redaction.rules import COMMON, Redaction
from domain.refusals import Refusal
from gateway.connection import BROKER_ERRORS, transport_of
from gateway.envelopes import Envelope, EnvelopeMaker
from gateway.messages import TaskMessage
from gateway.senders import Fates, RabbitSender, RedisSender, Sender
from gateway.threads import BrokerThread

SENDING_SECONDS = 3
"""How long a call goes on to begin new messages."""
PUBLISH_SECONDS = 15
"""How long a call may take until it is given up, all of it in doubt: longer than the socket's timeouts let it last."""

QueueLists = Mapping[str, Mapping[int, str]]
"""The lists of each queue."""
NO_LISTS: QueueLists = MappingProxyType({})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Published:
    """What became of the messages; those in neither are unsent or in doubt, and may be sent again."""

    sent: frozenset[str] = frozenset()
    """The tasks that the broker surely holds."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """What the broker refused, by task id."""
    lives: Mapping[str, str] = field(default_factory=dict)
    """The life of the server that took a task, by id, where it tells: another life may not have it any more."""


class Publisher:
    """One thread with one held connection; a lost one is replaced by the next call.

    `serializer`: of bodies, by kombu's name. `redaction`: what the texts of arguments in messages hide.
    `singly`: for messages that were refused before. Each goes alone, and the broker's silence counts as a refusal too.
    """

    def __init__(
        self,
        broker_url: str,
        *,
        singly: bool = False,
        options: BrokerOptions | None = None,
        serializer: str = "json",
        redaction: Redaction = COMMON,
    ) -> None:
        self._transport = transport_of(broker_url)
        self._singly = singly
        self._options = options or BrokerOptions()
        self._thread = BrokerThread("publisher")
        self._maker = EnvelopeMaker(serializer, redaction=redaction)
        on_redis = self._transport is Transport.REDIS
        self._sender: Sender = (
            RedisSender(broker_url, singly=singly, options=options) if on_redis else RabbitSender(broker_url)
        )

    async def publish(self, messages: Sequence[TaskMessage], *, lists: QueueLists = NO_LISTS) -> Published:
        """Publish these; returns what the broker surely holds of them, and what it refuses.

        `lists` are those that a queue's consumers on Redis are known to read, by priority step. Of a queue that is not
        there all goes into the steps that the settings name, or else into the list of its bare name: most read that.
        Raises BrokerUnavailable where nothing is known of any of the messages.
        """
        return await self._thread.run(self._publish, messages, lists, limit_seconds=PUBLISH_SECONDS)

    async def close(self) -> None:
        """End the connection and its thread."""
        await self._thread.close(self._sender.disconnect)

    def _publish(self, messages: Sequence[TaskMessage], lists: QueueLists) -> Published:
        fates = Fates()
        try:
            self._sender.send(self._envelopes(messages, lists, fates=fates), fates)
        except BROKER_ERRORS as error:
            self._sender.disconnect()
            fates.trouble = error
        if fates.sent or self._singly:
            fates.refused.update(fates.unanswered)
        if fates.trouble and not (fates.sent or fates.refused):
            raise BrokerUnavailable from fates.trouble
        if fates.unanswered and not (fates.sent or fates.refused):
            raise BrokerUnavailable
        self._tell(fates, count=len(messages))
        return Published(frozenset(fates.sent), fates.refused, fates.lives)

    def _envelopes(self, messages: Sequence[TaskMessage], lists: QueueLists, *, fates: Fates) -> Iterator[Envelope]:
        """Yield those that can be put into words, while there is time and nothing stands against all of them."""
        until = time.monotonic() + SENDING_SECONDS
        for message in messages:
            if fates.trouble or time.monotonic() > until:
                return
            refusal = _of_name(message.queue_name)
            try:
                envelope = None if refusal else self._make(message, lists)
            except Exception as error:  # whatever it is, it concerns this task alone; its text may hold arguments
                refusal = Refusal(f"no message can be made of it: {type(error).__name__}")
            if refusal:
                fates.refused[message.task_id] = refusal
            elif envelope:
                yield envelope

    def _make(self, message: TaskMessage, lists: QueueLists) -> Envelope:
        """A message keeps the priority that was asked for: a worker that gives it back knows its own lists."""
        priority = message_priority(message.priority, self._transport)
        if self._transport is not Transport.REDIS:
            return self._maker.make(message, priority=priority)
        queue_lists = lists.get(message.queue_name) or self._options.lists_of(message.queue_name)
        name = queue_lists[priority_step_for(priority, queue_lists)] if queue_lists else message.queue_name
        return self._maker.make(message, priority=priority, list_name=name)

    def _tell(self, fates: Fates, *, count: int) -> None:
        for task_id, refusal in fates.refused.items():
            log.warning("publish_refused", task_id=task_id, reason=refusal.reason)
        if fates.trouble:
            unsent = count - len(fates.sent) - len(fates.refused)
            log.warning("publish_interrupted", sent=len(fates.sent), unsent=unsent, error=type(fates.trouble).__name__)


def _of_name(queue_name: str) -> Refusal | None:
    """Return the refusal of a task that was stored before its queue's name was refused at the door; None for a sound
    one.
    """
    flaw = flaw_of(queue_name)
    return Refusal(f"the queue's name {flaw}") if flaw else None
