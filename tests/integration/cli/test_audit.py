"""`celeriac audit` against a real database, with no API."""

import asyncio
import json
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from cli.commands import audit, keys
from cli.errors import CliError
from loops.seals import SealsRound
from store.engine import open_engine

KEY = "a-key-of-these-tests"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("CELERIAC_DATABASE_URL", database_url)
    monkeypatch.setenv("CELERIAC_AUDIT_KEY", KEY)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(audit.command, arguments)


def answered(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def run_keys(*arguments: str) -> None:
    result = CliRunner().invoke(keys.command, arguments)
    if isinstance(result.exception, CliError):
        raise result.exception
    assert result.exit_code == 0, result.output


def seal(database_url: str) -> None:
    async def seal_all() -> None:
        engine = open_engine(database_url, pool_size=1)
        await SealsRound(engine, [KEY.encode()]).run_once()
        await engine.dispose()

    asyncio.run(seal_all())


def test_what_keys_does_is_listed_and_verified(database_url: str) -> None:
    run_keys("create", "root", "--admin", "--reason", "the first")
    (row,) = answered("list")
    assert (row["action"], row["actor"], row["reason"]) == ("key.create", "cli", "the first")
    assert row["actor_name"]
    assert row["after"]["name"] == "root"
    run_keys("rotate", row["subject_id"])
    assert [row["action"] for row in answered("list", "--subject", row["subject_id"])] == ["key.rotate", "key.create"]
    assert [row["action"] for row in answered("list", "--action", "key.create")] == ["key.create"]
    assert "key.rotate" in run("list").stdout
    seal(database_url)
    found = answered("verify")
    assert (found["ok"], found["complete"], found["rows"], found["seals_with_key"]) == (True, True, 2, 1)
    assert run("verify").exit_code == 0


def test_a_row_that_was_changed_is_named_with_exit_code_1(database_url: str) -> None:
    run_keys("create", "root", "--admin")
    (row,) = answered("list")
    seal(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("update audit set actor_name = 'nobody'")
    result = run("verify", "--json")
    found = json.loads(result.stdout)
    assert (found["ok"], found["flaw"], found["audit_id"], found["seal_no"]) == (False, "changed", row["audit_id"], 1)
    assert isinstance(result.exception, CliError)
    assert result.exception.exit_code == 1
    assert "not what it was" in str(result.exception)


def test_a_wrong_key_does_not_verify(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_keys("create", "root", "--admin")
    seal(database_url)
    monkeypatch.setenv("CELERIAC_AUDIT_KEY", "another-key-than-that-one")
    assert answered("verify")["flaw"] == "seal_forged"
    monkeypatch.setenv("CELERIAC_AUDIT_KEY", f"another-key-than-that-one,{KEY}")
    assert answered("verify")["ok"], "the key of before still verifies"


def test_where_reasons_are_demanded_the_command_line_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_REQUIRE_REASON", "admin")
    with pytest.raises(CliError, match="--reason"):
        run_keys("create", "root", "--admin")
    with pytest.raises(CliError, match="--reason has more than 200 characters"):
        run_keys("create", "root", "--admin", "--reason", "x" * 201)
    assert answered("list") == []
    run_keys("create", "root", "--admin", "--reason", "INC-17")
    assert len(answered("list")) == 1
