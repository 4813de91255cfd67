"""Finds workers on the same Redis that hear no word of ours, because their app has another prefix before its keys.

They cannot be asked and are not heard, and what we submit lies in lists that they do not read. But the key in which
kombu notes who listens for remote control is there under their prefix; and Redis tells how many listen to a channel
when a message for nobody is sent there. Looked for a little at a time: a database may hold millions of keys.
"""

import json
import re
import time
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError

from domain.broker_options import MAX_TEXT, OptionDifference
from domain.errors import BrokerUnavailable
from domain.priority import Transport
from domain.sentences import some_of
from gateway.connection import redis_client, transport_of
from gateway.layout import BINDINGS, Layout
from gateway.mailbox import COMMANDS
from gateway.presence import message_for_nobody

OPTION = "global_keyprefix"
SETTING = "CELERIAC_BROKER_TRANSPORT_OPTIONS"
KEYS_AT_ONCE = 1_000
MOST_SCANS = 10
"""How many keys each look goes through: 10,000 take some 5 ms of the server's time."""
ASKED_EACH_SECONDS = 30.0
MOST_PREFIXES = 20
MOST_NAMED = 3


class ForeignPrefixes:
    """Looks at one broker; RabbitMQ has no such prefixes."""

    def __init__(self, broker_url: str, layout: Layout, *, asked_each_seconds: float = ASKED_EACH_SECONDS) -> None:
        self._asked_each_seconds = asked_each_seconds
        on_redis = transport_of(broker_url) is Transport.REDIS
        self._redis = redis_client(broker_url) if on_redis else None
        self._layout = layout
        self._cursor = 0
        self._asked_at: dict[str, float] = {}
        self._listeners: dict[str, int] = {}

    async def differences(self) -> dict[str, OptionDifference]:
        """Return by option where workers of this very database have another prefix than ours. Raises
        BrokerUnavailable."""
        if self._redis is None:
            return {}
        try:
            await self._look(self._redis)
            await self._ask(self._redis)
        except NoPermissionError:
            return {}
        except (RedisError, OSError) as error:
            raise BrokerUnavailable from error
        there = sorted(prefix for prefix, listeners in self._listeners.items() if listeners)
        workers = sum(self._listeners.values())
        return {OPTION: OptionDifference(OPTION, workers, _meaning(there))} if there else {}

    async def close(self) -> None:
        """End the connection."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _look(self, redis: Redis) -> None:
        ending = BINDINGS + COMMANDS.name
        for _ in range(MOST_SCANS):
            self._cursor, keys = await redis.scan(self._cursor, match=f"*{ending}", count=KEYS_AT_ONCE)
            for key in cast(list[bytes], keys):
                prefix = key.decode("utf-8", "replace").removesuffix(ending)
                is_other = prefix != self._layout.own.global_keyprefix and len(prefix) <= MAX_TEXT
                if is_other and len(self._listeners) < MOST_PREFIXES:
                    self._listeners.setdefault(prefix, 0)
            if self._cursor == 0:
                return

    async def _ask(self, redis: Redis) -> None:
        """The key of a worker that was killed stays: only who listens is there."""
        database = redis.connection_pool.connection_kwargs.get("db", 0)
        ours = self._layout.own
        channel = ours.fanout_channel(COMMANDS.name, database).removeprefix(ours.global_keyprefix)
        now = time.monotonic()
        for prefix in self._listeners:
            if prefix in self._asked_at and now - self._asked_at[prefix] < self._asked_each_seconds:
                continue
            self._asked_at[prefix] = now
            self._listeners[prefix] = int(await redis.publish(prefix + channel, message_for_nobody()))


def _meaning(prefixes: list[str]) -> str:
    texts = [json.dumps(re.sub(r"[\x00-\x1f\x7f]", "?", prefix), ensure_ascii=False) for prefix in prefixes]
    named = some_of(texts, most=MOST_NAMED)
    value = json.dumps({OPTION: prefixes[0]}, ensure_ascii=False) if prefixes[0] else "{}"
    return (
        f"Workers on this broker use the {OPTION} {named}, and we another: they are not heard and our tasks do not "
        f"reach them. Set {SETTING}='{value}'"
    )
