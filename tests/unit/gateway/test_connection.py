import pytest

from domain.priority import Transport
from domain.server_urls import is_redis, kombu_url
from gateway.connection import redis_client, redis_url, transport_of


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
