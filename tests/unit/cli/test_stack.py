"""What `up` decides before it starts anything: which servers, which URLs, which children, which order."""

import os
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.addresses import Addresses, forget_addresses, read_addresses, with_addresses, write_addresses
from cli.configuration import SECRETS, read_settings, variable
from cli.stack import (
    addresses_of,
    api_url,
    child_environment,
    children,
    late_children,
    needs_postgres,
    needs_valkey,
    server_child,
    stop_order,
)
from settings import Settings

REDIS = "redis://redis.example/5"
AMQP = "amqp://rabbit.example//"


def settings_with(**given: object) -> Settings:
    urls: dict[str, object] = {"database_url": None, "broker_url": None, "result_url": None, "redis_url": None}
    return read_settings().model_copy(update={**urls, **given})


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({}, True),
        ({"broker_url": REDIS}, False),
        ({"broker_url": AMQP}, True),
        ({"broker_url": AMQP, "redis_url": REDIS}, False),
        ({"broker_url": AMQP, "result_url": REDIS}, True),
        ({"redis_url": REDIS, "result_url": REDIS}, True),
    ],
)
def test_a_valkey_is_embedded_if_anything_that_needs_a_redis_has_none(given: dict[str, object], needed: bool) -> None:
    assert needs_valkey(settings_with(**given)) is needed


def test_a_given_database_replaces_the_embedded_one() -> None:
    assert needs_postgres(settings_with())
    assert not needs_postgres(settings_with(database_url="postgresql://elsewhere/db"))


def test_embedded_urls_have_a_database_of_their_own_each() -> None:
    found = addresses_of(settings_with(), postgres_url="postgresql://here/db", valkey_url="redis://:p@here:1")
    assert found.database_url == "postgresql://here/db"
    assert [found.broker_url, found.result_url, found.redis_url] == [
        "redis://:p@here:1/0",
        "redis://:p@here:1/1",
        "redis://:p@here:1/2",
    ]


def test_given_urls_are_kept_beside_an_embedded_valkey() -> None:
    found = addresses_of(settings_with(broker_url=AMQP), postgres_url="postgresql://here/db", valkey_url="redis://v:1")
    assert (found.broker_url, found.result_url, found.redis_url) == (AMQP, "redis://v:1/1", "redis://v:1/2")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
    ],
)
def test_the_printed_url_is_one_that_can_be_asked(host: str, url: str) -> None:
    assert api_url(settings_with(host=host, port=8000)) == url


def test_passwords_reach_children_by_environment_and_never_by_arguments() -> None:
    settings = settings_with(workers=2, flower_port=5555)
    found = addresses_of(settings, postgres_url="postgresql://u:s3cret@here/db", valkey_url="redis://:s3cret@here:1")
    environment = child_environment(settings, found)
    for child in [*children(settings, environment), *late_children(settings, environment)]:
        assert "s3cret" not in " ".join(child.command)
        assert "s3cret" not in repr(child)
        assert child.environment["CELERIAC_DATABASE_URL"] == "postgresql://u:s3cret@here/db"


def test_only_workers_are_given_the_keys_of_encrypted_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_PAYLOAD_KEYS", "k1:secret")
    settings = settings_with(workers=2, flower_port=5555)
    found = addresses_of(settings, postgres_url="postgresql://here/db", valkey_url="redis://here:1")
    environment = child_environment(settings, found)
    server: Any = SimpleNamespace(name="postgres", command=["postgres"], stop_signal=signal.SIGINT)
    started = [server_child(server), *children(settings, environment), *late_children(settings, environment)]
    given = [child.name for child in started if "CELERIAC_PAYLOAD_KEYS" in child.environment]
    assert given == ["worker-1", "worker-2"]


def test_the_mirror_starts_first_and_stops_after_the_workers() -> None:
    settings = settings_with(workers=2)
    started = [child.name for child in children(settings, {"CELERIAC_DATABASE_URL": "postgresql://here/db"})]
    assert started == ["mirror", "api", "loops", "worker-1", "worker-2"]
    stopped = stop_order(settings)
    assert stopped.index(["worker-1", "worker-2"]) < stopped.index(["mirror"])
    assert stopped[-2:] == [["valkey"], ["postgres"]]


def test_no_flower_without_a_port() -> None:
    assert late_children(settings_with(flower_port=0), {}) == []


def test_addresses_of_a_running_up_fill_only_what_is_not_set(tmp_path: Path) -> None:
    kept = Addresses("http://127.0.0.1:1", "postgresql://kept/db", "redis://kept/0", "redis://kept/1", "redis://kept/2")
    write_addresses(tmp_path, kept)
    assert (tmp_path / "urls.json").stat().st_mode & 0o777 == 0o600
    filled = with_addresses(settings_with(data=tmp_path, broker_url=AMQP))
    assert (filled.database_url, filled.broker_url) == ("postgresql://kept/db", AMQP)
    forget_addresses(tmp_path)
    assert read_addresses(tmp_path) is None


@pytest.mark.parametrize(
    ("said", "broker_url", "adopts"),
    [(None, None, "true"), (None, REDIS, "false"), ("false", None, "false"), ("true", REDIS, "true")],
)
def test_what_is_said_of_adopting_queues_holds_on_our_own_broker_too(
    monkeypatch: pytest.MonkeyPatch, said: str | None, broker_url: str | None, adopts: str
) -> None:
    monkeypatch.delenv("CELERIAC_ADOPT_QUEUES", raising=False)
    if said:
        monkeypatch.setenv("CELERIAC_ADOPT_QUEUES", said)
    settings = settings_with(broker_url=broker_url)
    addresses = addresses_of(settings, postgres_url="postgresql://here/db", valkey_url="redis://v:1")
    assert child_environment(settings, addresses)["CELERIAC_ADOPT_QUEUES"] == adopts


def test_workers_and_flower_run_the_code_of_others_and_are_given_no_key_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELERIAC_API_KEYS", "exported-key-of-sixteen")
    keys: dict[str, object] = {
        "api_keys": ("key-of-the-settings",),
        "metrics_key": "key-of-metrics",
        "audit_key": ("key-of-seals",),
    }
    settings = settings_with(**keys, flower_basic_auth=("operator:login",), workers=1, flower_port=5555)
    found = addresses_of(settings, postgres_url="postgresql://u@here/db", valkey_url="redis://here:1")
    environment = child_environment(settings, found)
    started = {child.name: child for child in (*children(settings, environment), *late_children(settings, environment))}
    secret = {variable(field) for field in SECRETS}
    given = {name: secret & child.environment.keys() for name, child in started.items()}
    assert given["worker-1"] == set()
    assert given["flower"] == {"CELERIAC_FLOWER_BASIC_AUTH", "CELERIAC_API_KEYS"}
    assert given["api"] >= {"CELERIAC_API_KEYS", "CELERIAC_METRICS_KEY", "CELERIAC_AUDIT_KEY"}
    assert started["api"].environment["CELERIAC_API_KEYS"] == "key-of-the-settings"


def test_every_child_can_read_the_settings_that_open_the_api_to_any_host(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(allowed_hosts=("*",), api_keys=("key-of-the-settings",), workers=1, flower_port=5555)
    found = addresses_of(settings, postgres_url="postgresql://u@here/db", valkey_url="redis://here:1")
    environment = child_environment(settings, found)
    for child in (*children(settings, environment), *late_children(settings, environment)):
        for name in [name for name in os.environ if name.startswith("CELERIAC_")]:
            monkeypatch.delenv(name)
        for name, value in child.environment.items():
            monkeypatch.setenv(name, value)
        assert read_settings().database_url == "postgresql://u@here/db"


@pytest.mark.parametrize(("port", "where"), [(8000, ""), (9000, " --url http://127.0.0.1:9000")])
def test_a_drained_worker_says_how_it_comes_back(port: int, where: str) -> None:
    settings = settings_with(host="127.0.0.1", port=port, workers=1)
    node = f"worker-1@{socket.gethostname()}"
    worker = next(
        child for child in children(settings, {"CELERIAC_DATABASE_URL": "postgresql://db"}) if child.name == "worker-1"
    )
    assert worker.comes_back == f"until it is resumed: celeriac workers resume {node}{where}"
