"""`celeriac keys` against a real database, with no API."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands.keys import command
from cli.errors import CliError
from cli.exposure import asks_for_key, is_open, refuse_open
from domain.api_keys import is_whole
from settings import Settings


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("CELERIAC_DATABASE_URL", database_url)


def run(*arguments: str) -> str:
    """What is printed; raises the CliError that `celeriac` would print."""
    result = CliRunner().invoke(command, arguments)
    if isinstance(result.exception, CliError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def answered(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def refused(arguments: Sequence[str], message: str) -> None:
    with pytest.raises(CliError, match=message):
        run(*arguments)


def test_the_first_key_is_made_with_no_api_and_lets_an_open_address_be_listened_on(database_url: str) -> None:
    settings = Settings(host="0.0.0.0", database_url=database_url)
    assert is_open(settings)
    refused(["create", "reader", "--scope", "read"], "the first key needs admin")
    issued = answered("create", "--admin")
    assert is_whole(issued["key"])
    assert issued["scopes"] == "read, submit, operate, admin"
    assert asks_for_key(settings)
    refuse_open(settings)


def test_the_first_key_alone_is_said_to_close_the_door() -> None:
    said = [CliRunner().invoke(command, ["create", "--admin", "--json"]) for _ in range(2)]
    assert ["refuses every program that sends none" in each.stderr for each in said] == [True, False]
    assert all(is_whole(json.loads(each.stdout)["key"]) for each in said)


def test_a_key_is_rotated_disabled_enabled_and_revoked() -> None:
    first = answered("create", "root", "--admin")
    key_id = answered("create", "etl", "--scope", "submit", "--network", "10.0.0.0/8", "--expires-days", "30")["key_id"]
    assert answered("rotate", key_id)["key_id"] == key_id
    for verb, state in (("disable", "disabled"), ("enable", "valid"), ("revoke", "revoked")):
        run(verb, key_id)
        assert {row["key_id"]: row["state"] for row in answered("list")} == {first["key_id"]: "valid", key_id: state}
    assert first["key"].rpartition("_")[2] not in run("list")


def test_a_key_that_is_gone_keeps_an_open_address_shut(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("CELERIAC_API_KEYS", "a-key-of-this-test")
        run("revoke", answered("create", "reader", "--scope", "read")["key_id"])
    settings = Settings(host="0.0.0.0", database_url=database_url)
    assert asks_for_key(settings)
    assert not is_open(settings)


def test_a_key_is_limited_to_queues_and_task_names() -> None:
    answered("create", "root", "--admin")
    limits = ["--queue", "etl", "--queue", "etl.*", "--task-name", "shop.*"]
    assert answered("create", "etl", "--scope", "read", *limits)["limits"] == "etl, etl.*, shop.*"
    assert [row["limits"] for row in answered("list")] == ["etl, etl.*, shop.*", None]
    refused(["create", "etl", "--scope", "read", "--queue", "*"], "--queue limits nothing")
    refused(["create", "etl", "--scope", "read", "--task-name", "a*b"], "--task-name may have a")
    refused(["create", "etl", "--scope", "read", *(["--queue", "q"] * 51)], "50 times")
    refused(["create", "etl", "--admin", *limits], "a key with admin cannot be limited")


def test_what_cannot_be_done_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = answered("create", "--admin")["key_id"]
    refused(["revoke", key_id], "last key with the scope admin")
    refused(["revoke", "nobody"], "API key not found")
    refused(["create", "etl"], "Say what the key may do")
    refused(["create", "etl", "--admin", "--network", "10.0.0.1/8"], "no network such as")
    monkeypatch.setenv("CELERIAC_API_KEYS", "a-key-of-this-test")
    run("revoke", key_id)
    monkeypatch.setenv("CELERIAC_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    refused(["list"], "could not be asked")
