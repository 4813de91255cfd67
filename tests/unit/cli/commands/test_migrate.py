"""What `celeriac migrate` applies, and what it says where it cannot."""

import json
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from cli.addresses import Addresses, write_addresses
from cli.commands import migrate
from cli.errors import CliError
from tests.unit.cli.commands.commands import run

URL = "postgresql://u:s3cret@db.test/x"


@pytest.fixture
def migrated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The databases that were migrated."""
    done: list[str] = []
    monkeypatch.setenv("CELERIAC_DATABASE_URL", URL)
    monkeypatch.setattr(migrate, "pending_revisions", lambda _: ["0007", "0008"])
    monkeypatch.setattr(migrate, "migrate", done.append)
    return done


def test_what_was_applied_is_told(migrated: list[str]) -> None:
    assert run("migrate").stdout == "applied 0007\napplied 0008\n"
    assert json.loads(run("migrate", "--json").stdout) == {"applied": ["0007", "0008"]}
    assert migrated == [URL] * 2


def test_where_there_was_nothing_that_is_told(migrated: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "pending_revisions", lambda _: [])
    assert run("migrate").stdout == "nothing to apply\n"
    assert json.loads(run("migrate", "--json").stdout) == {"applied": []}


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection failed\nmore"),
        OperationalError(f"select 1 -- {URL}", {"p": "s3cret"}, Exception("connection failed\nmore")),
    ],
)
def test_a_database_that_does_not_let_itself_be_migrated_is_one_sentence_without_its_url(
    migrated: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(migrate, "migrate", fail)
    with pytest.raises(CliError) as raised:
        run("migrate")
    assert str(raised.value) == "The database of CELERIAC_DATABASE_URL could not be migrated: connection failed"


@pytest.mark.parametrize("error", [psycopg.OperationalError(""), psycopg.InterfaceError(" \n ")])
def test_an_error_without_words_is_named_by_its_kind(
    migrated: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(migrate, "migrate", fail)
    with pytest.raises(CliError, match=f"could not be migrated: {type(error).__name__}$"):
        run("migrate")


def test_without_a_database_it_says_which_variable_to_set(
    migrated: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CELERIAC_DATABASE_URL")
    with pytest.raises(CliError, match=r"^CELERIAC_DATABASE_URL is not set"):
        run("migrate", "--data", str(tmp_path))
    write_addresses(tmp_path, Addresses("a", "postgresql://kept/db", "b", "r", "k"))
    run("migrate", "--data", str(tmp_path))
    assert migrated == ["postgresql://kept/db"]
