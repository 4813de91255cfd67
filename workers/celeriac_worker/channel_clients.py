"""One Redis client for each channel of a worker's broker connections, instead of one for each message.

kombu makes a client anew for every publication and every acknowledgement. With redis-py that is a sixth of what a
worker's main process does. A client holds nothing but the channel's pool of connections, so one will do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import bootsteps
from kombu.transport import redis

KEPT = "_celeriac_client"


class ChannelClients(bootsteps.Step):
    """Makes channels to Redis keep their client, before the worker connects."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        keep_clients(redis.Channel)


def keep_clients(channel: Any) -> None:
    """Let channels of this class keep the client that they make; a second call changes nothing."""
    make = channel._create_client
    if not hasattr(make, KEPT):
        channel._create_client = _keeping(make)


def _keeping(make: Callable[..., Any]) -> Callable[..., Any]:
    def create_client(self: Any, asynchronous: bool = False) -> Any:
        """Return the client of this channel. Its pool is another one after a reconnect, and in a forked process."""
        if asynchronous:
            return make(self, asynchronous=True)
        kept = vars(self).get(KEPT)
        if kept is None or kept.connection_pool is not self.pool:
            kept = vars(self)[KEPT] = make(self)
        return kept

    setattr(create_client, KEPT, True)
    return create_client
