"""Celery's remote control on the wire: one broadcast out, the replies of many nodes in.

`app.control` itself is not used: it retries a publish for ever while the broker is away, waits anew for each reply, and
lets late replies to one question take the place of answers to the next. Here every exchange has its own connection, and
replies are told apart by tickets, so nothing of an earlier one is left over.

The mailbox belongs to whoever runs the workers, and so do their logs. On Redis each question reaches every worker, and
each binding is compared with every reply:

- Replies come through the default exchange, which needs no binding. One of ours, in kombu's own spelling, breaks every
  reply of workers that have another `sep` (18 of 20 of their owner's `inspect ping` were lost).
- Commands go as plain data, which any worker takes whatever it accepts. A worker that accepts nothing but pickle logs a
  traceback for each command in JSON that it receives.

On RabbitMQ a binding goes with its queue, and a worker that may write to `reply.celery.pidbox` need not be allowed to
write to the default exchange. Bodies there are bytes in some form: commands go in that of submissions, and those for
certain nodes to the queue of each, so that no other has to read them.
"""

import pickletools
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import ContentDisallowed, DecodeError

from domain.broker_options import BrokerOptions
from domain.priority import Transport
from gateway.connection import BROKER_ERRORS, connect, transport_of
from gateway.pickled_data import read
from gateway.queues import can_be_on_rabbit

COMMANDS = Exchange("celery.pidbox", type="fanout", durable=False, delivery_mode="transient")
REPLIES = Exchange("reply.celery.pidbox", type="direct", durable=False, delivery_mode="transient")
REPLY_QUEUE_SECONDS = 30.0
PLAIN_DATA = {"content_type": "application/data", "content_encoding": "binary"}
"""The type of a body that kombu hands out as it is, and counts as trusted (seen on Celery 4.4, 5.2 and 5.7)."""
MOST_NAME_BYTES = 1_024
"""How many bytes of an unreadable reply are searched for its sender's name."""
PICKLE = "application/x-python-serialize"
BEFORE_A_KEY = frozenset({"PROTO", "FRAME", "EMPTY_DICT", "MARK", "DICT", "MEMOIZE", "PUT", "BINPUT"})
"""What stands in a pickled mapping before its first key, in whatever protocol."""
NOT_UNDERSTOOD = (ContentDisallowed, DecodeError)
"""Errors of kombu that say something of one message, not of the connection."""
MOST_REPLIES = 50_000
"""How many replies to one question are read; whoever reaches the broker may send any number."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Command:
    """One method of a worker's remote control."""

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Answers(dict[str, Any]):
    """What was replied to one command, by node. A name may be that of several processes: `all` has every reply."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[str, Any]] = []

    def add(self, replies: Mapping[str, Any]) -> None:
        """Add one message of replies, by node."""
        self.update(replies)
        if len(self.all) < MOST_REPLIES:
            self.all.extend(replies.items())


Unreadable = Callable[[str, str], None]
"""Told the node and the content type of a reply that cannot be read here."""


def ask(
    broker_url: str,
    commands: Sequence[Command],
    *,
    nodes: Collection[str] | None,
    seconds: float,
    options: BrokerOptions | None = None,
    serializer: str = "json",
    address: str | None = None,
    unreadable: Unreadable = lambda _node, _kind: None,
) -> list[Answers]:
    """Return for each command what each node replied; nodes that stay silent for `seconds` in all are missing.

    `nodes` None asks everyone and therefore always takes the whole time; only then are all replies of one name heard.
    `serializer` is kombu's name of the form of commands on RabbitMQ. `address` is the asker's own for all its
    questions: a reply that comes too late on Redis waits there for the next one, and not in a list for each question.
    """
    with connect(broker_url, options=options) as connection:
        replies = _Replies(
            [str(uuid.uuid4()) for _ in commands],
            nodes=nodes,
            bound=transport_of(broker_url) is not Transport.REDIS,
            address=address,
            unreadable=unreadable,
        )
        expected = None if nodes is None else len(nodes) * len(commands)
        with Consumer(connection.default_channel, [replies.queue], on_message=replies.receive, no_ack=True):
            for ticket, command in zip(replies.by_ticket, commands, strict=True):
                _send(
                    connection,
                    _message(command, nodes, reply=(ticket, replies.reply_to)),
                    expires_at=time.time() + seconds,
                    serializer=serializer,
                )
            _drain(connection, replies, expected=expected, deadline=time.monotonic() + seconds)
        replies.queue.bind(connection.default_channel).delete()
        return list(replies.by_ticket.values())


def tell(
    broker_url: str,
    command: Command,
    *,
    nodes: Collection[str] | None = None,
    options: BrokerOptions | None = None,
    serializer: str = "json",
) -> None:
    """Send a command to these nodes, or to all, and wait for nobody."""
    with connect(broker_url, options=options) as connection:
        _send(connection, _message(command, nodes), expires_at=0, serializer=serializer)


def forget(broker_url: str, address: str, *, options: BrokerOptions | None = None) -> None:
    """Remove what came too late for an asker of this address that asks no more; on RabbitMQ nothing is left."""
    if transport_of(broker_url) is Transport.REDIS:
        with connect(broker_url, options=options) as connection:
            channel: Any = connection.default_channel
            channel.queue_delete(f"{address}.{REPLIES.name}")


class _Replies:
    """Collects replies by ticket."""

    def __init__(
        self,
        tickets: Sequence[str],
        *,
        nodes: Collection[str] | None,
        bound: bool,
        address: str | None,
        unreadable: Unreadable,
    ) -> None:
        key = (address if not bound else None) or str(uuid.uuid4())
        name = f"{key}.{REPLIES.name}"
        self.queue = Queue(
            name,
            exchange=REPLIES if bound else None,
            routing_key=key if bound else "",
            durable=False,
            exclusive=True,
            auto_delete=True,
            expires=REPLY_QUEUE_SECONDS,
        )
        self.reply_to = (
            {"exchange": REPLIES.name, "routing_key": key} if bound else {"exchange": "", "routing_key": name}
        )
        self.by_ticket = {ticket: Answers() for ticket in tickets}
        self._nodes = nodes
        self._unreadable = unreadable
        self._unread = 0

    @property
    def count(self) -> int:
        return sum(map(len, self.by_ticket.values())) + self._unread

    def receive(self, message: Any) -> None:
        answers = self.by_ticket.get(message.headers.get("ticket"))
        if answers is None:
            return
        try:
            answers.add(dict(_data_of(message)))
        except Exception as error:  # whatever one node sent, the others are still to be heard
            self._unread += 1
            self._note_unread(message, error)

    def _note_unread(self, message: Any, error: Exception) -> None:
        """Count it as that node's silence, and nobody else's."""
        node = _sender(message.content_type, bytes(message.body or b""), nodes=self._nodes)
        if node is None:
            log.warning("control_message_not_understood", error=type(error).__name__)
        else:
            self._unreadable(node, str(message.content_type)[:64])


def _data_of(message: Any) -> Any:
    """A pickle is read as data alone; kombu decodes what it trusts. Raises whatever says that it cannot be read."""
    return read(bytes(message.body or b"")) if message.content_type == PICKLE else message.decode()


def _sender(content_type: str, body: bytes, *, nodes: Collection[str] | None) -> str | None:
    """Whose reply this is, which begins with its name. Nothing is unpickled: what stands first in it is looked at."""
    begin = body[:MOST_NAME_BYTES]
    if nodes is not None:
        return next((node for node in sorted(nodes, key=len, reverse=True) if node.encode() in begin), None)
    return _first_key(begin) if content_type == PICKLE else None


def _first_key(begin: bytes) -> str | None:
    """Return the first key of a pickled mapping, if that may be a node's name: Celery gives none without an `@`."""
    try:
        for operation, text, _ in pickletools.genops(begin):
            if operation.name not in BEFORE_A_KEY:
                return text if isinstance(text, str) and "@" in text else None
    except Exception:  # cut off, or no pickle at all
        return None
    return None


def _drain(connection: Connection, replies: _Replies, *, expected: int | None, deadline: float) -> None:
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


def _message(
    command: Command, nodes: Collection[str] | None, *, reply: tuple[str, dict[str, str]] | None = None
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "method": command.method,
        "arguments": dict(command.arguments),
        "destination": None if nodes is None else list(nodes),
        "pattern": None,
        "matcher": None,
    }
    if reply is not None:
        ticket, address = reply
        message |= {"ticket": ticket, "reply_to": address}
    return message


def _send(connection: Connection, message: dict[str, Any], *, expires_at: float, serializer: str) -> None:
    """Send it to all, or on RabbitMQ to each node that it names."""
    form: dict[str, Any] = {"serializer": serializer}
    channel: Any = connection.default_channel
    if connection.transport.driver_type == "redis":
        channel.body_encoding, form = None, PLAIN_DATA
    headers = {"clock": 0, "expires": expires_at}
    publish = partial(Producer(channel, auto_declare=False).publish, message, headers=headers, retry=False, **form)
    if connection.transport.driver_type != "amqp" or message["destination"] is None:
        publish(exchange=COMMANDS, declare=[COMMANDS])
        return
    for name in map(control_queue_of, message["destination"]):
        if can_be_on_rabbit(name):
            publish(exchange="", routing_key=name, delivery_mode=COMMANDS.delivery_mode)


def control_queue_of(node: str) -> str:
    """The name of the queue on RabbitMQ in which a node is told what to do."""
    return f"{node}.{COMMANDS.name}"
