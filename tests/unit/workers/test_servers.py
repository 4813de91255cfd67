"""What an app's settings say of its broker beside the URL becomes part of the URL, and the plugin's client obeys it."""

import ssl
from typing import Any

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
