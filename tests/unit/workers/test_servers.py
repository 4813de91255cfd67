"""What an app's settings say of its broker beside the URL becomes part of the URL, and the plugin's client obeys it."""

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from celeriac_worker import servers
from celeriac_worker.servers import broker_address, connect
from celery import Celery

from domain import server_urls

MASTER = {"master_name": "m", "sentinel_kwargs": {"password": "s"}, "visibility_timeout": 9}


def address(url: Any, **conf: Any) -> str | None:
    app = Celery("shop", set_as_current=False)
    app.conf.update(conf)
    return broker_address(app.conf, url)


def test_a_master_is_named_by_the_apps_transport_options() -> None:
    told = address("sentinel://one/0;sentinel://two/0", broker_transport_options=MASTER)
    assert told is not None
    assert address(["sentinel://one/0", "sentinel://two/0"], broker_transport_options=MASTER) == told
    with connect(told) as client:
        pool: Any = client.connection_pool
        assert pool.service_name == "m"
        assert pool.connection_kwargs["db"] == 0
        assert [s.connection_pool.connection_kwargs["port"] for s in pool.sentinel_manager.sentinels] == [26379] * 2


def test_tls_of_the_apps_settings_is_spoken() -> None:
    told = address("redis://h:1/2", broker_use_ssl={"ssl_cert_reqs": ssl.CERT_NONE, "ssl_ca_certs": "/ca"})
    assert told == "rediss://h:1/2?ssl_cert_reqs=none&ssl_ca_certs=%2Fca"
    assert address("redis://h:1/2", broker_transport_options=MASTER) == "redis://h:1/2"


def test_another_broker_has_no_address_here() -> None:
    assert address("amqp://h//") is None
    assert address(None) is None
    assert address([]) is None


def test_a_socket_has_its_database_and_password_in_the_url() -> None:
    with connect("redis+socket://u:p%2Fw@/run/r.sock?virtual_host=3") as client:
        options = client.connection_pool.connection_kwargs
        assert (options["path"], options["db"], options["password"]) == ("/run/r.sock", 3, "p/w")


def test_sentinels_without_a_master_are_refused() -> None:
    with pytest.raises(ValueError, match="names no master"):
        connect("sentinel://h/0")


@pytest.mark.parametrize("scheme", sorted(server_urls.REDIS_KINDS))
def test_the_plugin_knows_every_scheme_of_a_redis_and_reaches_it_in_the_same_way(scheme: str) -> None:
    """It may import none of our rooms, so it has a list of its own."""
    url = f"{scheme}://host/path"
    assert servers.kind_of(url) == server_urls.kind_of(url)


def test_the_plugin_knows_no_other_schemes_and_the_same_options_of_sentinels() -> None:
    assert servers.KINDS == server_urls.REDIS_KINDS
    assert servers.SENTINEL_OPTIONS == server_urls.SENTINEL_OPTIONS
    assert servers.SENTINEL_PORT == server_urls.SENTINEL_PORT
    assert servers.NEXT_URL == server_urls.NEXT_URL


@pytest.mark.parametrize(
    ("url", "host", "port", "db"),
    [
        ("redis://h", "h", 6379, 0),
        ("redis://h:1/", "h", 1, 0),
        ("redis://h:1/7", "h", 1, 7),
        ("redis://[::1]:1/7", "::1", 1, 7),
        ("valkey://h/2", "h", 6379, 2),
    ],
)
def test_what_a_url_does_not_say_is_what_redis_has_by_itself(url: str, host: str, port: int, db: int) -> None:
    with connect(url) as client:
        options = client.connection_pool.connection_kwargs
        assert (options["host"], options["port"], options["db"]) == (host, port, db)
        assert (options["username"], options["password"]) == (None, None)


@pytest.mark.parametrize("url", ["redis://h/x", "redis+socket:///run/r.sock?virtual_host=x"])
def test_a_database_that_is_no_number_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        connect(url)


def test_nobody_waits_longer_than_a_second_for_an_answer() -> None:
    for url in ("redis://h", "rediss://h", "redis+socket:///run/r.sock", "sentinel://h?master_name=m"):
        with connect(url) as client:
            pool: Any = client.connection_pool
            options = pool.connection_kwargs
            # To a socket of this machine one connects at once.
            assert (options["socket_timeout"], options.get("socket_connect_timeout", 1.0)) == (1.0, 1.0), url
    asked = pool.sentinel_manager.sentinels[0].connection_pool.connection_kwargs
    assert (asked["socket_timeout"], asked["socket_connect_timeout"]) == (1.0, 1.0)


def test_credentials_are_read_as_they_were_quoted() -> None:
    with connect("redis://us%40er:p%2Fw%3A@h/0") as client:
        options = client.connection_pool.connection_kwargs
        assert (options["username"], options["password"]) == ("us@er", "p/w:")


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("rediss://h", "required"),
        ("rediss://h?ssl_cert_reqs=none", "none"),
        ("rediss://h?ssl_cert_reqs=CERT_OPTIONAL", "optional"),
        ("redis://h?ssl_ca_certs=/ca", "required"),
        ("sentinel://h?master_name=m&ssl_cert_reqs=none", "none"),
    ],
)
def test_a_certificate_is_checked_unless_somebody_says_otherwise(url: str, checked: str) -> None:
    assert servers._tls(servers.kind_of(url), dict(parse_qsl(urlsplit(url).query)))["ssl_cert_reqs"] == checked


def test_without_tls_nothing_is_said_of_it_and_a_flag_is_no_text() -> None:
    assert servers._tls("redis", {"db": "1"}) == {}
    assert servers._tls("rediss", {"ssl_check_hostname": "false"})["ssl_check_hostname"] is False
    assert servers._tls("rediss", {"ssl_check_hostname": "true"})["ssl_check_hostname"] is True


def test_of_several_brokers_that_are_no_sentinels_the_first_is_asked() -> None:
    assert address(["redis://one/0", "redis://two/0"]) == "redis://one/0"
    assert address(("amqp://one//", "redis://two/0")) is None


def test_options_of_sentinels_are_added_to_what_the_url_already_says() -> None:
    told = address("sentinel://h/0?master_name=m", broker_transport_options={"min_other_sentinels": 2})
    assert told == "sentinel://h/0?master_name=m&min_other_sentinels=2"
    with connect(told) as client:
        assert client.connection_pool.sentinel_manager.min_other_sentinels == 2


@pytest.mark.parametrize("use_ssl", [None, True, False, {}, {"keyfile": "/key"}, {"ssl_keyfile": None}])
def test_without_words_that_redis_knows_the_address_stays_as_it_is(use_ssl: Any) -> None:
    assert address("redis://h:1/2", broker_use_ssl=use_ssl) == "redis://h:1/2"
