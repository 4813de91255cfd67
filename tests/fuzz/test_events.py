"""Malformed and forged events on every way to the mirror: it goes on to hear, and so does everything beside it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.fuzzing.channels import Channel, Exchange, Fanout, Stream, bombard, is_heard
from bench.fuzzing.events import Targets
from bench.fuzzing.volley import seed_for
from bench.rabbitmq import rabbitmq
from tests.acceptance.stack import Stack, running
from tests.fuzz.bounds import SEED, again, bounded
from tests.patience import wait_for
from tests.rabbitmq import needs_rabbitmq

EVENTS = 2_000

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def channels() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def attack(stack: Stack, channel: Channel) -> None:
    """Events that are heard whatever came before them, on the way on which it came."""
    random = seed_for(SEED, channel.name)
    ended = [stack.submit("celeriac.echo", number) for number in range(3)]
    for task_id in ended:
        stack.wait_for_end(task_id)
    # A worker is at work before it has been asked who it is.
    nodes = wait_for(lambda: [worker["hostname"] for worker in workers_of(stack) if worker["plugin"]])
    with bounded(stack):
        bombard(channel, Targets(random, ended, nodes), count=EVENTS)
        assert is_heard(channel, stack.client) is not None, again()
    assert stack.is_healthy(), (stack.client.get("/health").text, again())
    for node in nodes:
        wait_for(lambda: status_of(stack, node) == "ACTIVE")  # noqa: B023


def workers_of(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.client.get("/workers?limit=1000").json()["data"]
    return found


def status_of(stack: Stack, node: str) -> str:
    return next(str(worker["status"]) for worker in workers_of(stack) if worker["hostname"] == node)


def test_whatever_is_published_the_next_event_is_heard(stack: Stack, channels: ExitStack) -> None:
    channel = Fanout(stack.addresses.broker_url)
    channels.callback(channel.close)
    attack(stack, channel)


def test_whatever_is_in_the_stream_the_next_event_is_heard(stack: Stack, channels: ExitStack) -> None:
    channel = Stream(stack.addresses.redis_url)
    channels.callback(channel.close)
    channel.leap()
    attack(stack, channel)


@needs_rabbitmq
def test_whatever_comes_from_rabbitmq_the_next_event_is_heard(tmp_path: Path, channels: ExitStack) -> None:
    (tmp_path / "rabbitmq").mkdir()
    broker_url = channels.enter_context(rabbitmq(tmp_path / "rabbitmq"))
    stack = channels.enter_context(running(tmp_path / "up", CELERIAC_BROKER_URL=broker_url))
    channel = Exchange(broker_url)
    channels.callback(channel.close)
    attack(stack, channel)
