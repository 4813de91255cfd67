"""Settings as commands read them: what is refused, what is hidden, what children inherit."""

import os
import tomllib
from pathlib import Path

import pytest

from cli.configuration import (
    OF_THE_CLIENT,
    OF_THE_PLUGIN,
    RESERVED_MODULES,
    as_environment,
    masked,
    read_settings,
    require_urls,
    unknown_variables,
)
from cli.errors import CliError
from domain.broker_options import BrokerOptions
from domain.server_urls import mask_url

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "BROKER_URL", "RESULT_URL", "REDIS_URL", "PORT", "TASK_MODULES", "API_KEYS"):
        monkeypatch.delenv(f"CELERIAC_{name}", raising=False)


def test_an_option_beats_the_environment_and_none_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_PORT", "8123")
    assert read_settings(port=None).port == 8123
    assert read_settings(port=9000).port == 9000


def test_a_bad_value_is_one_sentence_with_the_variable_and_without_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_PORT", "s3cret")
    with pytest.raises(CliError, match=r"^CELERIAC_PORT: ") as raised:
        read_settings()
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "module", ["tasks", "tasks.mine", "settings", "logs", "background.jobs", "celeriac_worker.more"]
)
def test_task_modules_that_our_own_packages_would_hide_are_refused(module: str) -> None:
    with pytest.raises(CliError, match=f"{module.split('.')[0]}` is a package of Celeriac's own"):
        read_settings(task_modules=f"shop.jobs,{module}")


def test_every_module_and_package_that_is_installed_with_us_is_a_name_that_tasks_cannot_have() -> None:
    setuptools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {
        found.parent.name for place in (REPOSITORY, REPOSITORY / "workers") for found in place.glob("*/__init__.py")
    }
    shipped = {pattern.removesuffix("*") for pattern in setuptools["packages"]["find"]["include"]}
    assert shipped <= packages
    assert shipped.union(setuptools["py-modules"]) == RESERVED_MODULES
    top_level = {file.stem for file in REPOSITORY.glob("*.py")}
    assert top_level == set(setuptools["py-modules"])


def test_a_missing_url_is_named_by_its_variable() -> None:
    with pytest.raises(CliError, match=r"^CELERIAC_DATABASE_URL, CELERIAC_BROKER_URL are not set"):
        require_urls(read_settings(), "database_url", "broker_url")


def test_a_redis_broker_stands_in_for_the_redis_and_the_results() -> None:
    settings = read_settings(broker_url="redis://127.0.0.1/0")
    require_urls(settings, "broker_url", "redis_url", "result_url")
    with pytest.raises(CliError, match="CELERIAC_REDIS_URL"):
        require_urls(read_settings(broker_url="amqp://127.0.0.1"), "redis_url")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:s3cret@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("redis://:s3cret@host/0", "redis://:***@host/0"),
        ("redis://:s3:cr@et@host/0", "redis://:***@host/0"),
        ("postgresql://host/db?user=u&password=s3cret&x=1", "postgresql://host/db?user=u&password=***&x=1"),
        ("amqp://host//", "amqp://host//"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
    ],
)
def test_a_shown_url_has_no_password(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_shown_keys_are_masked() -> None:
    assert masked("api_keys", ("first", "second:read")) == "***,***"
    assert masked("port", 8000) == "8000"


def test_a_child_reads_back_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings(
        queues="a,b", port=9000, check_task_names=False, data="/tmp/x", api_keys="a-key-of-this-test:read"
    )
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


def test_transport_options_are_json_and_a_child_reads_back_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_BROKER_TRANSPORT_OPTIONS", '{"sep": ":", "priority_steps": [0, 5]}')
    settings = read_settings(result_transport_options={"global_keyprefix": "shop:"})
    assert settings.broker_options == BrokerOptions(separator=":", priority_steps=(0, 5))
    assert settings.result_prefix == "shop:"
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


@pytest.mark.parametrize("value", ['{"sep": "s3cret"', "[1]", "s3cret", "[" * 65_000, '{"sep": ["s3cret"]}'])
def test_options_that_are_none_are_refused_without_their_value(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CELERIAC_RESULT_TRANSPORT_OPTIONS", value)
    with pytest.raises(CliError, match=r"^CELERIAC_RESULT_TRANSPORT_OPTIONS: (must be a JSON object|sep must be)") as e:
        read_settings()
    assert "s3cret" not in str(e.value)


def test_secrets_in_transport_options_are_not_shown() -> None:
    options = {"sentinel_kwargs": {"password": "s3cret"}, "lists": [{"auth_token": "s3cret"}], "sep": ":"}
    assert masked("broker_transport_options", options) == (
        '{"sentinel_kwargs": {"password": "***"}, "lists": [{"auth_token": "***"}], "sep": ":"}'
    )


def test_a_misspelt_variable_is_told_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    before = unknown_variables()
    for name in ("CELERIAC_KEEP_DAY", "celeriac_prot", "CELERIAC_COLOUR"):
        monkeypatch.setenv(name, "s3cret")
    told = {name: meant for name, meant in unknown_variables().items() if name not in before}
    assert told == {
        "CELERIAC_COLOUR": None,
        "CELERIAC_KEEP_DAY": "CELERIAC_KEEP_DAYS",
        "celeriac_prot": "CELERIAC_PORT",
    }


def test_no_variable_that_some_command_reads_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("CELERIAC_")]:
        monkeypatch.delenv(name)
    known = {
        **as_environment(read_settings(port=1, data="/tmp/x")),
        **dict.fromkeys(OF_THE_CLIENT | OF_THE_PLUGIN, "x"),
    }
    for name, value in known.items():
        monkeypatch.setenv(name.lower() if name == "CELERIAC_PORT" else name, value)
    assert unknown_variables() == {}


@pytest.mark.parametrize(
    ("variable", "value"), [("CELERIAC_DEFAULT_QUEUE", "unacked"), ("CELERIAC_QUEUES", "a,celeryev")]
)
def test_a_worker_is_never_told_to_consume_a_key_of_something_else(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(CliError, match=f"{variable}.*is a key of kombu, Celery or Celeriac"):
        read_settings()


def test_queues_may_have_the_names_that_real_fleets_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_QUEUES", "high:priority, mail queue,acme/eu-west")
    assert read_settings(default_queue="übersetzung").queues == ("high:priority", "mail queue", "acme/eu-west")


def test_the_key_of_metrics_is_shown_to_nobody() -> None:
    assert masked("metrics_key", "scraper-of-16-characters") == "***"


@pytest.mark.parametrize("key", ["", " ", "short", "with a blank in it", "with-a-bell-in-it\a"])
def test_a_key_of_metrics_that_would_open_them_by_a_slip_is_refused(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("CELERIAC_METRICS_KEY", key)
    with pytest.raises(CliError, match=r"^CELERIAC_METRICS_KEY: ") as refused:
        read_settings()
    assert not key.strip() or key not in str(refused.value)
