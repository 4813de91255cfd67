"""How the gate asks Redis: which keys, in which portions, and what is said of a Redis that gives no answer."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis
from celeriac_worker import gate as gate_module
from celeriac_worker.gate import MOST_KEYS, Admission, Gate, GateUnreachableError

SECRET = "redis://:s3cret@redis.example:6379"


class Script:
    def __init__(self, client: "Client", text: str) -> None:
        self.sha = text
        self._client = client

    def __call__(self, *, keys: Sequence[str], args: Sequence[str]) -> bytes:
        self._client.loaded.add(self.sha)
        return self._client.evalsha(self.sha, len(keys), *keys, *args)


class Client:
    """Of a Redis that has just been started: it knows no script until that was sent."""

    def __init__(self) -> None:
        self.loaded: set[str] = set()
        self.ran: list[tuple[Any, ...]] = []
        self.commands: list[tuple[Any, ...]] = []
        self.answer: bytes = b"go"
        self.error: Exception | None = None
        self.is_closed = False

    def register_script(self, text: str) -> Script:
        return Script(self, text)

    def evalsha(self, sha: str, number: int, *rest: str) -> bytes:
        self._fail()
        if sha not in self.loaded:
            raise redis.exceptions.NoScriptError("No matching script.")
        self.ran.append((rest[:number], rest[number:]))
        return self.answer

    def delete(self, *keys: str) -> None:
        self._note("delete", *keys)

    def exists(self, key: str) -> int:
        self._note("exists", key)
        return 1

    def set(self, key: str, value: str, ex: int | None = None) -> None:
        self._note("set", key, value, ex)

    def pipeline(self, *, transaction: bool) -> "Pipeline":
        assert not transaction
        return Pipeline(self)

    def close(self) -> None:
        self.is_closed = True

    def _note(self, *command: Any) -> None:
        self._fail()
        self.commands.append(command)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


class Pipeline:
    """Sends nothing before `execute`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._commands: list[Callable[[], object]] = []

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def set(self, key: str, value: str, ex: int) -> None:
        self._commands.append(lambda: self._client.set(key, value, ex))

    def exists(self, key: str) -> None:
        self._commands.append(lambda: self._client.exists(key))

    def execute(self) -> list[object]:
        return [command() for command in self._commands]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    monkeypatch.setattr(gate_module, "connect", lambda _: client)
    return client


@pytest.fixture
def gate(client: Client) -> Gate:
    return Gate(SECRET, "celery@one", boot_id="b1")


def test_a_start_is_asked_for_with_the_keys_of_its_cancel_its_pause_and_its_run(gate: Gate, client: Client) -> None:
    assert gate.may_start("t", "celeriac:run:t:0:1") is Admission.GO
    assert gate.may_start("t", "celeriac:run:t:0:1", silence_is_death=True) is Admission.GO
    keys = ("celeriac:cancelled:t", "celeriac:paused:celery@one", "celeriac:run:t:0:1")
    assert client.ran == [(keys, ("celery@one|b1", "")), (keys, ("celery@one|b1", "1"))]


def test_a_message_of_others_has_no_run_to_ask_for(gate: Gate, client: Client) -> None:
    gate.may_start("t", None)
    assert client.ran == [(("celeriac:cancelled:t", "celeriac:paused:celery@one"), ("celery@one|b1", ""))]


@pytest.mark.parametrize("admission", list(Admission))
def test_every_answer_is_understood(gate: Gate, client: Client, admission: Admission) -> None:
    client.answer = admission.value.encode()
    assert gate.may_start("t", None) is admission


def test_a_redis_that_has_forgotten_the_script_is_sent_it_again(gate: Gate, client: Client) -> None:
    gate.may_start("t", None)
    client.loaded.clear()
    assert gate.may_start("t", None) is Admission.GO
    assert len(client.ran) == 2


@pytest.mark.parametrize(
    ("count", "portions"),
    [
        (0, []),
        (1, [1]),
        (MOST_KEYS, [MOST_KEYS]),
        (MOST_KEYS + 1, [MOST_KEYS, 1]),
        (2 * MOST_KEYS, [MOST_KEYS] * 2),
    ],
)
def test_many_ends_are_told_in_portions_and_none_is_left_out(
    gate: Gate, client: Client, count: int, portions: list[int]
) -> None:
    keys = [f"k{number}" for number in range(count)]
    gate.finish(keys)
    gate.release(keys)
    assert [len(told) for told, _ in client.ran] == portions * 2
    assert [key for told, _ in client.ran for key in told] == keys * 2


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError(f"Error 111 connecting to {SECRET}"),
        redis.TimeoutError(SECRET),
        redis.AuthenticationError(SECRET),
        redis.ResponseError(f"MOVED {SECRET}"),
        OSError(SECRET),
    ],
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda gate: gate.may_start("t", None),
        lambda gate: gate.finish(["k"]),
        lambda gate: gate.release(["k"]),
        lambda gate: gate.show_life(),
        lambda gate: gate.is_paused(),
        lambda gate: gate.set_paused(True),
        lambda gate: gate.set_paused(False),
        lambda gate: gate.say_goodbye(forget_pause=True),
    ],
)
def test_whatever_redis_fails_with_is_named_by_its_kind_and_not_by_its_text(
    gate: Gate, client: Client, error: Exception, ask: Any
) -> None:
    """What is raised here is logged by the worker, and the text may hold the URL."""
    client.error = error
    with pytest.raises(GateUnreachableError) as raised:
        ask(gate)
    assert str(raised.value) == type(error).__name__


def test_life_is_shown_for_ten_seconds_and_the_pause_is_found_in_the_same_round_trip(
    gate: Gate, client: Client
) -> None:
    assert gate.show_life() is True
    assert client.commands == [
        ("set", "celeriac:node:celery@one", "b1", 10),
        ("exists", "celeriac:paused:celery@one"),
    ]


def test_a_goodbye_keeps_the_pause_unless_it_is_to_be_forgotten(gate: Gate, client: Client) -> None:
    gate.say_goodbye(forget_pause=False)
    gate.say_goodbye(forget_pause=True)
    assert client.commands == [
        ("delete", "celeriac:node:celery@one"),
        ("delete", "celeriac:node:celery@one", "celeriac:paused:celery@one"),
    ]


def test_a_pause_has_no_end_of_its_own(gate: Gate, client: Client) -> None:
    gate.set_paused(True)
    assert gate.is_paused() is True
    gate.set_paused(False)
    key = "celeriac:paused:celery@one"
    assert client.commands == [("set", key, "1", None), ("exists", key), ("delete", key)]


def test_it_can_be_closed(gate: Gate, client: Client) -> None:
    gate.close()
    assert client.is_closed
