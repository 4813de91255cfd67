"""The ways on which events reach the mirror, and how each is abused: Redis' PUB/SUB and stream, RabbitMQ's exchange.

An ear that still hears is told from one that only seems to by a life that is told on its channel: sound events of a
task that some other worker has run, which the API then shows as completed.
"""

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any, Protocol, cast

import amqp
import httpx
import redis
from kombu import Connection
from uuid_utils import uuid7

from bench.fuzzing import texts
from bench.fuzzing.events import Targets, drawn_event, life_of
from bench.stack import wait_until
from domain.redis_keys import STREAM_KEY
from gateway.events.sources import EVENT_EXCHANGE

HOSTILE_WRAPPING = 0.2
"""The share of events of which the wrapping is what is wrong."""
BACKLOG = 2_000
"""Messages that wait in the stream, at most: it is trimmed far beyond, and then events are missed."""
HEARD_SECONDS = 60.0
FAR_FUTURE_MS = 300_000_000_000_000
"""The year 11476, as an id of the stream: all later ones follow it."""
PACE = 2_000
"""Messages a second: PUB/SUB drops a listener that falls 32 MB behind, which is then a recorded gap and no fault."""
PORTION = 50


class Channel(Protocol):
    """One way to the mirror."""

    name: str

    def send(self, bodies: Sequence[bytes]) -> None:
        """Send the events as workers do."""

    def abuse(self, body: bytes, random: Random) -> None:
        """Send the event in a wrapping that no worker makes."""

    def close(self) -> None:
        """End the connection."""


class Fanout:
    """PUBLISH on the channels that Celery's events take on Redis."""

    name = "fanout"

    def __init__(self, broker_url: str) -> None:
        self._client = redis.Redis.from_url(broker_url)
        self._channel = f"/{self._client.get_connection_kwargs().get('db', 0)}.{EVENT_EXCHANGE}/"

    def send(self, bodies: Sequence[bytes]) -> None:
        """Publish the events as workers do."""
        with self._client.pipeline(transaction=False) as pipe:
            for body in bodies:
                pipe.publish(f"{self._channel}task.multi", json.dumps(envelope(body)))
            pipe.execute()

    def abuse(self, body: bytes, random: Random) -> None:
        """Publish the event in a hostile envelope."""
        key = random.choice(("x", "task.sent", "worker.heartbeat", "", "a" * 10_000, "\x00", "*"))
        self._client.publish(self._channel + key, hostile_envelope(body, random))

    def close(self) -> None:
        """End the connection."""
        self._client.close()


class Stream:
    """XADD to the stream of our plugin."""

    name = "stream"

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(redis_url)

    def send(self, bodies: Sequence[bytes]) -> None:
        """Add the events as the plugin does."""
        with self._client.pipeline(transaction=False) as pipe:
            for body in bodies:
                pipe.xadd(STREAM_KEY, {"body": body})
            pipe.execute()
        wait_until(lambda: self._client.xlen(STREAM_KEY) < BACKLOG, "the stream to be read", seconds=HEARD_SECONDS)

    def abuse(self, body: bytes, random: Random) -> None:
        """Add the event in a hostile entry."""
        fields: list[dict[Any, Any]] = [
            {"x": body},
            {"": ""},
            {"body": b"", b"\xff": b"\xff"},
            {"body": b"\xff\xfe" + body},
            {"BODY": body},
            {f"k{number}": "1" for number in range(1_000)},
        ]
        self._client.xadd(STREAM_KEY, random.choice(fields))

    def leap(self) -> None:
        """Let all ids lie beyond the calendar from now on, for ever."""
        last = self._client.xinfo_stream(STREAM_KEY)["last-generated-id"].split(b"-")[0]
        self._client.xadd(STREAM_KEY, {"body": b"{}"}, id=f"{max(FAR_FUTURE_MS, int(last) + 1)}-0")

    def close(self) -> None:
        """End the connection."""
        self._client.close()


class Exchange:
    """Messages to the exchange of Celery's events on RabbitMQ."""

    name = "exchange"

    def __init__(self, broker_url: str) -> None:
        self._connection = Connection(broker_url)
        self._channel = cast(Any, self._connection.default_channel)
        self._channel.exchange_declare(EVENT_EXCHANGE, "topic", durable=True, auto_delete=False)

    def send(self, bodies: Sequence[bytes]) -> None:
        """Publish the events as workers do."""
        for body in bodies:
            message = amqp.Message(body, content_type="application/json", content_encoding="utf-8")
            self._channel.basic_publish(message, exchange=EVENT_EXCHANGE, routing_key="task.multi")

    def abuse(self, body: bytes, random: Random) -> None:
        """Publish with properties that py-amqp and kombu act upon before anybody looks at the body."""
        properties = random.choice(list(PROPERTIES.values()))
        body = properties.get("body", body)
        given = {key: value for key, value in properties.items() if key != "body"}
        key = random.choice(("x", "task.sent", "", "a" * 255, "#", "*"))
        self._channel.basic_publish(amqp.Message(body, **given), exchange=EVENT_EXCHANGE, routing_key=key)

    def close(self) -> None:
        """End the connection."""
        self._connection.release()


NO_CHANGES: Mapping[str, object] = MappingProxyType({})
JSON = {"content_type": "application/json", "content_encoding": "utf-8"}
PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "pickle": {"content_type": "application/x-python-serialize", "content_encoding": "binary"},
    "unknown encoding": {"content_type": "application/json", "content_encoding": "no-such-codec"},
    "surrogates by escapes": JSON | {"content_encoding": "unicode_escape", "body": b"\\ud800"},
    "surrogates by utf-7": JSON | {"content_encoding": "utf-7", "body": b"+2AA-"},
    "quadratic encoding": JSON | {"content_encoding": "punycode", "body": b"a" * 20_000},
    "utf-16": JSON | {"content_encoding": "utf-16", "body": b"{\x00}\x00\x00"},
    "false compression": JSON | {"application_headers": {"compression": "application/x-gzip"}},
    "unknown compression": JSON | {"application_headers": {"compression": "application/x-no-such"}},
    "compression of no name": JSON | {"application_headers": {"compression": {"a": [1]}}},
    "compressed blanks": JSON
    | {"application_headers": {"compression": "application/x-gzip"}, "body": texts.blanks(64)},
    "deep headers": JSON | {"application_headers": {"a": {"b": {"c": {"d": [[[[1]]]]}}}}},
    "large headers": JSON | {"application_headers": {f"h{number}": "x" * 100 for number in range(500)}},
    "false mark": JSON | {"application_headers": {"celeriac_kept": True}},
    "marks of another type": JSON | {"application_headers": {"celeriac_kept": [None], "hostname": 1}},
    "priority and expiry": JSON | {"priority": 255, "expiration": "0", "delivery_mode": 2},
}
"""Hostile properties by name; `body` replaces the event's."""


def envelope(body: bytes, changes: Mapping[str, object] = NO_CHANGES) -> dict[str, Any]:
    """Return kombu's envelope of a message on Redis."""
    properties = {"delivery_mode": 1, "delivery_tag": "a", "body_encoding": "base64", "priority": 0}
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"hostname": "a"},
        "properties": properties | {"delivery_info": {"exchange": EVENT_EXCHANGE, "routing_key": "task.multi"}},
        **changes,
    }


def hostile_envelope(body: bytes, random: Random) -> bytes:
    """Return anything in its place, or one with something wrong."""
    sound = envelope(body)
    odd: Sequence[Callable[[], str | bytes]] = (
        lambda: body,
        lambda: texts.deep_value(random),
        lambda: random.choice(texts.SCALARS),
        lambda: texts.with_value(sound, random, text=random.choice(texts.SCALARS)),
        lambda: texts.with_value(sound, random, text=texts.deep_value(random)),
        lambda: texts.with_key(sound, random, text=random.choice(texts.SCALARS)),
        lambda: texts.without_key(sound, random),
        lambda: texts.spoilt(json.dumps(sound).encode(), random),
        lambda: json.dumps(envelope(body, {"body": "A" + base64.b64encode(body).decode()})),
        lambda: json.dumps(envelope(body, {"body": random.choice(("%%%", "\u2603", "=", "\ud800", "A" * 100_001))})),
        lambda: json.dumps(
            envelope(body, {"properties": {"body_encoding": random.choice(("", "rot13", "base64 ", "x"))}})
        ),
        lambda: json.dumps(envelope(body, {"headers": {"celeriac_kept": True}})),
        lambda: json.dumps(envelope(body, {"headers": random.choice(({"celeriac_kept": 1}, [], None, "x"))})),
        lambda: texts.with_members(sound, texts.many_keys(5_000)),
    )
    made = random.choice(odd)()
    return made if isinstance(made, bytes) else made.encode("utf-8", "surrogatepass")


def bombard(channel: Channel, targets: Targets, *, count: int) -> None:
    """Send so many fuzzed events, at a pace that a listener can keep."""
    begun = time.monotonic()
    sent = 0
    while sent < count:
        portion = min(PORTION, count - sent)
        made = [drawn_event(targets)[1] for _ in range(portion)]
        hostile = int(portion * HOSTILE_WRAPPING)
        for body in made[:hostile]:
            channel.abuse(body, targets.random)
        channel.send(made[hostile:])
        sent += portion
        time.sleep(max(0.0, begun + sent / PACE - time.monotonic()))


def is_heard(channel: Channel, client: httpx.Client, *, seconds: float = HEARD_SECONDS) -> float | None:
    """Return after how many seconds a life told now on this channel is shown as it went; None if it is not."""
    task_id = str(uuid7())
    begun = time.monotonic()
    channel.send(life_of(task_id))
    while time.monotonic() - begun < seconds:
        found = client.get(f"/tasks/{task_id}")
        if found.status_code == 200 and found.json()["status"] == "COMPLETED":
            return time.monotonic() - begun
        time.sleep(0.1)
    return None
