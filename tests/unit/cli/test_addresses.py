"""The addresses of a running `up`: kept for its owner, and never shown."""

import json
from pathlib import Path

import pytest

from cli.addresses import Addresses, forget_addresses, read_addresses, with_addresses, write_addresses
from cli.errors import CliError
from settings import Settings

KEPT = Addresses(
    "http://127.0.0.1:1",
    "postgresql://u:s3cret@h/db",
    "redis://:s3cret@h/0",
    "redis://:s3cret@h/1",
    "redis://:s3cret@h/2",
    flower_url="http://celeriac:s3cret@127.0.0.1:5555",
    host="0.0.0.0",
    asks_for_key=True,
)


def test_what_is_kept_is_read_back_whole(tmp_path: Path) -> None:
    write_addresses(tmp_path, KEPT)
    assert read_addresses(tmp_path) == KEPT
    assert list(tmp_path.iterdir()) == [tmp_path / "urls.json"], "no draft is left"


def test_the_last_up_is_the_one_that_counts(tmp_path: Path) -> None:
    (tmp_path / "urls.json.new").write_text("left behind by a kill")
    write_addresses(tmp_path, KEPT)
    write_addresses(tmp_path, Addresses("http://127.0.0.1:2", "", "", "", ""))
    found = read_addresses(tmp_path)
    assert found
    assert found.api_url == "http://127.0.0.1:2"


def test_no_password_of_them_is_in_a_log() -> None:
    assert "s3cret" not in repr(KEPT)


def test_a_file_of_an_older_up_is_read(tmp_path: Path) -> None:
    older = {"api_url": "a", "database_url": "d", "broker_url": "b", "result_url": "r", "redis_url": "k"}
    (tmp_path / "urls.json").write_text(json.dumps(older))
    found = read_addresses(tmp_path)
    assert found
    assert (found.flower_url, found.host, found.asks_for_key) == (None, None, False)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"s3cret"', '{"api_url": "a"}', '{"new": "s3cret"}', '{"database_url": "s3cret"'],
)
def test_a_file_that_is_not_understood_is_said_in_a_sentence_and_not_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / "urls.json").write_text(text)
    with pytest.raises(CliError, match=r"urls\.json is not understood: was it written by another release") as raised:
        read_addresses(tmp_path)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__suppress_context__, "its text would be in the traceback"


def test_a_folder_that_is_a_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(CliError, match=r"data/urls\.json cannot be read: Not a directory\."):
        read_addresses(tmp_path / "data")


def test_a_folder_of_another_user_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(CliError, match=r"urls\.json cannot be read: Permission denied\.$"):
        read_addresses(tmp_path)


def test_forgetting_what_is_not_there_does_no_harm(tmp_path: Path) -> None:
    forget_addresses(tmp_path)
    assert read_addresses(tmp_path) is None


def test_without_a_running_up_settings_stay_as_they_are(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, broker_url="amqp://h//")
    assert with_addresses(settings) is settings
