"""What an embedded server's folder keeps, and what is said where it cannot be kept."""

import errno
import os
import socket
from pathlib import Path

import pytest

from cli.embedded import files
from cli.embedded.files import is_free, kept_password, kept_port, make_folder, pick_port, write_secret
from cli.errors import CliError


def test_a_password_is_made_once_long_and_for_its_owner_only(tmp_path: Path) -> None:
    first = kept_password(tmp_path)
    assert (len(first) >= 32, kept_password(tmp_path)) == (True, first)
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600


def test_a_secret_is_never_half_written_or_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_secret(tmp_path / "secret", "old")
    (tmp_path / "secret.new").write_text("left behind by a kill")
    (tmp_path / "secret.new").chmod(0o666)
    modes: list[int] = []
    plain = Path.write_text

    def write(path: Path, text: str) -> int:
        modes.append(path.stat().st_mode & 0o777)
        plain(path, text[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", write)
        with pytest.raises(OSError, match="No space left"):
            write_secret(tmp_path / "secret", "newer")
    assert ((tmp_path / "secret").read_text(), modes) == ("old", [0o600])
    write_secret(tmp_path / "secret", "newer")
    assert (tmp_path / "secret").read_text() == "newer"


def test_the_port_of_last_time_is_taken_again_unless_somebody_else_has_it(tmp_path: Path) -> None:
    first = kept_port(tmp_path)
    assert kept_port(tmp_path) == first
    with socket.create_server(("127.0.0.1", first)):
        second = kept_port(tmp_path)
    assert second != first
    assert kept_port(tmp_path) == second


@pytest.mark.parametrize("kept", ["", "\n", "x", "-1", "0", "65536", "99999", "9" * 5000, "80 80"])
def test_a_port_that_is_none_is_replaced(tmp_path: Path, kept: str) -> None:
    (tmp_path / "port").write_text(kept)
    assert 0 < kept_port(tmp_path) <= 65_535


def test_a_port_is_free_until_somebody_listens_and_an_address_of_others_is_an_error() -> None:
    port = pick_port()
    assert is_free("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free("127.0.0.1", port)
    with pytest.raises(OSError, match=r"."):
        is_free("192.0.2.1", port)


def test_a_port_that_only_root_may_have_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(socket.socket):
        def bind(self, _address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.socket, "socket", Refusing)  # type: ignore[attr-defined]
    assert not is_free("127.0.0.1", 80)


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CliError, match=r"^The data folder .*file/data cannot be written: Not a directory\.$"):
        make_folder(tmp_path / "file" / "data")

    def fail(path: Path, _text: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files, "write_secret", fail)
    with pytest.raises(CliError, match="cannot be written: Read-only file system"):
        make_folder(tmp_path / "data")
