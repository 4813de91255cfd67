from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from domain.broker_options import BrokerOptions
from domain.priority import Transport
from domain.server_urls import is_redis, kombu_url
from gateway.connection import (
    CONNECT_SECONDS,
    SOCKET_SECONDS,
    blocking_redis_client,
    connect,
    is_no_list,
    redis_client,
    redis_url,
    transport_of,
    transport_options,
)

SENTINELS = "sentinel://:pw@one:1/3;sentinel://:pw@two/3?master_name=main"


@pytest.mark.parametrize("scheme", ["redis", "rediss", "valkey", "valkeys", "redis+socket"])
def test_redis_is_known_under_all_its_names(scheme: str) -> None:
    assert transport_of(f"{scheme}://h/0") is Transport.REDIS
    assert is_redis(f"{scheme}://h/0")


@pytest.mark.parametrize("scheme", ["amqp", "amqps", "pyamqp"])
def test_rabbitmq_is_known_under_all_its_names(scheme: str) -> None:
    assert transport_of(f"{scheme}://h//") is Transport.AMQP
    assert not is_redis(f"{scheme}://h//")


@pytest.mark.parametrize("url", ["sqs://key:secret@", "", "secret"])
def test_another_broker_is_refused_in_a_sentence_without_its_url(url: str) -> None:
    with pytest.raises(ValueError, match="is not supported: use redis or amqp") as refusal:
        transport_of(url)
    assert "secret" not in str(refusal.value)


def test_valkeys_scheme_is_redis_to_celery() -> None:
    assert kombu_url("valkeys://h:1/2") == "rediss://h:1/2"
    assert kombu_url("redis://h:1/2") == "redis://h:1/2"


def test_celerys_way_to_name_sockets_and_tls_checks_is_understood() -> None:
    assert redis_url("redis+socket:///run/redis.sock?virtual_host=3") == "unix:///run/redis.sock?db=3"
    assert redis_url("rediss://h/0?ssl_cert_reqs=CERT_NONE") == "rediss://h/0?ssl_cert_reqs=none"


def test_a_password_with_special_characters_arrives_unchanged() -> None:
    options = redis_client("redis://:p%40ss%2Fword@127.0.0.1:1/5").connection_pool.connection_kwargs
    assert (options["password"], options["db"], options["port"]) == ("p@ss/word", 5, 1)


def options_of(client: Any) -> dict[str, Any]:
    options: dict[str, Any] = client.connection_pool.connection_kwargs
    return options


@pytest.mark.parametrize("url", ["redis://h:1/0", "redis+socket:///run/redis.sock", SENTINELS])
@pytest.mark.parametrize("client", [redis_client, blocking_redis_client])
def test_no_socket_is_without_a_timeout(client: Any, url: str) -> None:
    options = options_of(client(url))
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (SOCKET_SECONDS, CONNECT_SECONDS)


@pytest.mark.parametrize("url", ["redis://h:1/0", SENTINELS])
def test_an_idle_connection_that_broke_is_replaced_once_and_a_blocking_client_tries_nothing_twice(url: str) -> None:
    once, never = options_of(redis_client(url))["retry"], options_of(blocking_redis_client(url))["retry"]
    assert (once._retries, never._retries) == (1, 0)
    assert once._supported_errors == (RedisConnectionError,), "nothing that has timed out is asked again"


@pytest.mark.parametrize("client", [redis_client, blocking_redis_client])
def test_a_unix_socket_is_not_told_to_keep_alive_what_it_cannot(client: Any) -> None:
    assert "socket_keepalive" not in options_of(client("redis+socket:///run/redis.sock"))
    assert options_of(client("redis://h/0"))["socket_keepalive"] is True


@pytest.mark.parametrize("client", [redis_client, blocking_redis_client])
def test_a_master_is_found_through_any_of_its_sentinels(client: Any) -> None:
    pool: Any = client(SENTINELS).connection_pool
    assert pool.service_name == "main"
    hosts = [(options["host"], options["port"]) for options in map(options_of, pool.sentinel_manager.sentinels)]
    assert hosts == [("one", 1), ("two", 26379)]
    assert (pool.connection_kwargs["db"], pool.connection_kwargs["password"]) == (3, "pw")


async def test_a_client_of_a_master_is_closed_with_those_of_its_sentinels(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    async def aclose() -> None:
        closed.append("asyncio")

    client, blocking = redis_client(SENTINELS), blocking_redis_client(SENTINELS)
    pools: list[Any] = [client.connection_pool, blocking.connection_pool]
    monkeypatch.setattr(pools[0].sentinel_manager, "aclose", aclose)
    monkeypatch.setattr(pools[1].sentinel_manager, "close", lambda: closed.append("blocking"))
    await client.aclose()
    blocking.close()
    assert closed == ["asyncio", "blocking"]


def test_kombu_uses_redis_as_the_app_does_and_keeps_its_own_books_apart() -> None:
    options = transport_options(
        Transport.REDIS, BrokerOptions(":", global_keyprefix="shop:", fanout_prefix="x", fanout_patterns=False)
    )
    told = {name: options[name] for name in ("sep", "global_keyprefix", "fanout_prefix", "fanout_patterns")}
    assert told == {"sep": ":", "global_keyprefix": "shop:", "fanout_prefix": "x", "fanout_patterns": False}
    assert options["unacked_key"].startswith("celeriac:"), "else it would give out again what workers hold"
    assert options["retry_on_timeout"] is False


@pytest.mark.parametrize("transport", list(Transport))
def test_kombu_connects_once_and_not_for_ever(transport: Transport) -> None:
    assert transport_options(transport)["max_retries"] == 0


def test_options_of_one_connection_are_not_those_of_the_next() -> None:
    transport_options(Transport.AMQP)["confirm_publish"] = False
    transport_options(Transport.REDIS)["sep"] = "x"
    assert transport_options(Transport.AMQP)["confirm_publish"] is True
    assert transport_options(Transport.REDIS)["sep"] == BrokerOptions().separator


def test_a_connection_is_opened_only_when_it_is_used() -> None:
    connection = connect("amqp://u:pw@127.0.0.1:1//", heartbeat_seconds=10)
    assert (connection.connected, connection.heartbeat, connection.connect_timeout) == (False, 10, CONNECT_SECONDS)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), True),
        (ResponseError("ERR WRONGTYPE"), False),
        (ResponseError(""), False),
        (RedisConnectionError("WRONGTYPE"), False),
        (ValueError("WRONGTYPE"), False),
    ],
)
def test_only_the_servers_own_word_says_that_a_key_is_no_list(error: Exception, expected: bool) -> None:
    assert is_no_list(error) is expected
