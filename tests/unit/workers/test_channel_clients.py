"""A channel to Redis makes a client once, and another one where its pool of connections is another."""

from typing import Any

import pytest
from celeriac_worker.channel_clients import ChannelClients, keep_clients
from celery import Celery
from kombu.transport import redis


class Client:
    def __init__(self, pool: object) -> None:
        self.connection_pool = pool


class Channel:
    """Makes clients as kombu's does, and counts them."""

    def __init__(self) -> None:
        self.pool, self.made = object(), 0

    def _create_client(self, asynchronous: bool = False) -> Client:
        self.made += 1
        return Client("asynchronous" if asynchronous else self.pool)


@pytest.fixture
def channel() -> Any:
    keeping = type("Keeping", (Channel,), {"_create_client": Channel._create_client})
    keep_clients(keeping)
    keep_clients(keeping)
    return keeping()


def test_one_client_serves_every_message_of_a_channel(channel: Any) -> None:
    assert channel._create_client() is channel._create_client()
    assert channel.made == 1


def test_another_channel_has_a_client_of_its_own(channel: Any) -> None:
    assert channel._create_client() is not type(channel)()._create_client()


def test_after_a_reconnect_or_a_fork_it_is_made_anew(channel: Any) -> None:
    before = channel._create_client()
    channel.pool = object()
    after = channel._create_client()
    assert (after is before, after.connection_pool) == (False, channel.pool)


def test_a_client_that_listens_is_never_shared(channel: Any) -> None:
    listening = channel._create_client(asynchronous=True)
    assert (listening.connection_pool, channel._create_client() is listening) == ("asynchronous", False)


def test_the_step_teaches_the_channels_of_kombu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis.Channel, "_create_client", made := vars(redis.Channel)["_create_client"])
    ChannelClients(type("Worker", (), {"app": Celery(set_as_current=False), "steps": []})())
    assert vars(redis.Channel)["_create_client"] is not made
