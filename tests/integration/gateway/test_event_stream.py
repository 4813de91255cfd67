import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from gateway import event_stream
from gateway.event_sources import Blind, EventItem, EventMessage
from gateway.event_stream import GROUP, STREAM_KEY, StreamEvents


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, protocol=2, decode_responses=True) as client:
        yield client


@pytest.fixture
def stream(redis_url: str) -> Iterator[StreamEvents]:
    """The first mirror ever, which makes the stream."""
    source = StreamEvents(redis_url)
    assert source.connect() is True
    yield source
    source.close()


@pytest.fixture
def other(redis_url: str, stream: StreamEvents) -> Iterator[StreamEvents]:
    """A second mirror."""
    source = StreamEvents(redis_url)
    assert source.connect() is False
    yield source
    source.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not stored is taken over without a wait, and every read looks for it."""
    monkeypatch.setattr(event_stream, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(event_stream, "TAKE_OVER_SECONDS", 0.0)


def add(server: redis.Redis, names: str, *, length: int | None = None) -> None:
    """One message for each letter."""
    for name in names:
        server.xadd(STREAM_KEY, {"body": name}, maxlen=length, approximate=False)


def read(source: StreamEvents) -> list[EventItem]:
    """All that comes until nothing more does. A blind stretch comes again and again until it is acknowledged."""
    found: list[EventItem] = []
    while items := source.receive(0.01):
        found += items
    return found


def letters(items: list[EventItem]) -> str:
    return "".join(item.body.decode() if isinstance(item, EventMessage) else "?" for item in items)


def test_what_was_added_while_nobody_read_is_read_in_its_order_and_once(
    server: redis.Redis, stream: StreamEvents
) -> None:
    add(server, "abc")
    assert letters(read(stream)) == "abc"
    assert read(stream) == []


def test_what_is_stored_leaves_the_stream_and_the_rest_stays(server: redis.Redis, stream: StreamEvents) -> None:
    add(server, "abc")
    _, second, _ = read(stream)
    for _ in range(2):
        stream.acknowledge(second)
        assert [fields for _, fields in server.xrange(STREAM_KEY)] == [{"body": "c"}]
        assert server.xpending(STREAM_KEY, GROUP)["pending"] == 1


def test_more_than_one_portion_is_acknowledged_with_its_last_message(server: redis.Redis, stream: StreamEvents) -> None:
    add(server, "x" * (event_stream.MOST_AT_ONCE + 10))
    stream.acknowledge(read(stream)[-1])
    assert server.xlen(STREAM_KEY) == 0


def test_two_mirrors_share_what_comes(server: redis.Redis, stream: StreamEvents, other: StreamEvents) -> None:
    add(server, "ab")
    one = read(stream)
    add(server, "cd")
    assert (letters(one), letters(read(other)), read(stream)) == ("ab", "cd", [])


@pytest.mark.usefixtures("at_once")
def test_what_a_dead_mirror_had_read_is_taken_over(
    server: redis.Redis, stream: StreamEvents, other: StreamEvents
) -> None:
    add(server, "ab")
    assert letters(read(stream)) == "ab"
    taken = read(other)
    assert letters(taken) == "ab"
    other.acknowledge(taken[-1])
    assert server.xlen(STREAM_KEY) == 0


@pytest.mark.usefixtures("at_once")
def test_what_a_mirror_holds_itself_is_not_given_to_it_twice(server: redis.Redis, stream: StreamEvents) -> None:
    add(server, "ab")
    assert letters(read(stream)) == "ab"
    assert read(stream) == []


def test_a_message_was_heard_when_it_reached_redis(server: redis.Redis, stream: StreamEvents) -> None:
    minute_ago = datetime.now(UTC) - timedelta(minutes=1)
    server.xadd(STREAM_KEY, {"body": "x"}, id=f"{round(minute_ago.timestamp() * 1000)}-0")
    (message,) = read(stream)
    assert isinstance(message, EventMessage)
    assert message.kept
    assert abs(message.heard_at - minute_ago) < timedelta(seconds=1)


@pytest.mark.usefixtures("at_once")
def test_a_stream_trimmed_past_what_is_stored_is_a_gap_until_that_is_recorded(
    server: redis.Redis, stream: StreamEvents
) -> None:
    add(server, "ab")
    stream.acknowledge(read(stream)[-1])
    before = datetime.now(UTC)
    time.sleep(0.005)  # ids count in milliseconds
    add(server, "cdefg", length=2)
    for _ in range(2):
        (blind,) = stream.receive(0.01)
        assert isinstance(blind, Blind)
        assert blind.kept
        assert blind.started_at <= before <= blind.ended_at
    stream.acknowledge(blind)
    assert letters(read(stream)) == "fg"


@pytest.mark.usefixtures("at_once")
def test_what_was_dropped_after_it_was_read_is_only_perhaps_missed(
    server: redis.Redis, stream: StreamEvents, other: StreamEvents
) -> None:
    add(server, "ab")
    held = read(stream)
    add(server, "cd", length=2)
    stream.acknowledge(held[-1])
    first, *_ = other.receive(0.01)
    assert isinstance(first, Blind)


@pytest.mark.usefixtures("at_once")
def test_a_stream_that_is_gone_is_made_again_and_something_was_missed(
    server: redis.Redis, stream: StreamEvents
) -> None:
    add(server, "xy")
    stream.acknowledge(read(stream)[-1])
    server.delete(STREAM_KEY)
    with pytest.raises(redis.ResponseError, match="no such key"):
        stream.receive(0.01)
    assert stream.connect() is True
    add(server, "a")
    assert letters(read(stream)) == "a"
    add(server, "bc", length=1)
    assert isinstance(stream.receive(0.01)[0], Blind), "the sums begin anew"


def test_mirrors_of_long_ago_are_forgotten_but_for_those_that_hold_something(
    server: redis.Redis, stream: StreamEvents, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(server, "a")
    holder, idle = StreamEvents(redis_url), StreamEvents(redis_url)
    read(holder)
    read(idle)
    assert len(server.xinfo_consumers(STREAM_KEY, GROUP)) == 2
    monkeypatch.setattr(event_stream, "FORGET_SECONDS", -1.0)
    stream.connect()
    (left,) = server.xinfo_consumers(STREAM_KEY, GROUP)
    assert left["pending"] == 1
    for source in (holder, idle):
        source.close()
