"""How the gateway reaches a broker: the transports it knows, their bounds, and the errors that mean "not there".

Every socket has a timeout: without one a frozen broker that still accepts TCP blocks its caller for as long as it is
frozen (12 s measured). Nothing here retries by itself, because a retried publish arrives twice.
"""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
import redis.asyncio
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

SOCKET_SECONDS = 2
CONNECT_SECONDS = 2
_OWN_LEDGER = "celeriac:unacked"
BROKER_ERRORS = (KombuError, RedisError, AMQPError, OSError, EOFError)

_TRANSPORTS = {
    "redis": Transport.REDIS,
    "rediss": Transport.REDIS,
    "valkey": Transport.REDIS,
    "valkeys": Transport.REDIS,
    "amqp": Transport.AMQP,
    "amqps": Transport.AMQP,
    "pyamqp": Transport.AMQP,
}
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
    # We acknowledge nothing. With kombu's own keys each of our questions that nobody answers would look there for what
    # workers have held longer than *our* visibility timeout, and give it out again: a second run of whatever runs for
    # more than an hour, and in lists that perhaps nobody reads.
    "unacked_key": _OWN_LEDGER,
    "unacked_index_key": f"{_OWN_LEDGER}_index",
    "unacked_mutex_key": f"{_OWN_LEDGER}_mutex",
}
_AMQP_OPTIONS = {
    **_CONNECT_ONCE,
    "confirm_publish": True,
    "read_timeout": SOCKET_SECONDS,
    "write_timeout": SOCKET_SECONDS,
}


def transport_of(url: str) -> Transport:
    """Which kind of broker a URL names. Raises ValueError, without the URL, for one that we do not speak to."""
    transport = _TRANSPORTS.get(_scheme(url))
    if transport is None:
        raise ValueError(f"A broker of the kind {_scheme(url) or '(none)'}:// is not supported: use redis or amqp.")
    return transport


def is_redis(url: str) -> bool:
    """Whether the server of this URL speaks Redis' protocol."""
    return _TRANSPORTS.get(_scheme(url)) is Transport.REDIS


def transport_options(transport: Transport, options: BrokerOptions | None = None) -> dict[str, Any]:
    """kombu's options for one connection, as others on this broker have them."""
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
    """A kombu connection, opened at its first use. It belongs to the thread that uses it."""
    return Connection(
        kombu_url(broker_url),
        connect_timeout=CONNECT_SECONDS,
        heartbeat=heartbeat_seconds,
        transport_options=transport_options(transport_of(broker_url), options),
    )


def kombu_url(url: str) -> str:
    """The URL as kombu and Celery know it: Valkey's own scheme is Redis' to them."""
    return "redis" + url.removeprefix("valkey") if url.startswith("valkey") else url


def redis_client(url: str, *, timeout: float = SOCKET_SECONDS) -> redis.asyncio.Redis:
    """An asyncio client for the server of a Celery URL; it connects at its first use."""
    return redis.asyncio.Redis.from_url(
        redis_url(url),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_keepalive=True,
        # A connection that broke while idle is replaced once; nothing that has timed out is asked again.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


def blocking_redis_client(url: str, *, protocol: int = 3) -> redis.Redis:
    """The same for a thread, and it tries nothing twice."""
    return redis.Redis.from_url(
        redis_url(url),
        protocol=protocol,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_keepalive=True,
        health_check_interval=0,
        retry=RetryBlocking(NoBackoff(), 0),
    )


def redis_url(url: str) -> str:
    """As redis-py knows it: Celery writes `redis+socket:///path?virtual_host=1` and `CERT_NONE` its own way."""
    parts = urlsplit(kombu_url(url))
    query = dict(parse_qsl(parts.query))
    scheme = parts.scheme
    if scheme == "redis+socket":
        scheme = "unix"
        query["db"] = query.pop("virtual_host", "0")
    if "ssl_cert_reqs" in query:
        query["ssl_cert_reqs"] = query["ssl_cert_reqs"].removeprefix("CERT_").lower()
    return f"{scheme}://{parts.netloc}{parts.path}" + (f"?{urlencode(query)}" if query else "")


def is_no_list(error: Exception) -> bool:
    """Whether a Redis key is of another kind than a queue's list: it is somebody else's, and no message lies in it."""
    return isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE")


def _scheme(url: str) -> str:
    return urlsplit(url).scheme.split("+")[0]
