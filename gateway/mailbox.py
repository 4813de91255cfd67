"""Celery's remote control on the wire: one broadcast out, the replies of many nodes in.

`app.control` itself is not used: it retries a publish for ever while the broker is away, waits anew for each reply, and
lets late replies to one question take the place of answers to the next. Here every exchange has its own connection and
reply queue, so nothing of an earlier one is left over.
"""

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import ContentDisallowed, DecodeError

from domain.broker_options import BrokerOptions
from gateway.connection import BROKER_ERRORS, connect

COMMANDS = Exchange("celery.pidbox", type="fanout", durable=False, delivery_mode="transient")
REPLIES = Exchange("reply.celery.pidbox", type="direct", durable=False, delivery_mode="transient")
REPLY_QUEUE_SECONDS = 30.0
NOT_UNDERSTOOD = (ContentDisallowed, DecodeError)
"""Errors of kombu that say something of one message, not of the connection."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Command:
    """One method of a worker's remote control."""

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def ask(
    broker_url: str,
    commands: Sequence[Command],
    *,
    nodes: Collection[str] | None,
    seconds: float,
    options: BrokerOptions | None = None,
) -> list[dict[str, Any]]:
    """For each command what each node replied, by node; nodes that stay silent for `seconds` in all are missing.

    `nodes` None asks everyone and therefore always takes the whole time.
    """
    with connect(broker_url, options=options) as connection:
        replies = _Replies([str(uuid.uuid4()) for _ in commands])
        expected = None if nodes is None else len(nodes) * len(commands)
        with Consumer(connection.default_channel, [replies.queue], on_message=replies.receive, no_ack=True):
            for ticket, command in zip(replies.by_ticket, commands, strict=True):
                _send(connection, command, nodes, expires_at=time.time() + seconds, reply=(ticket, replies.address))
            _drain(connection, replies, expected, time.monotonic() + seconds)
        # On Redis nothing else removes its binding, which every later reply would be compared with.
        replies.queue.bind(connection.default_channel).delete()
        return list(replies.by_ticket.values())


def tell(
    broker_url: str, command: Command, *, nodes: Collection[str] | None = None, options: BrokerOptions | None = None
) -> None:
    """Sends a command to these nodes, or to all, and waits for nobody."""
    with connect(broker_url, options=options) as connection:
        _send(connection, command, nodes)


class _Replies:
    """Collects replies by ticket."""

    def __init__(self, tickets: Sequence[str]) -> None:
        self.address = str(uuid.uuid4())
        self.queue = Queue(
            f"{self.address}.{REPLIES.name}",
            exchange=REPLIES,
            routing_key=self.address,
            durable=False,
            exclusive=True,
            auto_delete=True,
            expires=REPLY_QUEUE_SECONDS,
        )
        self.by_ticket: dict[str, dict[str, Any]] = {ticket: {} for ticket in tickets}

    @property
    def count(self) -> int:
        return sum(map(len, self.by_ticket.values()))

    def receive(self, message: Any) -> None:
        answers = self.by_ticket.get(message.headers.get("ticket"))
        if answers is not None:
            answers.update(dict(message.decode()))


def _drain(connection: Connection, replies: _Replies, expected: int | None, deadline: float) -> None:
    while expected is None or replies.count < expected:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return
        try:
            connection.drain_events(timeout=remaining)
        except TimeoutError:
            return
        except BROKER_ERRORS as error:
            if not isinstance(error, NOT_UNDERSTOOD):
                raise
            log.warning("control_message_not_understood", error=type(error).__name__)
        except Exception as error:  # whatever one node sent, the others are still to be heard
            log.warning("control_message_not_understood", error=type(error).__name__)


def _send(
    connection: Connection,
    command: Command,
    nodes: Collection[str] | None,
    *,
    expires_at: float = 0,
    reply: tuple[str, str] | None = None,
) -> None:
    message: dict[str, Any] = {
        "method": command.method,
        "arguments": dict(command.arguments),
        "destination": None if nodes is None else list(nodes),
        "pattern": None,
        "matcher": None,
    }
    if reply is not None:
        ticket, address = reply
        message |= {"ticket": ticket, "reply_to": {"exchange": REPLIES.name, "routing_key": address}}
    Producer(connection.default_channel, auto_declare=False).publish(
        message,
        exchange=COMMANDS,
        declare=[COMMANDS],
        headers={"clock": 0, "expires": expires_at},
        serializer="json",
        retry=False,
    )
