import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit, urlunsplit

import pytest
import redis
from celery import Celery
from structlog.testing import capture_logs

from gateway.events.opening import open_source
from gateway.events.sources import MAX_MESSAGE_BYTES, EventMessage, RedisEvents
from gateway.events.subscriber import USUAL_PACE, EventSubscriber, Heard, Pace
from tests.gateway_broker import FragileBroker
from tests.integration.gateway.conftest import next_blind, next_events
from tests.patience import PATIENCE_SECONDS, until


async def test_an_outage_of_the_broker_is_one_blind_stretch_and_listening_goes_on(broker: FragileBroker) -> None:
    subscriber = await _listening(broker)
    broker.stop()
    lost_at = datetime.now(UTC)
    away_until = datetime.now(UTC)
    broker.start()
    blind = await next_blind(subscriber)
    assert blind.started_at <= lost_at
    assert blind.ended_at >= away_until
    _send(broker, "after")
    assert [event["uuid"] for event in await next_events(subscriber, 1)] == ["after"]
    await subscriber.close()


async def test_a_frozen_broker_is_noticed_though_its_connection_stays_open(broker: FragileBroker) -> None:
    subscriber = await _listening(broker, pace=Pace(probe_seconds=0.2, answer_seconds=0.5))
    broker.freeze()
    frozen_at = datetime.now(UTC)
    await _until_disconnected(subscriber)
    broker.thaw()
    blind = await next_blind(subscriber)
    assert blind.started_at <= frozen_at <= blind.ended_at
    await subscriber.close()


async def test_silence_alone_is_no_outage(broker: FragileBroker) -> None:
    subscriber = await _listening(broker, pace=Pace(probe_seconds=0.1, answer_seconds=0.5))
    quiet_since = subscriber.last_heard
    for _ in range(8):
        await subscriber.get(max_wait=0.2)
        assert subscriber.connected
    assert subscriber.last_heard > quiet_since, "the probe was never answered"
    await subscriber.close()


async def test_starting_before_the_broker_is_there_is_no_error(broker: FragileBroker) -> None:
    broker.stop()
    subscriber = EventSubscriber(open_source(broker.broker_url))
    await subscriber.start()
    assert not subscriber.connected
    broker.start()
    await next_blind(subscriber)
    assert subscriber.connected
    await subscriber.close()


async def test_a_slow_reader_loses_nothing_and_takes_no_memory(broker: FragileBroker) -> None:
    subscriber = EventSubscriber(open_source(broker.broker_url), max_buffered=10)
    await subscriber.start()
    await next_blind(subscriber)
    for number in range(100):
        _send(broker, str(number))
    heard = await next_events(subscriber, 100)
    assert [event["uuid"] for event in heard] == [str(number) for number in range(100)]
    await subscriber.close()


async def test_a_full_buffer_does_not_keep_it_from_closing(broker: FragileBroker) -> None:
    subscriber = EventSubscriber(open_source(broker.broker_url), max_buffered=1)
    await subscriber.start()
    for number in range(5):
        _send(broker, str(number))
    await subscriber.close()
    assert not any(thread.name == "gateway-events" for thread in threading.enumerate())
    await subscriber.close()


RUBBISH = (
    b"",
    b"\xff",
    b"{}",
    b'{"body": 1, "properties": {}}',
    b'{"body": "*", "properties": {"body_encoding": "base64"}}',
    b'{"body": "e30=", "properties": {"body_encoding": 64}}',
    b'{"body": "e30=", "properties": {}, "headers": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"body": "e30=", "properties": {}, "headers": null}',
    b'{"body": "' + b"x" * (2 * MAX_MESSAGE_BYTES) + b'", "properties": {}}',
    b"[" * 100_000,
)


async def test_what_is_none_of_celerys_is_passed_on_as_nothing_by_one_and_the_same_thread(
    broker: FragileBroker,
) -> None:
    subscriber = await _listening(broker)
    thread = subscriber._thread
    with redis.Redis.from_url(broker.broker_url) as client:
        for rubbish in RUBBISH:
            client.publish("/0.celeryev/task.sent", rubbish)
    _send(broker, "sound")
    found: list[EventMessage] = []
    while len(found) <= len(RUBBISH):
        heard = await subscriber.get(max_wait=5)
        assert isinstance(heard, Heard), "nothing was missed"
        assert heard.messages, "nor is anything awaited in vain"
        found += heard.messages
    assert [message.body for message in found[:-1]] == [b""] * len(RUBBISH), "so that each is counted"
    assert json.loads(found[-1].body)["uuid"] == "sound"
    assert (subscriber._thread, subscriber.connected) == (thread, True)
    await subscriber.close()


async def test_a_message_that_comes_in_two_parts_does_not_cost_the_connection(broker: FragileBroker) -> None:
    with stuttering(broker.broker_url) as slow_url:
        source = RedisEvents(slow_url)
        source.connect()
        found: list[str] = []
        with redis.Redis.from_url(broker.broker_url) as client:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for nth in range(3):
                    client.publish("/0.celeryev/task.sent", json.dumps({"body": f"{nth}", "properties": {}}))
                    while len(found) <= nth:
                        items = await asyncio.to_thread(source.receive, 0.05)
                        found += [item.body.decode() for item in items or () if isinstance(item, EventMessage)]
        assert found == ["0", "1", "2"]
        source.close()


@contextmanager
def stuttering(url: str) -> Iterator[str]:
    """The same server, behind a line on which the last quarter of whatever comes from it is late by half a second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_relay, args=(listener, urlsplit(url)), daemon=True).start()
        who, at, _ = urlsplit(url).netloc.rpartition("@")
        yield urlunsplit(urlsplit(url)._replace(netloc=f"{who}{at}127.0.0.1:{listener.getsockname()[1]}"))


def _relay(listener: socket.socket, to: SplitResult) -> None:
    client, _ = listener.accept()
    server = socket.create_connection((to.hostname or "", to.port or 0))
    threading.Thread(target=_copy, args=(client, server), kwargs={"pause": 0.0}, daemon=True).start()
    _copy(server, client, pause=0.5)


def _copy(one: socket.socket, other: socket.socket, *, pause: float) -> None:
    with one, other, suppress(OSError):
        for data in iter(lambda: one.recv(65_536), b""):
            cut = len(data) * 3 // 4
            other.sendall(data[:cut])
            time.sleep(pause)
            other.sendall(data[cut:])


async def test_events_of_another_database_are_not_heard(broker: FragileBroker) -> None:
    subscriber = await _listening(broker)
    _send(broker, "elsewhere", database=5)
    _send(broker, "here")
    assert [event["uuid"] for event in await next_events(subscriber, 1)] == ["here"]
    await subscriber.close()


async def _listening(broker: FragileBroker, *, pace: Pace = USUAL_PACE) -> EventSubscriber:
    subscriber = EventSubscriber(open_source(broker.broker_url), pace=pace)
    await subscriber.start()
    await next_blind(subscriber)
    return subscriber


async def _until_disconnected(subscriber: EventSubscriber) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while subscriber.connected:
            await subscriber.get(max_wait=0.05)


def _send(broker: FragileBroker, uuid: str, *, database: int = 0) -> None:
    url = broker.broker_url.removesuffix("0") + str(database)
    with Celery(broker=url, set_as_current=False) as app, app.events.default_dispatcher() as dispatcher:
        dispatcher.send("task-custom", uuid=uuid)


async def test_a_listener_that_ends_is_noticed_at_once(
    broker: FragileBroker, monkeypatch: pytest.MonkeyPatch, unasked_ends: list[int]
) -> None:
    subscriber = await _listening(broker)

    def fail(_seconds: float) -> None:
        raise SystemExit

    with capture_logs() as logs:
        monkeypatch.setattr(subscriber._source, "receive", fail)
        await until(lambda: unasked_ends)
    assert ("part_ended", "gateway-events") in [(line["event"], line.get("part")) for line in logs]
    unasked_ends.clear()
    await subscriber.close()
