"""Which nodes surely have no connection to the broker: silence alone proves nothing.

A busy solo pool, or a process that is stopped, answers nothing and still holds its messages. On RabbitMQ each node has
a control queue that goes with its connection. On Redis every connected node subscribes to one channel; where as many
listen as answer, none that is silent listens.
"""

import json
import time
import uuid
from collections.abc import Collection
from contextlib import closing
from typing import Any

import psutil
from amqp.exceptions import NotFound, ResourceLocked
from redis.exceptions import RedisError

from domain.broker_options import BrokerOptions
from domain.errors import BrokerUnavailable
from domain.priority import Transport
from gateway.connection import connect, redis_client, transport_of
from gateway.mailbox import COMMANDS, PLAIN_DATA, control_queue_of
from gateway.ports import AsksNodes
from gateway.queues import can_be_on_rabbit
from gateway.threads import BrokerThread

RABBIT_SECONDS = 5.0


class Presence:
    """Looks for the nodes of one broker."""

    def __init__(self, broker_url: str, control: AsksNodes, *, options: BrokerOptions | None = None) -> None:
        on_redis = transport_of(broker_url) is Transport.REDIS
        self._listeners: _RedisListeners | _RabbitListeners = (
            _RedisListeners(broker_url, control, options=options or BrokerOptions())
            if on_redis
            else _RabbitListeners(broker_url, control)
        )

    async def find_absent(self, nodes: Collection[str]) -> frozenset[str]:
        """Return those of the nodes that neither answer nor are connected; none while that cannot be told.

        Raises BrokerUnavailable.
        """
        return await self._listeners.find_absent(nodes) if nodes else frozenset()

    async def count_listeners(self) -> int | None:
        """Return how many processes hear our questions; None where the broker does not tell (RabbitMQ).

        Raises BrokerUnavailable.
        """
        return await self._listeners.count()

    async def find_connected(self, nodes: Collection[str]) -> frozenset[str]:
        """Return those that answer, or surely listen though they do not. Raises BrokerUnavailable."""
        return await self._listeners.find_connected(nodes) if nodes else frozenset()

    async def close(self) -> None:
        """End the connection."""
        await self._listeners.close()


def runs_here(node: str, pid: int | None) -> bool:
    """Tell whether this machine runs a process of this pid that was started as this node, as `celeriac up` starts them.

    The name in its command line proves that it is this one: a pid is soon another process's, and in another container
    from the first.
    """
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        return node in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


class _RedisListeners:
    def __init__(self, broker_url: str, control: AsksNodes, *, options: BrokerOptions) -> None:
        self._redis = redis_client(broker_url)
        self._control = control
        database = self._redis.connection_pool.connection_kwargs.get("db", 0)
        self._channel = options.fanout_channel(COMMANDS.name, database)

    async def find_absent(self, nodes: Collection[str]) -> frozenset[str]:
        before = await self.count()
        answering = await self._control.find_nodes()
        if not before == len(answering) == await self.count():
            return frozenset()
        return frozenset(nodes) - answering

    async def find_connected(self, nodes: Collection[str]) -> frozenset[str]:
        answering = await self._control.find_nodes()
        everyone = answering | frozenset(nodes)
        return frozenset(nodes) if await self.count() == len(everyone) else answering & frozenset(nodes)

    async def close(self) -> None:
        await self._redis.aclose()

    async def count(self) -> int:
        """Redis tells how many a message has reached; this one is for nobody."""
        try:
            return int(await self._redis.publish(self._channel, message_for_nobody()))
        except (RedisError, OSError) as error:
            raise BrokerUnavailable from error


class _RabbitListeners:
    def __init__(self, broker_url: str, control: AsksNodes) -> None:
        self._broker_url = broker_url
        self._control = control
        self._thread = BrokerThread("presence")

    async def find_absent(self, nodes: Collection[str]) -> frozenset[str]:
        silent = frozenset(nodes) - await self._control.ping(nodes)
        return await self._thread.run(self._without_queue, silent, limit_seconds=RABBIT_SECONDS)

    async def count(self) -> None:
        return None

    async def find_connected(self, nodes: Collection[str]) -> frozenset[str]:
        return frozenset(nodes) - await self.find_absent(nodes)

    async def close(self) -> None:
        await self._thread.close()

    def _without_queue(self, nodes: Collection[str]) -> frozenset[str]:
        with connect(self._broker_url) as connection:
            return frozenset(node for node in nodes if not _has_control_queue(connection.channel(), node))


def _has_control_queue(channel: Any, node: str) -> bool:
    queue_name = control_queue_of(node)
    if not can_be_on_rabbit(queue_name):
        return False
    # Each refusal closes the channel.
    with closing(channel):
        try:
            return bool(channel.queue_declare(queue_name, passive=True).consumer_count)
        except NotFound:
            return False
        except ResourceLocked:
            return True  # it belongs to a connection that is open


def message_for_nobody() -> str:
    """Return kombu's form of a control message, which every worker takes, addressed to a node that does not exist."""
    return json.dumps(
        {
            "body": {"method": "ping", "arguments": {}, "destination": [str(uuid.uuid4())]},
            "content-encoding": PLAIN_DATA["content_encoding"],
            "content-type": PLAIN_DATA["content_type"],
            "headers": {"clock": 0, "expires": time.time() + 1},
            "properties": {
                "delivery_mode": 1,
                "delivery_info": {"exchange": COMMANDS.name, "routing_key": ""},
                "priority": 0,
                "body_encoding": None,
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    )
