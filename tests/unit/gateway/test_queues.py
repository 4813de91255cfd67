"""What is told of queues, and what is made of a broker that says something else than usual."""

import json
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
from amqp.exceptions import AccessRefused, NotFound, ResourceLocked
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from domain.broker_options import BrokerOptions
from domain.errors import BrokerUnavailable
from domain.proofs import ServerLife
from gateway import queues
from gateway.layout import Layout
from gateway.queues import MAX_ID, MAX_RABBIT_NAME_BYTES, QueueReader, can_be_on_rabbit, task_ids_of
from tests.fakes.scripted_redis import ScriptedRedis

OTHER_KIND = ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
AWAY = [RedisConnectionError("refused"), RedisTimeoutError("late"), AuthenticationError("no"), OSError("no route")]


def message(task_id: object, **more: object) -> bytes:
    return json.dumps({"body": "", "headers": {"id": task_id, "task": "shop.pay"}, **more}).encode()


def fetched(task_id: object) -> bytes:
    return json.dumps([json.loads(message(task_id)), "exchange", "key"]).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> ScriptedRedis:
    """The Redis that a reader is given."""
    server = ScriptedRedis()
    monkeypatch.setattr(queues, "redis_client", lambda _url: server)
    return server


@pytest.fixture
def reader(server: ScriptedRedis) -> QueueReader:
    return QueueReader("redis://h/0")


def hold(server: ScriptedRedis, *, lists: dict[str, list[bytes]], unacked: dict[bytes, bytes] | None = None) -> None:
    """Let the server have these; scripts may not run there."""
    entries = unacked or {}
    server.answers |= {
        "eval": NoPermissionError("no eval"),
        "lrange": lambda key, start, last: lists.get(key, [])[start : last + 1],
        "hkeys": lambda _key: list(entries),
        "hstrlen": lambda _key, field: len(entries[field]),
        "hmget": lambda _key, fields: [entries[field] for field in fields],
    }


async def test_the_depth_of_a_queue_is_that_of_all_its_lists(server: ScriptedRedis, reader: QueueReader) -> None:
    server.answers["llen"] = {"mail": 2, "mail\x06\x163": 5, "mail\x06\x169": 1, "other": 7}.get
    assert await reader.depths(["mail", "other", "none"]) == {"mail": 8, "other": 7, "none": 0}
    assert server.executed == [False]


async def test_the_depth_under_a_prefix_is_not_that_of_the_bare_name(server: ScriptedRedis) -> None:
    reader = QueueReader("redis://h/0", Layout(BrokerOptions(global_keyprefix="shop:")))
    server.answers["llen"] = {"mail": 100, "shop:mail": 3}.get
    assert await reader.depths(["mail"]) == {"mail": 3}


async def test_no_queues_have_no_depths(server: ScriptedRedis, reader: QueueReader) -> None:
    assert await reader.depths([]) == {}
    assert server.commands == []


async def test_a_key_that_is_no_list_is_empty_and_hides_no_other(server: ScriptedRedis, reader: QueueReader) -> None:
    server.answers["llen"] = lambda key: OTHER_KIND if key == "session" else 1 if key == "mail" else 0
    assert await reader.depths(["session", "mail"]) == {"session": 0, "mail": 1}


async def test_a_refused_answer_is_no_empty_queue(server: ScriptedRedis, reader: QueueReader) -> None:
    server.answers["llen"] = ResponseError("LOADING Redis is loading the dataset in memory")
    with pytest.raises(BrokerUnavailable):
        await reader.depths(["mail"])


@pytest.mark.parametrize("error", AWAY)
async def test_a_server_that_is_away_is_an_unavailable_broker_to_every_question(
    error: Exception, server: ScriptedRedis, reader: QueueReader
) -> None:
    server.answers |= dict.fromkeys(("llen", "eval", "type", "info", "ping"), error)
    questions = (
        reader.depths(["q"]),
        reader.ids_in_queues(["q"]),
        reader.find_foreign(["q"]),
        reader.get_life(),
        reader.ping(),
    )
    for question in questions:
        with pytest.raises(BrokerUnavailable) as refusal:
            await question
        assert refusal.value.__cause__ is error


async def test_ids_are_those_that_wait_and_those_that_were_fetched(server: ScriptedRedis, reader: QueueReader) -> None:
    lists = {"mail": [message("a"), message("b")], "mail\x06\x163": [message("c")], "other": [message("x")]}
    hold(server, lists=lists, unacked={b"1": fetched("d"), b"2": b"no message"})
    assert await reader.ids_in_queues(["mail"]) == {"a", "b", "c", "d"}


async def test_the_queues_are_read_before_what_was_fetched_from_them(
    server: ScriptedRedis, reader: QueueReader
) -> None:
    """The other way round, a message on its way from one to the other would be seen in neither."""
    hold(server, lists={"mail": [message("a")]}, unacked={b"1": fetched("b")})
    await reader.ids_in_queues(["mail"])
    names = server.names()
    assert max(at for at, name in enumerate(names) if name == "lrange") < names.index("hkeys")


async def test_only_the_ids_that_matter_are_kept(server: ScriptedRedis, reader: QueueReader) -> None:
    hold(server, lists={"mail": [message("a"), message("b")]}, unacked={b"1": fetched("c")})
    assert await reader.ids_in_queues(["mail"], among=["b", "c", "z"]) == {"b", "c"}
    assert await reader.ids_in_queues(["mail"], among=[]) == set()


async def test_nobody_says_what_lies_in_queues_while_a_worker_may_keep_messages_elsewhere(
    server: ScriptedRedis,
) -> None:
    reader = QueueReader("redis://h/0", Layout(is_told=False))
    assert await reader.ids_in_queues(["mail"]) is None
    assert server.commands == []


async def test_a_name_is_foreign_if_one_of_its_lists_is_a_key_of_another_kind(
    server: ScriptedRedis, reader: QueueReader
) -> None:
    kinds = {"mail": b"list", "session": b"string", "mixed\x06\x163": b"hash"}
    server.answers["type"] = lambda key: kinds.get(key, b"none")
    assert await reader.find_foreign(["mail", "session", "mixed", "absent"]) == {"session", "mixed"}


async def test_a_server_that_may_not_be_asked_about_its_life_is_no_broken_broker(
    server: ScriptedRedis, reader: QueueReader
) -> None:
    server.answers["info"] = NoPermissionError("this user has no permissions to run the 'info' command")
    assert await reader.get_life() == ServerLife(None, None)


async def test_a_reader_of_redis_closes_its_client(server: ScriptedRedis, reader: QueueReader) -> None:
    await reader.close()
    assert server.closed == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b"[]",
        b"{}",
        b"null",
        b"7",
        b"\x80\x04\x95",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"headers": null}',
        b'{"headers": {}}',
        b'{"headers": {"id": 7}}',
        b'{"headers": {"id": null}}',
        b'{"headers": [{"id": "a"}]}',
        b'[{"headers": {"id": "a"}}]',
        b'[{"headers": {"id": "a"}}, "exchange", 7]',
        b'{"headers": {"id": "\\ud800"}}',
        b'{"headers": {"id": "a\\u0000b"}}',
        message("x" * (MAX_ID + 1)),
        b" " + fetched("a"),
    ],
)
def test_what_is_no_message_of_a_task_has_no_id_and_hides_no_other(text: bytes) -> None:
    assert task_ids_of([text, message("sound")]) == {"sound"}


def test_an_id_may_be_as_long_as_any_of_ours() -> None:
    assert task_ids_of([message("x" * MAX_ID), fetched("y" * MAX_ID)]) == {"x" * MAX_ID, "y" * MAX_ID}


@pytest.mark.parametrize(
    ("name", "can_be"),
    [
        ("", True),
        ("x" * MAX_RABBIT_NAME_BYTES, True),
        ("x" * (MAX_RABBIT_NAME_BYTES + 1), False),
        ("\N{EURO SIGN}" * 85, True),
        ("\N{EURO SIGN}" * 86, False),
        ("\ud800", True),
    ],
)
def test_names_on_rabbitmq_are_bounded_in_bytes(name: str, can_be: bool) -> None:
    assert can_be_on_rabbit(name) is can_be


class RabbitChannel:
    """Has queues with a length, or with the error that asking for one raises."""

    def __init__(self, broker: "Rabbit") -> None:
        self._broker = broker

    def queue_declare(self, name: str, *, passive: bool) -> Any:
        assert passive, "none of these queues is ours to make"
        self._broker.asked.append(name)
        answer = self._broker.queues.get(name, NotFound("no queue"))
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(message_count=answer)

    def close(self) -> None:
        self._broker.channels_closed += 1


class Rabbit(AbstractContextManager["Rabbit"]):
    """Stands in for a connection to RabbitMQ."""

    def __init__(self) -> None:
        self.queues: dict[str, int | Exception] = {}
        self.asked: list[str] = []
        self.channels_closed = 0
        self.released = 0
        self.error: Exception | None = None

    def __exit__(self, *_: object) -> None:
        self.released += 1

    def ensure_connection(self, *, max_retries: int, timeout: float) -> None:
        if self.error:
            raise self.error

    def channel(self) -> RabbitChannel:
        return RabbitChannel(self)


@pytest.fixture
def rabbit(monkeypatch: pytest.MonkeyPatch) -> Rabbit:
    rabbit = Rabbit()
    monkeypatch.setattr(queues, "connect", lambda _url: rabbit)
    return rabbit


async def test_a_queue_of_rabbitmq_that_is_not_there_or_not_ours_to_see_hides_no_other(rabbit: Rabbit) -> None:
    rabbit.queues = {"a": 3, "mine": ResourceLocked("exclusive"), "shut": AccessRefused("no right"), "b": 4}
    reader = QueueReader("amqp://h//")
    assert await reader.depths(["a", "absent", "mine", "shut", "b"]) == {
        "a": 3,
        "absent": 0,
        "mine": 0,
        "shut": 0,
        "b": 4,
    }
    assert (rabbit.channels_closed, rabbit.released) == (5, 1)
    await reader.close()


async def test_a_name_that_rabbitmq_cannot_have_is_empty_and_not_asked_for(rabbit: Rabbit) -> None:
    reader = QueueReader("amqp://h//")
    long_name = "x" * (MAX_RABBIT_NAME_BYTES + 1)
    assert await reader.depths([long_name]) == {long_name: 0}
    assert rabbit.asked == []
    await reader.close()


async def test_rabbitmq_that_is_away_is_an_unavailable_broker(rabbit: Rabbit) -> None:
    rabbit.error = ConnectionRefusedError()
    reader = QueueReader("amqp://h//")
    with pytest.raises(BrokerUnavailable):
        await reader.ping()
    with pytest.raises(BrokerUnavailable):
        await reader.depths(["q"])
    assert rabbit.released == 2
    await reader.close()


async def test_rabbitmq_tells_neither_what_lies_in_its_queues_nor_which_life_it_lives(rabbit: Rabbit) -> None:
    reader = QueueReader("amqp://h//")
    assert await reader.ids_in_queues(["q"]) is None
    assert await reader.find_foreign(["q"]) == frozenset()
    assert await reader.get_life() == ServerLife(None, None)
    assert await reader.ping() is None  # type: ignore[func-returns-value]
    assert rabbit.asked == []
    await reader.close()
