"""One text names one server, in Celery's forms; what is shown of it holds no secret."""

import ssl
from typing import Any

import pytest

from domain.server_urls import (
    ServerUrl,
    beside_broker,
    is_amqp,
    is_redis,
    kind_of,
    kombu_sentinel_options,
    kombu_tls,
    kombu_url,
    mask_options,
    mask_url,
    read_url,
    refuse_incomplete,
    with_sentinel_options,
)
from tests.raised import raised_by

TWO = "sentinel://:p%40@one:26379/3;sentinel://two:26380/3"
MASTER = {"master_name": "m", "sentinel_kwargs": {"password": "s3cret"}, "visibility_timeout": 9}


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://h", "redis"),
        ("valkeys://h", "rediss"),
        ("redis+socket:///s", "unix"),
        ("valkey+other://h", "redis"),
        (TWO, "sentinel"),
        ("pyamqp://h", "amqp"),
        ("amqps://h", "amqps"),
        ("db+sqlite:///f", "db+sqlite"),
        ("rpc", ""),
    ],
)
def test_a_kind_is_known_by_all_its_schemes(url: str, kind: str) -> None:
    assert kind_of(url) == kind
    assert is_redis(url) == (kind in ("redis", "rediss", "unix", "sentinel"))
    assert is_amqp(url) == kind.startswith("amqp")
    assert not is_redis(None)


def test_of_several_sentinels_user_and_database_are_those_of_the_first() -> None:
    server = read_url("sentinel://u:p%2Fw@one/3;sentinel://two:26380/4?master_name=m&min_other_sentinels=1")
    assert server.hosts == (("one", None), ("two", 26380))
    assert (server.username, server.password, server.db, server.master_name) == ("u", "p/w", 3, "m")
    assert server.min_other_sentinels == 1
    assert "p/w" not in repr(server)


def test_what_options_say_of_a_master_becomes_part_of_its_url_and_of_no_other() -> None:
    url = with_sentinel_options(TWO, MASTER)
    assert (read_url(url).master_name, read_url(url).sentinel_kwargs) == ("m", {"password": "s3cret"})
    assert with_sentinel_options(url, {"master_name": "other"}) == url
    assert with_sentinel_options("redis://h/0", MASTER) == "redis://h/0"
    assert "visibility" not in url
    assert read_url(with_sentinel_options(f"{TWO}?x=1", MASTER)).query["x"] == "1"


def test_results_at_the_brokers_sentinels_have_the_brokers_master() -> None:
    def beside(url: str, **options: Any) -> str:
        return beside_broker(url, options, broker_url=TWO, broker_options=MASTER)

    same, other = "sentinel://one:26379/1;sentinel://two:26380/1", "sentinel://elsewhere:26379/1"
    assert read_url(beside(same)).master_name == "m"
    assert read_url(beside(same, master_name="own")).master_name == "own"
    assert beside(other) == other
    assert beside_broker(same, {}, broker_url=None, broker_options=MASTER) == same


@pytest.mark.parametrize(
    ("url", "known"),
    [
        (f"{TWO}?master_name=m", "sentinel://:p%40@one:26379/3;sentinel://:p%40@two:26380/3"),
        ("redis+socket://u:p@/run/r.sock?virtual_host=3", "redis+socket://u:p@/run/r.sock?virtual_host=3"),
        ("unix:///run/r.sock?db=2", "redis+socket:///run/r.sock?virtual_host=2"),
        ("valkeys://h:1/2?ssl_cert_reqs=none", "rediss://h:1/2"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("amqp://u@h//", "amqp://u@h/%2F"),
        ("amqp://h", "amqp://h"),
        ("db+sqlite:///f", "db+sqlite:///f"),
    ],
)
def test_kombu_is_given_its_own_form(url: str, known: str) -> None:
    assert kombu_url(url) == known


def test_kombu_is_told_of_the_master_with_a_limit_for_each_sentinel() -> None:
    told = kombu_sentinel_options(with_sentinel_options(TWO, MASTER), 2)
    assert told["master_name"] == "m"
    assert told["sentinel_kwargs"] == {"socket_timeout": 2, "socket_connect_timeout": 2, "password": "s3cret"}
    assert kombu_sentinel_options("redis://h", 2) == {}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://h/0", None),
        ("amqps://h//", None),
        ("rediss://h/0", {"ssl_cert_reqs": ssl.CERT_REQUIRED}),
        ("rediss://h/0?ssl_cert_reqs=CERT_NONE", {"ssl_cert_reqs": ssl.CERT_NONE}),
        ("rediss://h/0?ssl_cert_reqs=1", {"ssl_cert_reqs": ssl.CERT_OPTIONAL}),
        (
            "rediss://h/0?ssl_check_hostname=False&ssl_ca_certs=/ca",
            {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": "/ca", "ssl_check_hostname": False},
        ),
        (f"{TWO}?ssl_ca_certs=/ca", {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": "/ca"}),
        (
            "amqps://h//?ssl_ca_certs=/ca&ssl_certfile=/c",
            {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": "/ca", "certfile": "/c", "server_hostname": "h"},
        ),
        (
            "amqps://h//?ssl_ca_certs=/ca&ssl_check_hostname=false",
            {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": "/ca"},
        ),
    ],
)
def test_tls_is_said_in_the_words_of_each_client(url: str, told: dict[str, Any] | None) -> None:
    assert kombu_tls(url) == told


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:s3/cret@h/0", "must be percent-encoded"),
        ("redis://h/s3cret", "no number"),
        ("rediss://h/0?ssl_cert_reqs=s3cret", "ssl_cert_reqs"),
        ("redis+socket://", "names no path"),
        ("sentinel://h/0", "names sentinels and no master"),
        ("sentinel://h/0?master_name=m&sentinel_kwargs=s3cret", "no JSON object"),
        ("sentinel://h/0?master_name=m&sentinel_kwargs=[1]", "no JSON object"),
        ("sentinel://h/0?master_name=m&min_other_sentinels=s3cret", "min_other_sentinels"),
    ],
)
def test_a_url_by_which_nothing_is_found_is_refused_without_being_shown(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refusal:
        refuse_incomplete(url)
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "rediss://h/1",
        "amqp://u:p@h//",
        f"{TWO}?master_name=m",
        "unix:///s",
        "mongodb://a:27017,b:27017/db",
        "rpc://",
    ],
)
def test_a_url_of_whatever_backend_passes(url: str) -> None:
    assert raised_by(refuse_incomplete, url) is None


def test_a_unix_socket_has_its_database_in_the_query() -> None:
    assert ServerUrl("unix", (), "/s", query={"virtual_host": "4"}).db == 4
    assert ServerUrl("unix", (), "/s").db == 0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (TWO, "sentinel://:***@one:26379/3;sentinel://two:26380/3"),
        (with_sentinel_options(TWO, MASTER), None),
        ("redis://ada:s3/cr?e#t@h:1/2", "redis://ada:***@h:1/2"),
        ("redis://:a;s3cret@h/0", "redis://:***@h/0"),
        ("postgresql://h:5432/d?user=u&password=s3@cret&x=1", "postgresql://h:5432/d?user=u&password=***&x=1"),
        ("rediss://h/0?ssl_password=s3cret", "rediss://h/0?ssl_password=***"),
        ("rpc", "rpc"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, shown: str | None) -> None:
    masked = mask_url(url)
    assert "s3" not in masked
    assert shown is None or masked == shown


def test_what_is_shown_of_options_holds_no_secret_however_deep() -> None:
    given = {"master_name": "m", "sentinel_kwargs": {"password": "s", "username": "u", "ssl_keyfile": "/k"}}
    assert mask_options(given | {"token": None, "many": [{"secret": "s"}, 1]}) == {
        "master_name": "m",
        "sentinel_kwargs": {"password": "***", "username": "u", "ssl_keyfile": "/k"},
        "token": None,
        "many": [{"secret": "***"}, 1],
    }
