"""Hands tasks to the broker, and says which of them it surely holds.

At least once: what a broken connection leaves in doubt is not reported as sent, and the caller sends it again under the
same task id. Nothing is sent with an ETA (workers would hoard it), and no queue is declared: none of them is ours.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import structlog
from celery import Celery
from kombu import Connection, Exchange, Producer
from kombu.exceptions import EncodeError

from domain.errors import BrokerUnavailable
from domain.priority import Transport, message_priority
from gateway.connection import BROKER_ERRORS, connect, transport_of
from gateway.messages import TaskMessage
from gateway.threads import BrokerThread

BATCH_SIZE = 500
PUBLISH_SECONDS = 5
CONFIRM_SECONDS = 2
PERSISTENT = 2
DEFAULT_EXCHANGE = Exchange("", type="direct")
"""Every broker's own exchange: the routing key is the name of the queue."""

MAX_RETRIES_HEADER = "celeriac_max_retries"
DISPATCH_NO_HEADER = "celeriac_dispatch_no"
LONGEST_SHOWN = 1_024
"""Celery shortens what is longer."""

log = structlog.get_logger()


class Publisher:
    """One thread with one held connection; a lost one is replaced by the next call."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._transport = transport_of(broker_url)
        self._thread = BrokerThread("publisher")
        self._connection: Connection | None = None
        self._unroutable: set[str] = set()
        # Makes messages and never sends one: with a result backend each send would cost a SUBSCRIBE.
        self._messages = Celery("celeriac-publisher", set_as_current=False, broker="memory://").amqp

    async def publish(
        self, messages: Sequence[TaskMessage], *, ten_step_queues: Collection[str] = ()
    ) -> frozenset[str]:
        """Ids of the messages that the broker surely holds; the others are unsent or in doubt, and may be sent again.

        `ten_step_queues` are those whose every consumer reads ten priority steps (see `domain.priority`).
        Raises BrokerUnavailable where none could be sent, or after 5 s.
        """
        return await self._thread.run(self._publish, messages, ten_step_queues, limit_seconds=PUBLISH_SECONDS)

    async def close(self) -> None:
        """Ends the connection and its thread."""
        await self._thread.close(self._disconnect)

    def _publish(self, messages: Sequence[TaskMessage], ten_step_queues: Collection[str]) -> frozenset[str]:
        sent: set[str] = set()
        try:
            producer = self._producer()
            for batch in _batches(messages):
                sent |= self._publish_batch(producer, batch, ten_step_queues)
        except BROKER_ERRORS as error:
            self._disconnect()
            if not sent:
                raise BrokerUnavailable from error
            log.warning("publish_interrupted", sent=len(sent), unsent=len(messages) - len(sent), error=str(error))
        return frozenset(sent)

    def _publish_batch(self, producer: Any, batch: Sequence[TaskMessage], ten_step_queues: Collection[str]) -> set[str]:
        """Sends up to 500 in one go on Redis; on RabbitMQ one after another, each confirmed."""
        self._unroutable.clear()
        handed_over = set()
        with producer.batch(BATCH_SIZE):
            for message in batch:
                priority = message_priority(
                    message.priority, self._transport, ten_steps=message.queue_name in ten_step_queues
                )
                if self._hand_over(producer, message, priority):
                    handed_over.add(message.task_id)
        return handed_over - self._unroutable

    def _hand_over(self, producer: Any, message: TaskMessage, priority: int) -> bool:
        try:
            task = self._messages.as_task_v2(
                message.task_id,
                message.task_name,
                tuple(message.args),
                message.kwargs,
                time_limit=message.timeout_seconds,
                argsrepr=_shown(tuple(message.args)),
                kwargsrepr=_shown(message.kwargs),
                retries=message.retries_base,
            )
            producer.publish(
                task.body,
                routing_key=message.queue_name,
                headers=task.headers | _own_headers(message),
                serializer="json",
                delivery_mode=PERSISTENT,
                priority=priority,
                mandatory=self._transport is Transport.AMQP,
                retry=False,
                confirm_timeout=CONFIRM_SECONDS,
                **task.properties,
            )
        except (EncodeError, RecursionError, ValueError, TypeError) as error:
            # One task that cannot be put into words must not hold up the others of its batch.
            log.error("publish_refused", task_id=message.task_id, error=type(error).__name__)
            return False
        return True

    def _producer(self) -> Any:
        if self._connection is None:
            self._connection = connect(self._broker_url)
        return Producer(
            self._connection.default_channel,
            exchange=DEFAULT_EXCHANGE,
            auto_declare=False,
            on_return=self._on_return if self._transport is Transport.AMQP else None,
        )

    def _on_return(self, _error: Exception, _exchange: object, queue_name: str, message: Any) -> None:
        """RabbitMQ gives back what no queue takes; it stays with the caller until a worker has declared the queue."""
        task_id = message.properties["correlation_id"]
        self._unroutable.add(task_id)
        log.warning("publish_returned", task_id=task_id, queue=queue_name)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.release()
            self._connection = None


def _batches(messages: Sequence[TaskMessage]) -> Iterator[Sequence[TaskMessage]]:
    for start in range(0, len(messages), BATCH_SIZE):
        yield messages[start : start + BATCH_SIZE]


def _own_headers(message: TaskMessage) -> dict[str, int]:
    headers = {DISPATCH_NO_HEADER: message.dispatch_no}
    if message.max_retries is not None:
        headers[MAX_RETRIES_HEADER] = message.max_retries
    return headers


def _shown(arguments: object) -> str | None:
    """Arguments as events tell them: Celery's own way to say so is most of the cost of making a message.

    None for long ones, which it then shortens itself.
    """
    shown = repr(arguments)
    return shown if len(shown) <= LONGEST_SHOWN else None
