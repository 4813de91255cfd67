"""What no waiting mends is said in one sentence: files that cannot be read, words of those who refuse us, rights."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from cli.rights import missing_rights, probes_of
from cli.servers import reasons_against, said_of
from settings import Settings


@pytest.mark.parametrize("url", ["sqlite:///x", "db+postgresql://u:p@h/x", "file:///tmp"])
def test_a_server_of_another_kind_is_not_asked(url: str) -> None:
    assert list(reasons_against(url)) == []


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_of_tls_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    absent = tmp_path / "absent.pem"
    (reason,) = reasons_against(f"rediss://h:1/0?ssl_cert_reqs=required&{name}={absent}")
    assert reason == f"the file of {name}, {absent}, cannot be read here."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ssl.SSLError(1, "certificate verify failed"),
            "TLS is refused (certificate verify failed); see ssl_ca_certs",
        ),
        (OSError("[SSL: WRONG_VERSION]\n number"), "TLS is refused ([SSL: WRONG_VERSION] number); see ssl_ca_certs"),
        (NoPermissionError("no 'ping'"), "a right is missing (no 'ping'); docs/brokers.md"),
        (ResponseError("NOPERM no keys"), "a right is missing (NOPERM no keys); docs/brokers.md"),
        (ValueError("has no host"), "it has no host."),
        (AuthenticationError("WRONGPASS"), "we are not let in (WRONGPASS); see the user and the password"),
        (AuthenticationError(), "we are not let in (AuthenticationError); see the user and the password"),
    ],
)
def test_a_refusal_is_one_line_with_what_to_look_at(error: Exception, said: str) -> None:
    told = said_of(error)
    assert told.startswith(said)
    assert "\n" not in told


class Connection:
    """Of Redis: refuses some commands, and does not know others."""

    def __init__(self, *, refused: set[str], unknown: set[str]) -> None:
        self._refused, self._unknown = refused, unknown
        self.sent: list[tuple[str, ...]] = []
        self.is_over = False

    @property
    def connection_pool(self) -> "Connection":
        return self

    def get_connection(self) -> "Connection":
        return self

    def send_command(self, *words: str) -> None:
        self.sent.append(words)

    def read_response(self) -> str:
        name = self.sent[-1][0]
        if name in self._refused:
            raise NoPermissionError(name)
        if name in self._unknown:
            raise ResponseError("unknown command")
        return "QUEUED"

    def disconnect(self) -> None:
        self.is_over = True

    def release(self, connection: object) -> None:
        assert connection is self


def test_rights_are_asked_for_in_a_transaction_that_is_given_up() -> None:
    server: Any = Connection(refused={"SET", "EVAL"}, unknown={"PUBSUB"})
    probes = [("GET", "k"), ("SET", "k", "0"), ("EVAL", "return 1", "0"), ("PUBSUB", "NUMSUB")]
    assert missing_rights(server, probes) == ["SET k", "EVAL return 1"]
    assert (server.sent[0], server.sent[-1], server.is_over) == (("MULTI",), ("DISCARD",), True)


def test_a_server_on_which_nothing_can_be_asked_is_left_without_a_connection() -> None:
    server: Any = Connection(refused={"MULTI"}, unknown=set())
    with pytest.raises(NoPermissionError):
        missing_rights(server, [("GET", "k")])
    assert server.is_over


def test_the_keys_that_are_asked_for_are_those_of_the_settings() -> None:
    settings = Settings(
        broker_url="redis://h:1/7",
        default_queue="shop",
        broker_transport_options={"global_keyprefix": "p:", "unacked_key": "mine"},
    )
    asked = {probe[:2] for probe in probes_of("broker_url", settings)}
    assert {("LPUSH", "p:shop"), ("HDEL", "p:mine"), ("ZREM", "p:unacked_index")} <= asked
    assert {("PUBLISH", "p:/7.celery.pidbox"), ("PSUBSCRIBE", "p:/7.celeryev*")} <= asked
    assert {name for name, *_ in probes_of("result_url", settings)} == {"MGET", "STRLEN"}
    assert ("XADD", "celeriac:nobody") in {probe[:2] for probe in probes_of("redis_url", settings)}
