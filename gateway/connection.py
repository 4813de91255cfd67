"""How the gateway reaches a broker: the transports it knows, their bounds, and the errors that mean "not there".

Every socket has a timeout: without one a frozen broker that still accepts TCP blocks its caller for as long as it is
frozen (12 s measured). Nothing here retries by itself, because a retried publish arrives twice.
"""

from typing import Any, cast
from urllib.parse import quote, urlencode

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import KombuError
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry as RetryBlocking

from domain.broker_options import BrokerOptions
from domain.priority import Transport
from domain.redis_keys import OWN_LEDGER_KEY
from domain.server_urls import (
    SENTINEL,
    SENTINEL_PORT,
    ServerUrl,
    is_amqp,
    is_redis,
    kind_of,
    kombu_sentinel_options,
    kombu_tls,
    kombu_url,
    read_url,
)

SOCKET_SECONDS = 2
CONNECT_SECONDS = 2
BROKER_ERRORS = (KombuError, RedisError, AMQPError, OSError, EOFError)

# Without types in their library.
_blocking_sentinels: Any = redis.sentinel.Sentinel
_asyncio_sentinels: Any = redis.asyncio.sentinel.Sentinel
# kombu otherwise tries to connect for ever, in the middle of a call that has a limit.
_CONNECT_ONCE = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_REDIS_OPTIONS = {
    **_CONNECT_ONCE,
    "socket_timeout": SOCKET_SECONDS,
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_keepalive": True,
    # An idle connection is asked before use, so that one lost meanwhile is replaced rather than published into.
    "health_check_interval": 1,
    "retry_on_timeout": False,
    # A worker that was told no step 0 sends its answers, which have no priority, into the list of its last step.
    "priority_steps": list(range(21)),
    # We acknowledge nothing. With kombu's own keys each of our questions that nobody answers would look there for what
    # workers have held longer than *our* visibility timeout, and give it out again: a second run of whatever runs for
    # more than an hour, and in lists that perhaps nobody reads.
    "unacked_key": OWN_LEDGER_KEY,
    "unacked_index_key": f"{OWN_LEDGER_KEY}_index",
    "unacked_mutex_key": f"{OWN_LEDGER_KEY}_mutex",
}
_AMQP_OPTIONS = {
    **_CONNECT_ONCE,
    "confirm_publish": True,
    "read_timeout": SOCKET_SECONDS,
    "write_timeout": SOCKET_SECONDS,
}


def transport_of(url: str) -> Transport:
    """Return which kind of broker a URL names. Raises ValueError, without the URL, for one that we do not speak to."""
    if is_redis(url):
        return Transport.REDIS
    if is_amqp(url):
        return Transport.AMQP
    raise ValueError(f"A broker of the kind {kind_of(url) or '(none)'}:// is not supported: use redis or amqp.")


def transport_options(transport: Transport, options: BrokerOptions | None = None) -> dict[str, Any]:
    """Return kombu's options for one connection, as others on this broker have them."""
    if transport is not Transport.REDIS:
        return dict(_AMQP_OPTIONS)
    used = options or BrokerOptions()
    return _REDIS_OPTIONS | {
        "sep": used.separator,
        "global_keyprefix": used.global_keyprefix,
        "fanout_prefix": used.fanout_prefix,
        "fanout_patterns": used.fanout_patterns,
    }


def connect(broker_url: str, *, options: BrokerOptions | None = None, heartbeat_seconds: int = 0) -> Connection:
    """Return a kombu connection, opened at its first use. It belongs to the thread that uses it."""
    return Connection(
        kombu_url(broker_url),
        connect_timeout=CONNECT_SECONDS,
        heartbeat=heartbeat_seconds,
        ssl=kombu_tls(broker_url) or False,
        transport_options=transport_options(transport_of(broker_url), options)
        | kombu_sentinel_options(broker_url, CONNECT_SECONDS),
    )


def redis_client(url: str, *, timeout: float = SOCKET_SECONDS) -> redis.asyncio.Redis:
    """Return an asyncio client for the server of a Celery URL; it connects at its first use. It follows a master."""
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        # A connection that broke while idle is replaced once; nothing that has timed out is asked again.
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }
    server = read_url(url)
    if server.kind == SENTINEL:
        sentinels: Any = _asyncio_sentinels(*_sentinels(server, timeout), **_of_master(server, options))
        return cast(redis.asyncio.Redis, sentinels.master_for(server.master_name, redis_class=_AsyncMaster))
    return redis.asyncio.Redis.from_url(redis_url(url), **_for_socket(server, options))


def blocking_redis_client(url: str, *, protocol: int = 3) -> redis.Redis:
    """Return a blocking client for the server of a Celery URL; it belongs to a thread, and tries nothing twice."""
    options: dict[str, Any] = {
        "protocol": protocol,
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "health_check_interval": 0,
        "retry": RetryBlocking(NoBackoff(), 0),
    }
    server = read_url(url)
    if server.kind == SENTINEL:
        sentinels: Any = _blocking_sentinels(*_sentinels(server, CONNECT_SECONDS), **_of_master(server, options))
        return cast(redis.Redis, sentinels.master_for(server.master_name, redis_class=_Master))
    return redis.Redis.from_url(redis_url(url), **_for_socket(server, options))


def redis_url(url: str) -> str:
    """Return the URL as redis-py knows it: Celery has its own for unix sockets (`redis+socket:///`) and for TLS."""
    server = read_url(url)
    query = {name: value for name, value in server.query.items() if name not in ("virtual_host", "db")}
    base = kombu_url(url)
    if server.kind == "unix":
        base = f"unix://{base.removeprefix('redis+socket://').partition('?')[0]}"
        query["db"] = str(server.db)
    query |= server.tls or {}
    return base + (f"?{urlencode(query, quote_via=quote)}" if query else "")


class _Master(redis.Redis):
    """Closed with the connections to its sentinels."""

    def close(self) -> None:
        super().close()
        pool: Any = self.connection_pool
        pool.sentinel_manager.close()


class _AsyncMaster(redis.asyncio.Redis):
    """Closed with the connections to its sentinels."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        await pool.sentinel_manager.aclose()


def _sentinels(server: ServerUrl, timeout: float) -> tuple[list[tuple[str, int]], int, dict[str, Any]]:
    """What redis-py's `Sentinel` takes first."""
    hosts = [(host, port or SENTINEL_PORT) for host, port in server.hosts]
    return hosts, server.min_other_sentinels, server.sentinel_kwargs_within(timeout)


def _of_master(server: ServerUrl, options: dict[str, Any]) -> dict[str, Any]:
    client_options = options | {"socket_keepalive": True, "username": server.username, "password": server.password}
    tls: dict[str, Any] = dict(server.tls or {})
    if "ssl_check_hostname" in tls:
        tls["ssl_check_hostname"] = tls["ssl_check_hostname"].lower() != "false"
    return client_options | {"db": server.db} | ({"ssl": True} | tls if tls else {})


def _for_socket(server: ServerUrl, options: dict[str, Any]) -> dict[str, Any]:
    """A unix socket has nothing to keep alive, and refuses to be told of it."""
    return options if server.kind == "unix" else options | {"socket_keepalive": True}


def is_no_list(error: Exception) -> bool:
    """Tell whether a Redis key is of another kind than a queue's list: it is somebody else's, and no message lies in
    it.
    """
    return isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE")
