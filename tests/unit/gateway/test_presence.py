"""A node counts as absent only where that is proven."""

import json
import time
from collections.abc import Collection
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from amqp.exceptions import AccessRefused, NotFound, ResourceLocked
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from domain.broker_options import BrokerOptions
from domain.errors import BrokerUnavailable
from gateway import presence
from gateway.presence import Presence, message_for_nobody, runs_here
from tests.fakes.scripted_redis import ScriptedRedis


class Answering:
    """Stands in for `Control`: these nodes answer."""

    def __init__(self, *nodes: str) -> None:
        self.nodes = frozenset(nodes)

    async def find_nodes(self) -> frozenset[str]:
        return self.nodes

    async def ping(self, nodes: Collection[str]) -> frozenset[str]:
        return self.nodes & frozenset(nodes)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> ScriptedRedis:
    server = ScriptedRedis(publish=0)
    monkeypatch.setattr(presence, "redis_client", lambda _url: server)
    return server


def presence_of(*answering: str, url: str = "redis://h/0", options: BrokerOptions | None = None) -> Presence:
    control: Any = Answering(*answering)
    return Presence(url, control, options=options)


async def test_who_is_silent_is_absent_where_as_many_listen_as_answer(server: ScriptedRedis) -> None:
    server.answers["publish"] = 1
    assert await presence_of("one").find_absent(["one", "two", "three"]) == {"two", "three"}


@pytest.mark.parametrize("listening", [0, 1, 3, 100])
async def test_nobody_is_absent_where_not_just_as_many_listen_as_answer(listening: int, server: ScriptedRedis) -> None:
    server.answers["publish"] = listening
    assert await presence_of("one", "two").find_absent(["one", "two", "three"]) == frozenset()


@pytest.mark.parametrize("counts", [(1, 2), (2, 1), (0, 1)])
async def test_nobody_is_absent_while_somebody_comes_or_goes(counts: tuple[int, int], server: ScriptedRedis) -> None:
    answers = iter(counts)
    server.answers["publish"] = lambda *_: next(answers)
    assert await presence_of("one").find_absent(["one", "two"]) == frozenset()


@pytest.mark.parametrize(
    ("listening", "connected"),
    [(1, {"one"}), (2, {"one", "two"}), (3, {"one"})],
)
async def test_who_is_silent_counts_as_connected_only_where_everybody_known_listens(
    listening: int, connected: set[str], server: ScriptedRedis
) -> None:
    server.answers["publish"] = listening
    assert await presence_of("one").find_connected(["one", "two"]) == connected


async def test_who_answers_and_was_not_asked_about_is_counted_and_not_told(server: ScriptedRedis) -> None:
    server.answers["publish"] = 3
    assert await presence_of("one", "stranger").find_connected(["one", "two"]) == {"one", "two"}
    server.answers["publish"] = 2
    assert await presence_of("one", "stranger").find_absent(["one", "two"]) == {"two"}


@pytest.mark.parametrize("url", ["redis://h/0", "amqp://h//"])
async def test_about_no_nodes_nobody_is_asked(url: str, server: ScriptedRedis) -> None:
    presence = presence_of("one", url=url)
    assert await presence.find_absent([]) == frozenset()
    assert await presence.find_connected([]) == frozenset()
    assert server.commands == []
    await presence.close()


async def test_listeners_are_counted_on_the_channel_on_which_workers_listen(server: ScriptedRedis) -> None:
    server.answers["publish"] = 4
    server.connection_pool.connection_kwargs = {"db": 5}
    assert await presence_of().count_listeners() == 4
    assert server.given("publish")[0][0] == "/5.celery.pidbox"
    options = BrokerOptions(global_keyprefix="shop:", fanout_prefix="")
    await presence_of(options=options).count_listeners()
    assert server.given("publish")[1][0] == "shop:celery.pidbox"


@pytest.mark.parametrize("error", [RedisConnectionError("refused"), OSError("no route"), ResponseError("NOPERM")])
async def test_a_server_that_is_away_proves_nobodys_absence(error: Exception, server: ScriptedRedis) -> None:
    server.answers["publish"] = error
    presence = presence_of("one")
    for question in (presence.find_absent(["two"]), presence.find_connected(["two"]), presence.count_listeners()):
        with pytest.raises(BrokerUnavailable) as refusal:
            await question
        assert refusal.value.__cause__ is error
    await presence.close()
    assert server.closed == 1


def test_the_message_for_nobody_is_addressed_to_nobody_and_expires() -> None:
    first, second = json.loads(message_for_nobody()), json.loads(message_for_nobody())
    assert first["body"]["method"] == "ping", "harmless to whoever obeyed it"
    assert len(first["body"]["destination"]) == 1, "none would mean everyone"
    assert first["body"]["destination"] != second["body"]["destination"]
    assert "reply_to" not in first["body"]
    assert time.time() - 60 < first["headers"]["expires"] < time.time() + 60
    assert first["content-type"] == "application/data", "JSON would be an error in the log of who refuses that"


class Rabbit(AbstractContextManager["Rabbit"]):
    """A connection and its channels at once; by queue, how many consume it, or what asking raises."""

    def __init__(self, queues: dict[str, int | Exception]) -> None:
        self.queues = queues
        self.asked: list[str] = []
        self.channels_closed = 0
        self.released = 0

    def __exit__(self, *_: object) -> None:
        self.released += 1

    def channel(self) -> "Rabbit":
        return self

    def close(self) -> None:
        self.channels_closed += 1

    def queue_declare(self, name: str, *, passive: bool) -> Any:
        assert passive
        self.asked.append(name)
        answer = self.queues.get(name, NotFound("no queue"))
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(consumer_count=answer)


def rabbit_with(monkeypatch: pytest.MonkeyPatch, queues: dict[str, int | Exception]) -> Rabbit:
    rabbit = Rabbit(queues)
    monkeypatch.setattr(presence, "connect", lambda _url: rabbit)
    return rabbit


async def test_on_rabbitmq_who_is_silent_and_has_no_control_queue_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    rabbit = rabbit_with(
        monkeypatch,
        {"busy.celery.pidbox": 1, "left.celery.pidbox": 0, "mine.celery.pidbox": ResourceLocked("exclusive")},
    )
    nodes = ["answers", "busy", "left", "mine", "gone"]
    presence = presence_of("answers", url="amqp://h//")
    assert await presence.find_absent(nodes) == {"left", "gone"}
    assert await presence.find_connected(nodes) == {"answers", "busy", "mine"}
    assert "answers.celery.pidbox" not in rabbit.asked
    assert (rabbit.channels_closed, rabbit.released) == (8, 2)
    await presence.close()


async def test_a_node_of_which_rabbitmq_can_have_no_queue_is_absent_without_a_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rabbit = rabbit_with(monkeypatch, {})
    presence = presence_of(url="amqp://h//")
    assert await presence.find_absent(["n" * 255]) == {"n" * 255}
    assert rabbit.asked == []
    await presence.close()


async def test_who_may_not_ask_for_a_control_queue_is_told_of_no_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    rabbit = rabbit_with(monkeypatch, {"two.celery.pidbox": AccessRefused("no right")})
    presence = presence_of(url="amqp://h//")
    with pytest.raises(BrokerUnavailable):
        await presence.find_absent(["two"])
    assert (rabbit.channels_closed, rabbit.released) == (1, 1)
    await presence.close()


async def test_rabbitmq_does_not_tell_how_many_listen() -> None:
    presence = presence_of(url="amqp://h//")
    assert await presence.count_listeners() is None
    await presence.close()


class Process:
    """Stands in for `psutil.Process`."""

    state = psutil.STATUS_SLEEPING
    error: psutil.Error | None = None

    def __init__(self, pid: int) -> None:
        if self.error:
            raise self.error

    def cmdline(self) -> list[str]:
        return ["celery", "worker", "-n", "one@host"]

    def status(self) -> str:
        return self.state


def test_a_process_is_the_nodes_only_with_its_whole_name_and_while_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "Process", Process)
    assert runs_here("one@host", 7)
    assert not runs_here("one@hos", 7)
    assert not runs_here("one@host", None)
    monkeypatch.setattr(Process, "state", psutil.STATUS_ZOMBIE)
    assert not runs_here("one@host", 7)


@pytest.mark.parametrize("error", [psutil.NoSuchProcess(7), psutil.AccessDenied(7), psutil.ZombieProcess(7)])
def test_a_process_that_nobody_can_look_at_proves_nothing(error: psutil.Error, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "Process", Process)
    monkeypatch.setattr(Process, "error", error)
    assert not runs_here("one@host", 7)
