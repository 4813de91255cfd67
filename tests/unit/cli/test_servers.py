"""What no waiting mends is said in one sentence: files that cannot be read, words of those who refuse us, rights."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from cli import servers
from cli.errors import CliError
from cli.rights import missing_rights, probes_of
from cli.servers import reasons_against, refuse_unusable, said_of
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


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would have been made."""
    pauses: list[float] = []
    monkeypatch.setattr("cli.servers.time.sleep", pauses.append)
    return pauses


def answer_in_turn(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """What is said against a server at each question; returns the URLs that were asked about."""
    left, asked = list(answers), list[str]()

    def reasons(url: str, _probes: object) -> Iterator[str]:
        asked.append(url)
        return iter(left.pop(0))

    monkeypatch.setattr(servers, "reasons_against", reasons)
    return asked


def test_what_is_refused_twice_is_said_with_its_variable_and_without_its_password(
    monkeypatch: pytest.MonkeyPatch, no_pause: list[float]
) -> None:
    answer_in_turn(monkeypatch, ["TLS is refused"], ["we are not let in (WRONGPASS)", "more"])
    with pytest.raises(CliError) as raised:
        refuse_unusable(Settings(broker_url="redis://:s3cret@h/0"))
    assert str(raised.value) == "CELERIAC_BROKER_URL (redis://:***@h/0): we are not let in (WRONGPASS)"
    assert no_pause == [1.0]


def test_a_server_that_just_ended_is_not_taken_for_one_that_refuses(
    monkeypatch: pytest.MonkeyPatch, no_pause: list[float]
) -> None:
    """It breaks off in the middle of TLS; a second later it is away, which is nobody's refusal."""
    answer_in_turn(monkeypatch, ["TLS is refused"], [])
    refuse_unusable(Settings(broker_url="rediss://h/0"))
    assert len(no_pause) == 1


def test_each_server_that_is_named_is_asked_once_where_nothing_is_wrong(
    monkeypatch: pytest.MonkeyPatch, no_pause: list[float]
) -> None:
    asked = answer_in_turn(monkeypatch, [], [], [])
    refuse_unusable(Settings())
    refuse_unusable(Settings(broker_url="redis://h/0", result_url="redis://h/1", redis_url="redis://h/2"))
    assert (asked, no_pause) == (["redis://h/0", "redis://h/1", "redis://h/2"], [])


def greeted_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[str]:
    def greet(_url: str, _probes: object) -> Iterator[str]:
        raise error

    monkeypatch.setattr(servers, "_greet", greet)
    return list(reasons_against("redis://h:1/0"))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "refused"),
        TimeoutError("slow"),
        RedisConnectionError("Error -2"),
        BusyLoadingError(),
    ],
)
def test_a_server_that_is_away_is_no_refusal(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    assert greeted_with(monkeypatch, error) == []


@pytest.mark.parametrize("how", ["cause", "context"])
def test_a_refusal_is_found_inside_of_what_a_library_made_of_it(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    outer = RedisConnectionError("Error while connecting")
    setattr(outer, f"__{how}__", AuthenticationError("WRONGPASS invalid"))
    (said,) = greeted_with(monkeypatch, outer)
    assert said.startswith("we are not let in (WRONGPASS invalid)")


def test_an_error_within_an_error_that_is_no_refusal_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    outer = RedisConnectionError("Error while connecting")
    outer.__cause__ = OSError("no route")
    assert greeted_with(monkeypatch, outer) == []
