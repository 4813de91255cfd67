"""The gateway twice over: on a real Valkey and in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from gateway.control import Control
from gateway.events.opening import open_source
from gateway.events.sources import Blind, EventMessage
from gateway.events.subscriber import EventSubscriber, Heard
from gateway.publisher import Publisher
from gateway.queues import QueueReader
from gateway.results.reader import ResultReader
from tests.fakes.gateway import (
    FakeBroker,
    FakeControl,
    FakeEventSubscriber,
    FakePublisher,
    FakeQueueReader,
    FakeResultReader,
)
from tests.gateway_broker import FragileBroker, fragile_broker
from tests.patience import PATIENCE_SECONDS


@dataclass
class RealWorld:
    """A Valkey of this test alone."""

    broker: FragileBroker

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.broker.broker_url)
        self.events = EventSubscriber(open_source(self.broker.broker_url))
        self.control = Control(self.broker.broker_url)
        self.results = ResultReader(self.broker.result_url)
        self.queues = QueueReader(self.broker.broker_url)

    def store_meta(self, task_id: str, meta: bytes) -> None:
        with redis.Redis.from_url(self.broker.result_url) as client:
            client.set(f"celery-task-meta-{task_id}", meta)

    def send_event(self, event: dict[str, Any]) -> None:
        with (
            Celery(broker=self.broker.broker_url, set_as_current=False) as app,
            app.events.default_dispatcher() as send,
        ):
            send.send(**event)

    def lose_broker(self) -> None:
        self.broker.stop()


class FakeWorld:
    """The same without servers."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.publisher = FakePublisher(self.broker)
        self.events = FakeEventSubscriber()
        self.control = FakeControl(self.broker)
        self.results = FakeResultReader(self.broker)
        self.queues = FakeQueueReader(self.broker)

    def store_meta(self, task_id: str, meta: bytes) -> None:
        self.broker.metas[task_id] = meta

    def send_event(self, event: dict[str, Any]) -> None:
        self.events.hear(EventMessage(json.dumps(event).encode(), datetime.now(UTC)))

    def lose_broker(self) -> None:
        self.broker.available = False


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[FragileBroker]:
    with fragile_broker(tmp_path / "valkey", durable=True) as broker:
        yield broker


World = RealWorld | FakeWorld
"""What a test does from outside, and the gateway it looks through."""


@pytest.fixture(params=["real", "fake"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world: World = RealWorld(request.getfixturevalue("broker")) if request.param == "real" else FakeWorld()
    async with AsyncExitStack() as stack:
        for part in (world.publisher, world.events, world.control, world.results, world.queues):
            stack.push_async_callback(part.close)
        yield world


async def next_blind(events: EventSubscriber | FakeEventSubscriber) -> Blind:
    """Passes over what is heard until the next blind stretch."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            item = await events.get(max_wait=0.5)
            if isinstance(item, Blind):
                return item


async def next_events(events: EventSubscriber | FakeEventSubscriber, count: int) -> list[dict[str, Any]]:
    """The next events, blind stretches left out."""
    heard: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(heard) < count:
            item = await events.get(max_wait=0.5)
            for message in item.messages if isinstance(item, Heard) else ():
                decoded = json.loads(message.body)
                heard.extend(decoded if isinstance(decoded, list) else [decoded])
    return heard
