"""The plugin's events: kept in the stream where Celeriac has made it, and published as ever."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celeriac_worker import install, servers, stream
from celery import Celery
from celery.events.dispatcher import EventDispatcher

from gateway.events.sources import EventMessage, RedisEvents
from gateway.events.stream import StreamEvents
from gateway.publisher import Publisher
from tests.celery_apps import wait_for_result
from tests.gateway_broker import FragileBroker, fragile_broker
from tests.gateway_messages import make_message
from tests.patience import PATIENCE_SECONDS
from tests.worker_process import celery_worker


@pytest.fixture
def app(broker_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator["Celery[Any]"]:
    """A foreign app with the plugin; our Redis is another database than the broker's."""
    monkeypatch.setenv("CELERIAC_REDIS_URL", redis_url)
    with Celery(broker=broker_url, set_as_current=False) as app:
        install(app)
        install(app)
        yield app


@pytest.fixture
def published(broker_url: str) -> Iterator[RedisEvents]:
    """The mirror's ear for workers without the plugin."""
    source = RedisEvents(broker_url)
    source.connect()
    yield source
    source.close()


@pytest.fixture
def kept(redis_url: str) -> Iterator[StreamEvents]:
    source = StreamEvents(redis_url)
    source.connect()
    yield source
    source.close()


def send(app: "Celery[Any]", *names: str) -> None:
    with app.events.default_dispatcher() as dispatcher:
        for name in names:
            dispatcher.send("task-custom", uuid=name)


def heard(source: RedisEvents | StreamEvents, count: int) -> list[str]:
    """So many events, each once, and no more of them after a moment."""
    names: list[str] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(names) < count and time.monotonic() < deadline:
        names += _names(source)
    return names + _names(source)


def _names(source: RedisEvents | StreamEvents) -> list[str]:
    items = source.receive(0.1) or ()
    return [json.loads(item.body)["uuid"] for item in items if isinstance(item, EventMessage)]


def test_events_are_kept_once_celeriac_has_made_the_stream(
    app: "Celery[Any]", published: RedisEvents, redis_url: str
) -> None:
    send(app, "early")
    assert heard(published, 1) == ["early"]
    kept = StreamEvents(redis_url)
    assert kept.connect() is True
    send(app, "a", "b")
    assert heard(kept, 2) == ["a", "b"]
    assert heard(published, 0) == []
    kept.close()


def test_others_who_listen_hear_everything(app: "Celery[Any]", kept: StreamEvents, broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as client, client.pubsub() as listening:
        listening.psubscribe("/0.celeryev*")
        assert listening.get_message(timeout=PATIENCE_SECONDS)["type"] == "psubscribe"
        send(app, "a")
        message = listening.get_message(timeout=PATIENCE_SECONDS)
    assert message["channel"] == b"/0.celeryev/task.custom"
    assert heard(kept, 1) == ["a"]


def test_while_redis_is_away_events_are_heard_as_published_and_kept_later(
    broker_url: str, published: RedisEvents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fragile_broker(tmp_path / "ours", durable=True) as ours:
        monkeypatch.setenv("CELERIAC_REDIS_URL", ours.broker_url)
        monkeypatch.setattr(stream, "PAUSE_SECONDS", 0.0)
        with Celery(broker=broker_url, set_as_current=False) as app:
            install(app)
            kept = StreamEvents(ours.broker_url)
            kept.connect()
            ours.stop()
            send(app, "a", "b")
            assert heard(published, 2) == ["a", "b"]
            ours.start()
            send(app, "c")
        kept.connect()
        assert heard(kept, 3) == ["a", "b", "c"]
        assert heard(published, 0) == []
        kept.close()


def test_a_redis_that_does_not_answer_holds_the_worker_up_once_and_not_at_every_event(
    broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "ANSWER_SECONDS", 0.3)
    with fragile_broker(tmp_path / "ours") as ours:
        monkeypatch.setenv("CELERIAC_REDIS_URL", ours.broker_url)
        with Celery(broker=broker_url, set_as_current=False) as app:
            install(app)
            ours.freeze()
            begun = time.monotonic()
            send(app, *map(str, range(100)))
            assert time.monotonic() - begun < 3
            ours.thaw()


def test_an_apps_own_dispatcher_goes_on_doing_what_it_does(redis_url: str, broker_url: str) -> None:
    class Own(EventDispatcher):
        sent: list[str] = []  # noqa: RUF012

        def send(self, type: str, *args: Any, **fields: Any) -> Any:
            self.sent.append(type)
            return super().send(type, *args, **fields)

    with Celery(broker=broker_url, set_as_current=False) as app:
        app.events.dispatcher_cls = Own  # type: ignore[assignment]
        install(app)
        send(app, "a")
    assert Own.sent == ["task-custom"]


def test_on_rabbitmq_events_survive_a_restart_of_the_broker() -> None:
    app = Celery(broker="amqp://nobody@127.0.0.1:1", set_as_current=False)
    install(app)
    assert app.events.Dispatcher(enabled=False).delivery_mode == 2


async def test_a_real_workers_events_wait_for_a_mirror_that_is_away(tmp_path: Path) -> None:
    with fragile_broker(tmp_path / "valkey") as broker:
        away = StreamEvents(broker.broker_url)
        away.connect()
        away.close()
        message = make_message("celeriac.add", args=[2, 3])
        publisher = Publisher(broker.broker_url)
        with celery_worker(tmp_path, broker.broker_url, result_url=broker.result_url):
            await publisher.publish([message])
            await publisher.close()
            await _until_success(broker, message.task_id)
        events = _all_kept(broker)
    assert [event["type"] for event in events if event.get("uuid") == message.task_id] == [
        "task-received",
        "task-started",
        "task-succeeded",
    ]
    workers = [event["type"] for event in events if event["type"].startswith("worker-")]
    assert (workers[0], workers[-1]) == ("worker-online", "worker-offline")


async def _until_success(broker: FragileBroker, task_id: str) -> None:
    assert await asyncio.to_thread(wait_for_result, broker.result_url, task_id, seconds=PATIENCE_SECONDS) == 5


def _all_kept(broker: FragileBroker) -> list[dict[str, Any]]:
    source = StreamEvents(broker.broker_url)
    source.connect()
    events: list[dict[str, Any]] = []
    while items := source.receive(0.1):
        for item in items:
            assert isinstance(item, EventMessage)
            decoded = json.loads(item.body)
            events += decoded if isinstance(decoded, list) else [decoded]
    source.close()
    return events
