"""What became of each message is known, or it is in doubt: nothing is told as sent that may not be."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError
from structlog.testing import capture_logs

from domain.broker_options import BrokerOptions
from domain.errors import BrokerUnavailable
from domain.refusals import Refusal
from gateway import publisher as publisher_module
from gateway.envelopes import Envelope
from gateway.publisher import NO_LISTS, Published, Publisher, QueueLists
from gateway.senders import NOT_CONFIRMED, Fates
from tests.gateway_messages import make_message

FULL = Refusal("the broker says: full")


class Sender:
    """Notes what it is given, and does with it what a test says; usually it sends it."""

    def __init__(self) -> None:
        self.given: list[Envelope] = []
        self.does: Callable[[Envelope, Fates], None] = lambda envelope, fates: fates.sent.add(envelope.task_id)
        self.disconnected = 0

    def send(self, envelopes: Iterable[Envelope], fates: Fates) -> None:
        for envelope in envelopes:
            self.given.append(envelope)
            self.does(envelope, fates)

    def disconnect(self) -> None:
        self.disconnected += 1


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Sender:
    sender = Sender()
    for name in ("RedisSender", "RabbitSender"):
        monkeypatch.setattr(publisher_module, name, lambda *_args, **_options: sender)
    return sender


async def publish(*messages: Any, url: str = "redis://h/0", lists: QueueLists = NO_LISTS, **options: Any) -> Published:
    publisher = Publisher(url, **options)
    try:
        return await publisher.publish(messages, lists=lists)
    finally:
        await publisher.close()


async def test_what_is_sent_is_told_with_the_life_of_the_server_that_took_it(sender: Sender) -> None:
    def send(envelope: Envelope, fates: Fates) -> None:
        fates.sent.add(envelope.task_id)
        fates.lives[envelope.task_id] = "life"

    sender.does = send
    assert await publish(make_message(task_id="t")) == Published(frozenset({"t"}), {}, {"t": "life"})


async def test_no_messages_are_nothing_sent_and_nothing_refused(sender: Sender) -> None:
    assert await publish() == Published()


@pytest.mark.parametrize(
    ("given", "options", "name"),
    [
        ({"mail": {0: "mail", 6: "mail:6"}}, BrokerOptions(), "mail:6"),
        ({"mail": {0: "mail"}}, BrokerOptions(priority_steps=(0, 3)), "mail"),
        ({"other": {0: "other"}}, BrokerOptions(separator=":", priority_steps=(0, 3)), "mail:3"),
        ({"mail": {}}, BrokerOptions(separator=":", priority_steps=(0, 3)), "mail:3"),
        ({}, BrokerOptions(), "mail"),
    ],
)
async def test_a_message_goes_into_a_list_that_is_known_to_be_read_or_into_that_of_the_bare_name(
    given: QueueLists, options: BrokerOptions, name: str, sender: Sender
) -> None:
    await publish(make_message(queue_name="mail", priority=1), lists=given, options=options)
    assert sender.given[0].list_name == name


async def test_on_rabbitmq_there_are_no_lists(sender: Sender) -> None:
    await publish(make_message(queue_name="mail"), lists={"mail": {0: "mail"}}, url="amqp://h//")
    assert sender.given[0].list_name is None


async def test_a_message_of_which_none_can_be_made_is_refused_and_holds_up_no_other(sender: Sender) -> None:
    messages = [make_message("celeriac.add", {"s3cret"}, task_id="odd"), make_message(task_id="sound")]
    with capture_logs() as logs:
        published = await publish(*messages)
    assert published.sent == {"sound"}
    assert published.refused.keys() == {"odd"}
    assert published.refused["odd"].reason.startswith("no message can be made of it: ")
    assert "s3cret" not in str(published)
    assert "s3cret" not in str(logs)
    assert [(line["event"], line["task_id"]) for line in logs] == [("publish_refused", "odd")]


@pytest.mark.parametrize("queue_name", ["", "x" * 256, "a\0b"])
async def test_a_queue_whose_name_is_refused_at_the_door_by_now_is_refused_here_too(
    queue_name: str, sender: Sender
) -> None:
    published = await publish(make_message(task_id="t", queue_name=queue_name))
    assert published.sent == frozenset()
    assert published.refused["t"].reason.startswith("the queue's name ")
    assert sender.given == []


async def test_a_broken_connection_is_dropped_and_what_is_known_by_then_stays_true(sender: Sender) -> None:
    def break_at_second(envelope: Envelope, fates: Fates) -> None:
        if envelope.task_id == "second":
            raise RedisConnectionError("reset")
        fates.sent.add(envelope.task_id)

    sender.does = break_at_second
    with capture_logs() as logs:
        published = await publish(*(make_message(task_id=name) for name in ("first", "second", "third")))
    assert published == Published(frozenset({"first"}), {}, {})
    assert sender.disconnected == 2, "and once more at the end"
    assert logs == [
        {
            "event": "publish_interrupted",
            "sent": 1,
            "unsent": 2,
            "error": "ConnectionError",
            "log_level": "warning",
        }
    ]


async def test_where_nothing_is_known_of_any_message_the_broker_is_unavailable(sender: Sender) -> None:
    error = ConnectionResetError()

    def break_down(_envelope: Envelope, _fates: Fates) -> None:
        raise error

    sender.does = break_down
    with pytest.raises(BrokerUnavailable) as refusal:
        await publish(make_message())
    assert refusal.value.__cause__ is error


async def test_what_the_server_has_against_all_messages_ends_the_call(sender: Sender) -> None:
    def trouble(_envelope: Envelope, fates: Fates) -> None:
        fates.trouble = OutOfMemoryError("full")

    sender.does = trouble
    with pytest.raises(BrokerUnavailable):
        await publish(make_message(), make_message())
    assert len(sender.given) == 1


def leave_unanswered(envelope: Envelope, fates: Fates) -> None:
    """The queue `good` takes its messages, to those of others the broker does not answer."""
    if envelope.queue_name == "good":
        fates.sent.add(envelope.task_id)
    else:
        fates.unanswered[envelope.task_id] = NOT_CONFIRMED


async def test_silence_refuses_a_message_only_where_the_broker_takes_others(sender: Sender) -> None:
    sender.does = leave_unanswered
    mute = make_message(task_id="mute", queue_name="mute")
    published = await publish(mute, make_message(task_id="t", queue_name="good"))
    assert published == Published(frozenset({"t"}), {"mute": NOT_CONFIRMED}, {})
    with pytest.raises(BrokerUnavailable):
        await publish(mute)


async def test_to_a_message_that_is_sent_singly_silence_is_a_refusal(sender: Sender) -> None:
    sender.does = leave_unanswered
    published = await publish(make_message(task_id="mute", queue_name="mute"), singly=True)
    assert published == Published(frozenset(), {"mute": NOT_CONFIRMED}, {})


async def test_silence_beside_a_refusal_leaves_the_message_in_doubt(sender: Sender) -> None:
    def refuse_one(envelope: Envelope, fates: Fates) -> None:
        fates_of = fates.refused if envelope.task_id == "refused" else fates.unanswered
        fates_of[envelope.task_id] = FULL

    sender.does = refuse_one
    published = await publish(make_message(task_id="refused"), make_message(task_id="mute"))
    assert published == Published(frozenset(), {"refused": FULL}, {})


async def test_no_message_is_begun_after_the_time_is_over(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "SENDING_SECONDS", -1)
    assert await publish(make_message(), make_message()) == Published()
    assert sender.given == []


async def test_a_body_is_written_as_the_workers_want_it(sender: Sender) -> None:
    await publish(make_message("celeriac.add", 1, 2), serializer="yaml")
    await publish(make_message("celeriac.add", 1, 2))
    yaml, plain = sender.given
    assert (yaml.content_type, plain.content_type) == ("application/x-yaml", "application/json")
    assert json.loads(plain.body)[0] == [1, 2]


async def test_a_publisher_that_is_closed_has_let_go_of_its_connection(sender: Sender) -> None:
    publisher = Publisher("redis://h/0")
    await publisher.close()
    assert sender.disconnected == 1
    with pytest.raises(RuntimeError):
        await publisher.publish([make_message()])


def test_a_broker_that_is_not_supported_is_refused_at_once_without_its_url() -> None:
    with pytest.raises(ValueError, match="is not supported: use redis or amqp") as refusal:
        Publisher("sqs://key:s3cret@")
    assert "s3cret" not in str(refusal.value)
