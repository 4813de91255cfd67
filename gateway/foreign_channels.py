"""Finds workers on the same Redis that hear no word of ours, because their app has another prefix before its keys.

They cannot be asked and are not heard, and what we submit lies in lists that they do not read. But Redis tells the
names of the channels that somebody listens to, and each worker listens to one for its remote control.
"""

import json
import re
from typing import cast

from redis.exceptions import NoPermissionError, RedisError

from domain.broker_options import Difference
from domain.errors import BrokerUnavailable
from domain.priority import Transport
from gateway.connection import redis_client, transport_of
from gateway.layout import Layout
from gateway.mailbox import COMMANDS

OPTION = "global_keyprefix"
SETTING = "CELERIAC_BROKER_TRANSPORT_OPTIONS"
MOST_CHANNELS = 1_000
MOST_NAMED = 3
MAX_PREFIX = 255


class ForeignChannels:
    """One broker; RabbitMQ has no such prefixes."""

    def __init__(self, broker_url: str, layout: Layout) -> None:
        on_redis = transport_of(broker_url) is Transport.REDIS
        self._redis = redis_client(broker_url) if on_redis else None
        self._layout = layout

    async def differences(self) -> dict[str, Difference]:
        """By option, where workers of this very database have another prefix than ours. Raises BrokerUnavailable."""
        if self._redis is None:
            return {}
        database = self._redis.connection_pool.connection_kwargs.get("db", 0)
        ending = f"/{database}.{COMMANDS.name}"
        try:
            channels = cast(list[bytes], await self._redis.pubsub_channels(f"*{ending}"))
            named = (channel.decode("utf-8", "replace") for channel in channels[:MOST_CHANNELS])
            prefixes = sorted({name.removesuffix(ending) for name in named} - {self._layout.own.global_keyprefix})
            known = [prefix for prefix in prefixes if len(prefix) <= MAX_PREFIX]
            counted = await self._redis.pubsub_numsub(*(prefix + ending for prefix in known)) if known else []
        except NoPermissionError:
            return {}
        except (RedisError, OSError) as error:
            raise BrokerUnavailable from error
        workers = sum(number for _, number in counted)
        return {OPTION: Difference(OPTION, workers, _meaning(known))} if workers else {}

    async def close(self) -> None:
        """Ends the connection."""
        if self._redis is not None:
            await self._redis.aclose()


def _meaning(prefixes: list[str]) -> str:
    shown = [json.dumps(re.sub(r"[\x00-\x1f\x7f]", "?", prefix), ensure_ascii=False) for prefix in prefixes]
    named = ", ".join(shown[:MOST_NAMED]) + (f" and {len(shown) - MOST_NAMED} more" if shown[MOST_NAMED:] else "")
    value = json.dumps({OPTION: prefixes[0]}, ensure_ascii=False) if prefixes[0] else "{}"
    return (
        f"Workers on this broker use the {OPTION} {named}, and we another: they are not heard and our tasks do not "
        f"reach them. Set {SETTING}='{value}'"
    )
