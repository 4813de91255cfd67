"""`celeriac encrypt` against a real database, and what doctor says of it."""

import asyncio
import json
from base64 import b64encode

import psycopg
import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from cli.commands import encrypt
from cli.doctor import CheckResult, encrypted_at_rest
from cli.errors import CliError
from settings import Settings
from store.engine import open_engine
from store.queries.submissions import add_submissions
from tests.submissions import make_submission

KEY = f"1:{b64encode(bytes(range(32))).decode()}"


def run(*arguments: str) -> Result:
    app = Typer()
    app.command()(encrypt.command)
    return CliRunner().invoke(app, arguments)


def store_plainly(database_url: str) -> None:
    async def submit() -> None:
        engine = open_engine(database_url, pool_size=1)
        async with engine.begin() as connection:
            await add_submissions(connection, [make_submission(args='["canary"]')])
        await engine.dispose()

    asyncio.run(submit())


def found(database_url: str) -> list[CheckResult]:
    return list(encrypted_at_rest(Settings(database_url=database_url)))


def test_it_encrypts_what_is_plain_and_says_what_is_left(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_DATABASE_URL", database_url)
    store_plainly(database_url)
    assert found(database_url) == []
    assert isinstance(run().exception, CliError)
    monkeypatch.setenv("CELERIAC_ENCRYPTION_KEYS", KEY)
    assert [(one.verdict, one.mend) for one in found(database_url)] == [("warn", "Run `celeriac encrypt`.")]
    before = run("--check", "--json")
    assert (before.exit_code, json.loads(before.stdout)["task_arguments"]) == (1, 1)
    done = run()
    assert (done.exit_code, "task_arguments: 1 row encrypted" in done.stdout) == (0, True)
    assert "Done" in done.stdout
    after = run("--check")
    assert (after.exit_code, "task_arguments: 0 rows left" in after.stdout) == (0, True)
    assert [one.verdict for one in found(database_url)] == ["ok"]
    with psycopg.connect(database_url) as database:
        assert "canary" not in str(database.execute("SELECT t::text FROM task_arguments t").fetchall())


def test_a_row_that_no_key_opens_is_told(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_DATABASE_URL", database_url)
    monkeypatch.setenv("CELERIAC_ENCRYPTION_KEYS", KEY)
    store_plainly(database_url)
    assert run("--json").exit_code == 0
    monkeypatch.setenv("CELERIAC_ENCRYPTION_KEYS", f"2:{b64encode(bytes(range(32, 64))).decode()}")
    problem = run().exception
    assert isinstance(problem, CliError)
    assert "1 row of task_arguments can be opened by none of the keys" in str(problem)
