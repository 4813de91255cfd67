"""A question goes out to many nodes, and of their replies each is heard, whatever the others send."""

import json
import pickle
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection, Producer
from kombu.exceptions import DecodeError
from structlog.testing import capture_logs

from gateway import mailbox
from gateway.mailbox import COMMANDS, MOST_REPLIES, PICKLE, REPLIES, Answers, Command, _Replies, ask, forget, tell

AN_OBJECT = datetime(2026, 1, 1, tzinfo=UTC)
"""What a pickle holds that is more than data."""


def test_a_name_that_two_processes_answer_to_is_heard_twice() -> None:
    answers = Answers()
    replies: list[dict[str, Any]] = [{"w@h": {"t": 1}}, {"w@h": {}}, {"other@h": {}}]
    for reply in replies:
        answers.add(reply)
    assert answers == {"w@h": {}, "other@h": {}}
    assert answers.all == [("w@h", {"t": 1}), ("w@h", {}), ("other@h", {})]


def test_no_more_is_kept_than_there_is_room_for() -> None:
    answers = Answers()
    for _ in range(MOST_REPLIES + 2):
        answers.add({"w@h": {}})
    assert len(answers.all) == MOST_REPLIES


def test_a_pickle_of_more_than_data_is_told_and_the_others_are_heard() -> None:
    told: list[tuple[str, str]] = []
    replies = _Replies(
        ["1"], nodes=["a@test", "b@test"], bound=False, address=None, unreadable=lambda *one: told.append(one)
    )
    for node, data in (("a@test", datetime(2026, 1, 1, tzinfo=UTC)), ("b@test", {"ok": "pong"})):
        body = pickle.dumps({node: data})
        replies.receive(SimpleNamespace(headers={"ticket": "1"}, content_type=PICKLE, body=body))
    assert told == [("a@test", PICKLE)]
    assert replies.by_ticket["1"] == {"b@test": {"ok": "pong"}}
    assert replies.count == 2


def replies_to(*tickets: str, nodes: Collection[str] | None, told: list[tuple[str, str]] | None = None) -> _Replies:
    noted = [] if told is None else told
    return _Replies(list(tickets), nodes=nodes, bound=False, address=None, unreadable=lambda *each: noted.append(each))


def reply(ticket: object, content: object, *, content_type: str = "application/json", body: Any = b"") -> Any:
    """A message whose content kombu decodes, or an error that it raises."""

    def decode() -> object:
        if isinstance(content, Exception):
            raise content
        return content

    return SimpleNamespace(headers={"ticket": ticket}, content_type=content_type, body=body, decode=decode)


@pytest.mark.parametrize("ticket", ["another", None, "", 7])
def test_a_reply_to_another_question_is_no_reply_to_this_one(ticket: object) -> None:
    replies = replies_to("mine", nodes=["one"])
    replies.receive(reply(ticket, {"one": {"ok": "pong"}}))
    assert (replies.by_ticket, replies.count) == ({"mine": {}}, 0)


@pytest.mark.parametrize("content", [None, 7, "text", [1, 2], DecodeError("broken"), RecursionError(), KeyError("x")])
def test_a_reply_that_is_none_counts_as_one_and_is_told_without_its_content(content: object) -> None:
    told: list[tuple[str, str]] = []
    replies = replies_to("1", nodes=["one", "two"], told=told)
    with capture_logs() as logs:
        replies.receive(reply("1", content, body=b'{"stranger": "s3cret"}'))
        replies.receive(reply("1", {"two": {"ok": "pong"}}))
    assert (replies.by_ticket["1"], replies.count, told) == ({"two": {"ok": "pong"}}, 2, [])
    assert [line["event"] for line in logs] == ["control_message_not_understood"]
    assert "s3cret" not in str(logs)


@pytest.mark.parametrize(
    ("nodes", "kind", "body", "sender"),
    [
        (["one", "one-more"], "text/x", b"... one-more ...", "one-more"),
        (["one-more", "one"], "text/x", b"... one ...", "one"),
        (["one"], "text/x", b"x" * 1_024 + b"one", None),
        (["one"], "text/x", b"x" * 1_021 + b"one", "one"),
        (["one"], "text/x", None, None),
        (["knoten-\N{LATIN SMALL LETTER O WITH DIAERESIS}"], "text/x", "knoten-\xf6".encode(), "knoten-\xf6"),
        (None, "text/x", b"one", None),
        (None, PICKLE, b"no pickle", None),
        (None, PICKLE, b"", None),
        *((None, PICKLE, pickle.dumps({"one@h": AN_OBJECT}, protocol), "one@h") for protocol in range(6)),
        (None, PICKLE, pickle.dumps({"one@h": AN_OBJECT})[:20], "one@h"),
        (None, PICKLE, pickle.dumps({"one": AN_OBJECT}), None),
        (None, PICKLE, pickle.dumps({1: "one@h", 2: AN_OBJECT}), None),
        (None, PICKLE, pickle.dumps(["one@h", AN_OBJECT]), None),
        (None, PICKLE, pickle.dumps({}), None),
        (None, PICKLE, pickle.dumps(AN_OBJECT), None),
    ],
)
def test_who_sent_what_cannot_be_read_is_known_by_the_name_at_its_beginning(
    nodes: list[str] | None, kind: str, body: bytes | None, sender: str | None
) -> None:
    told: list[tuple[str, str]] = []
    replies_to("1", nodes=nodes, told=told).receive(reply("1", DecodeError("no"), content_type=kind, body=body))
    assert told == ([(sender, kind)] if sender else [])


def test_a_content_type_is_told_only_so_far() -> None:
    told: list[tuple[str, str]] = []
    message = reply("1", DecodeError("no"), content_type="x" * 1_000, body=b"one")
    replies_to("1", nodes=["one"], told=told).receive(message)
    assert told == [("one", "x" * 64)]


def test_where_replies_come_without_a_binding_an_asker_has_one_address_for_all_its_questions() -> None:
    first, second = (
        _Replies(["1"], nodes=None, bound=False, address="mine", unreadable=lambda *_: None) for _ in range(2)
    )
    assert first.reply_to == second.reply_to == {"exchange": "", "routing_key": "mine.reply.celery.pidbox"}
    assert (first.queue.exchange.name, first.queue.name) == ("", "mine.reply.celery.pidbox")


def test_where_replies_are_bound_each_question_has_an_address_of_its_own() -> None:
    first, second = (
        _Replies(["1"], nodes=None, bound=True, address="mine", unreadable=lambda *_: None) for _ in range(2)
    )
    assert first.reply_to["exchange"] == REPLIES.name
    assert first.reply_to["routing_key"] == first.queue.routing_key != second.queue.routing_key
    assert first.queue.exchange.name == REPLIES.name


class Impatient(Connection):
    """Its silence has lasted as long as anybody would wait as soon as nothing more is there."""

    def drain_events(self, **_: Any) -> None:
        super().drain_events(timeout=0)


class Wire:
    """A connection to a broker of kombu's in memory, at which nodes listen and reply at once."""

    def __init__(self) -> None:
        self.connection = Impatient("memory://")
        self.heard: list[Any] = []
        self.replies: Callable[[Any], list[dict[str, Any]]] = lambda _command: []
        self.connected: list[tuple[str, Any]] = []

    def connect(self, url: str, *, options: Any = None) -> Connection:
        self.connected.append((url, options))
        return self.connection

    def publish(self, _producer: Any, message: dict[str, Any], **options: Any) -> None:
        """Take what is sent, and put the replies to it where it asks for them."""
        self.heard.append((message, options))
        for content in self.replies(message):
            channel: Any = self.connection.default_channel
            body = channel.prepare_message(
                json.dumps(content), 0, "application/json", "utf-8", {"ticket": message["ticket"]}, {}
            )
            channel.basic_publish(body, exchange="", routing_key=message["reply_to"]["routing_key"])


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    wire = Wire()
    monkeypatch.setattr(mailbox, "connect", wire.connect)
    monkeypatch.setattr(Producer, "publish", lambda *given, **options: wire.publish(*given, **options))
    yield wire
    wire.connection.release()


def test_each_question_gets_the_replies_to_it(wire: Wire) -> None:
    wire.replies = lambda command: [{"one": command["method"]}, {"two": command["arguments"]}]
    stats, find = ask(
        "redis://h/0", [Command("stats"), Command("query_task", {"ids": ["t"]})], nodes=["one", "two"], seconds=60
    )
    assert stats == {"one": "stats", "two": {}}
    assert find == {"one": "query_task", "two": {"ids": ["t"]}}


def test_a_question_names_its_nodes_expires_and_is_never_sent_twice(wire: Wire) -> None:
    wire.replies = lambda _command: [{"one": {"ok": "pong"}}]
    ask("redis://h/0", [Command("ping")], nodes=("one",), seconds=60)
    ((message, options),) = wire.heard
    assert (message["method"], message["arguments"], message["destination"]) == ("ping", {}, ["one"])
    assert (message["pattern"], message["matcher"]) == (None, None)
    assert 0 < options["headers"]["expires"] - time.time() <= 60
    assert (options["exchange"], options["retry"]) == (COMMANDS, False)


def test_silent_nodes_are_missing_and_the_wait_ends(wire: Wire) -> None:
    wire.replies = lambda _command: [{"one": {"ok": "pong"}}]
    assert ask("redis://h/0", [Command("ping")], nodes=["one", "two"], seconds=60) == [{"one": {"ok": "pong"}}]


def test_everyone_is_waited_for_to_the_end_and_twins_are_both_heard(wire: Wire) -> None:
    wire.replies = lambda _command: [{"twin": {"ok": 1}}, {"twin": {"ok": 2}}]
    (answers,) = ask("redis://h/0", [Command("ping")], nodes=None, seconds=60)
    assert answers.all == [("twin", {"ok": 1}), ("twin", {"ok": 2})]
    assert wire.heard[0][0]["destination"] is None


def test_what_is_told_asks_for_no_reply_and_may_be_for_all(wire: Wire) -> None:
    tell("redis://h/0", Command("shutdown"), nodes=["one"])
    tell("redis://h/0", Command("revoke", {"task_id": ["t"]}))
    (first, options), (second, _) = wire.heard
    assert first.keys() == second.keys() == {"method", "arguments", "destination", "pattern", "matcher"}
    assert (first["destination"], second["destination"]) == (["one"], None)
    assert options["headers"] == {"clock": 0, "expires": 0}, "0 is never"


@pytest.mark.parametrize(
    ("driver", "sent_as"),
    [("redis", {"content_type": "application/data", "content_encoding": "binary"}), ("memory", {"serializer": "json"})],
)
def test_on_redis_commands_are_plain_data_that_any_worker_takes(
    driver: str, sent_as: dict[str, str], wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(wire.connection.transport), "driver_type", driver)
    tell("redis://h/0", Command("ping"))
    ((_, options),) = wire.heard
    assert {name: options[name] for name in ("serializer", "content_type", "content_encoding") if name in options} == (
        sent_as
    )


def test_on_rabbitmq_a_command_is_read_by_those_alone_whom_it_is_for(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(wire.connection.transport), "driver_type", "amqp")
    tell("amqp://h//", Command("ping"), nodes=["one@h", "x" * 255, "two@h"], serializer="pickle")
    tell("amqp://h//", Command("revoke"))
    sent = [(options["exchange"], options.get("routing_key"), options["serializer"]) for _, options in wire.heard]
    assert sent == [
        ("", "one@h.celery.pidbox", "pickle"),
        ("", "two@h.celery.pidbox", "pickle"),
        (COMMANDS, None, "json"),
    ]
    assert {message["destination"] and tuple(message["destination"]) for message, _ in wire.heard[:2]} == {
        ("one@h", "x" * 255, "two@h")
    }


def test_what_came_too_late_is_removed_on_redis_alone(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[str] = []
    channel: Any = wire.connection.default_channel
    monkeypatch.setattr(channel, "queue_delete", deleted.append)
    forget("amqp://h//", "mine")
    assert wire.connected == []
    forget("redis://h/0", "mine")
    assert deleted == ["mine.reply.celery.pidbox"]


class Broken:
    """A connection on which something is wrong with what comes."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.waits: list[float] = []

    def drain_events(self, *, timeout: float) -> None:
        self.waits.append(timeout)
        if self._errors:
            raise self._errors.pop(0)


def drain(*errors: Exception, expected: int | None = None, seconds: float = 60) -> Broken:
    connection: Any = Broken(*errors, TimeoutError())
    replies = replies_to("1", nodes=None)
    mailbox._drain(connection, replies, expected=expected, deadline=time.monotonic() + seconds)
    return connection  # type: ignore[no-any-return]


def test_one_message_that_is_broken_ends_no_wait_for_the_others() -> None:
    with capture_logs() as logs:
        broken = drain(
            DecodeError("s3cret"), RecursionError("s3cret"), UnicodeDecodeError("utf-8", b"s3cret", 0, 1, "")
        )
    assert [line["error"] for line in logs] == ["DecodeError", "RecursionError", "UnicodeDecodeError"]
    assert "s3cret" not in str(logs)
    assert len(broken.waits) == 4
    assert broken.waits == sorted(broken.waits, reverse=True), "what is left of the time, not all of it anew"


def test_a_connection_that_breaks_is_no_silence() -> None:
    with pytest.raises(ConnectionResetError):
        drain(ConnectionResetError())


def test_a_time_that_is_over_is_not_waited_for() -> None:
    assert drain(seconds=-1).waits == []
    assert drain(expected=0).waits == []
