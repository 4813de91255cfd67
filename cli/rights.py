"""Which rights on a Redis we lack. Each command is asked for in a transaction that is given up: nothing is done.

Redis says whether a user may when it takes a command into the transaction, and not at its end.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import redis
from redis.exceptions import NoPermissionError, ResponseError

from domain.redis_keys import ANSWER_TIMES_KEY, ANSWERS_KEY, NOBODY, life_channel
from domain.server_urls import read_url
from settings import Settings

Probe = tuple[str, ...]
_SCRIPTS: tuple[Probe, ...] = (("EVAL", "return 1", "0"), ("SCRIPT", "EXISTS", "0"))


def probes_of(name: str, settings: Settings) -> Sequence[Probe]:
    """Return what is asked of the server of this setting, in the words of Redis."""
    return {"broker_url": _of_broker, "result_url": _of_results, "redis_url": _of_keys}[name](settings)


def missing_rights(client: redis.Redis, probes: Iterable[Probe]) -> list[str]:
    """Return the rights that this client's user lacks, each as a command with its key or channel. Raises
    redis.RedisError.
    """
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    try:
        connection.send_command("MULTI")
        connection.read_response()
        missing = [" ".join(probe[:2]) for probe in probes if not _may(connection, probe)]
        connection.send_command("DISCARD")
        connection.read_response()
    finally:
        connection.disconnect()
        pool.release(connection)
    return missing


def _may(connection: Any, probe: Probe) -> bool:
    connection.send_command(*probe)
    try:
        connection.read_response()
    except NoPermissionError:
        return False
    except ResponseError:
        return True  # an older server does not know it so
    return True


def _of_broker(settings: Settings) -> Sequence[Probe]:
    options = settings.broker_options
    queue = options.global_keyprefix + settings.default_queue
    unacked, index = (options.global_keyprefix + key for key in (options.unacked_key, options.unacked_index_key))
    database = read_url(settings.broker_url or "").db
    orders, events = (options.fanout_channel(exchange, database) for exchange in ("celery.pidbox", "celeryev"))
    return (
        *(("LPUSH", queue, "0"), ("RPUSH", queue, "0"), ("LREM", queue, "1", "0"), ("LLEN", queue)),
        *(("LRANGE", queue, "0", "0"), ("TYPE", queue), ("BRPOP", f"{queue}.reply.celery.pidbox", "1")),
        *(("HSCAN", unacked, "0"), ("HMGET", unacked, "0"), ("HDEL", unacked, "0")),
        *(("ZRANGEBYSCORE", index, "0", "0"), ("ZSCORE", index, "0"), ("ZREM", index, "0")),
        ("SMEMBERS", f"{options.global_keyprefix}_kombu.binding.celery"),
        *_SCRIPTS,
        ("TIME",),
        *(("PUBLISH", orders, ""), ("PSUBSCRIBE", f"{events}*")),
    )


def _of_results(_: Settings) -> Sequence[Probe]:
    meta = f"celery-task-meta-{NOBODY}"
    return (("MGET", meta), ("STRLEN", meta))


def _of_keys(_: Settings) -> Sequence[Probe]:
    return (
        *(("GET", NOBODY), ("SET", NOBODY, "0"), ("MSET", NOBODY, "0"), ("MGET", NOBODY), ("DEL", NOBODY)),
        *(("EXISTS", NOBODY), ("EXPIRE", NOBODY, "1"), ("HSET", NOBODY, "0", "0"), ("HGETALL", NOBODY)),
        *(("HINCRBY", NOBODY, "0", "1"), ("XADD", NOBODY, "*", "0", "0"), ("XINFO", "STREAM", NOBODY)),
        *(("XREADGROUP", "GROUP", "0", "0", "STREAMS", NOBODY, ">"), ("XACK", NOBODY, "0", "0-1")),
        *(("HGET", ANSWERS_KEY, "0"), ("ZADD", ANSWER_TIMES_KEY, "0", "0")),
        *_SCRIPTS,
        *(("SUBSCRIBE", life_channel("api")), ("PUBSUB", "NUMSUB")),
    )
