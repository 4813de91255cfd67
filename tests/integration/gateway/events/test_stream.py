import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from domain.redis_keys import STREAM_COUNTS_KEY, STREAM_KEY
from gateway.events.sources import MAX_MESSAGE_BYTES, MOST_AT_ONCE, Blind, EventItem, EventMessage
from gateway.events.stream import FIRST_AT_ONCE, GROUP, StreamEvents


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, protocol=2, decode_responses=True) as client:
        yield client


@pytest.fixture
def timings() -> dict[str, float]:
    """Those of the mirrors, where they are not the usual ones."""
    return {}


@pytest.fixture
def at_once(timings: dict[str, Any]) -> None:
    """What is not stored is taken over without a wait, and every read looks for it."""
    timings |= {"look_seconds": 0.0, "take_over_seconds": 0.0}


@pytest.fixture
def stream(redis_url: str, timings: dict[str, Any]) -> Iterator[StreamEvents]:
    """The first mirror ever, which makes the stream."""
    source = StreamEvents(redis_url, **timings)
    assert source.connect() is True
    yield source
    source.close()


@pytest.fixture
def other(redis_url: str, timings: dict[str, Any], stream: StreamEvents) -> Iterator[StreamEvents]:
    """A second mirror."""
    source = StreamEvents(redis_url, **timings)
    assert source.connect() is False
    yield source
    source.close()


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
        assert [fields for _, fields in server.xrange(STREAM_KEY) or ()] == [{"body": "c"}]
        assert server.xpending(STREAM_KEY, GROUP)["pending"] == 1


def test_more_than_one_portion_is_acknowledged_with_its_last_message(server: redis.Redis, stream: StreamEvents) -> None:
    add(server, "x" * (MOST_AT_ONCE + 10))
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
    assert message.streamed
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
        assert blind.streamed
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
    server: redis.Redis, stream: StreamEvents, redis_url: str
) -> None:
    add(server, "a")
    holder, idle = StreamEvents(redis_url), StreamEvents(redis_url)
    read(holder)
    read(idle)
    assert len(server.xinfo_consumers(STREAM_KEY, GROUP)) == 2
    forgetful = StreamEvents(redis_url, forget_seconds=-1.0)
    forgetful.connect()
    (left,) = server.xinfo_consumers(STREAM_KEY, GROUP)
    assert left["pending"] == 1
    for source in (holder, idle, forgetful):
        source.close()


@pytest.mark.parametrize(
    "hostile_id", ["300000000000000-0", "95617584000000-7", "18446744073709551615-18446744073709551614"]
)
@pytest.mark.usefixtures("at_once")
def test_an_id_beyond_the_calendar_stops_nobody_and_the_stream_comes_back_to_the_present(
    server: redis.Redis, stream: StreamEvents, other: StreamEvents, hostile_id: str
) -> None:
    add(server, "a")
    server.xadd(STREAM_KEY, {"body": "h"}, id=hostile_id)
    add(server, "b")
    found = read(stream)
    assert letters(found) == "ahb"
    for item in found:
        assert isinstance(item, EventMessage)
        assert timedelta(0) <= datetime.now(UTC) - item.heard_at < timedelta(minutes=1)
    stream.acknowledge(found[-1])
    assert read(stream) == []
    add(server, "c")
    found = read(other)
    assert letters(found) == "c", "the other mirror finds the stream that was made anew"
    assert int(server.xinfo_stream(STREAM_KEY)["last-generated-id"].split("-")[0]) < time.time() * 1000 + 60_000
    other.acknowledge(found[-1])
    assert read(stream) == read(other) == [], "and nothing counts as missed"


def test_after_the_last_of_all_ids_messages_can_be_added_again(server: redis.Redis, stream: StreamEvents) -> None:
    server.xadd(STREAM_KEY, {"body": "h"}, id="18446744073709551615-18446744073709551615")
    with pytest.raises(redis.ResponseError, match="exhausted"):
        add(server, "a")
    stream.acknowledge(read(stream)[-1])
    stream._looked_at = 0.0
    read(stream)
    add(server, "b")
    assert letters(read(stream)) == "b"


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("count", ["many", "-5", "9" * 30, ""])
def test_sums_that_are_no_numbers_are_made_anew(server: redis.Redis, stream: StreamEvents, count: str) -> None:
    server.hset(STREAM_COUNTS_KEY, "stored", count)
    assert stream.connect() is True, "nobody knows what was missed until now"
    add(server, "a")
    stream.acknowledge(read(stream)[-1])
    assert server.hmget(STREAM_COUNTS_KEY, ["stored", "missed"]) == ["1", "0"]


def test_entries_that_are_no_messages_are_passed_on_as_nothing_and_acknowledged(
    server: redis.Redis, stream: StreamEvents
) -> None:
    server.xadd(STREAM_KEY, {"boody": "x"})
    server.xadd(STREAM_KEY, {b"\xff\x00": b"\xff", "body": "b", "more": "m"})
    server.xadd(STREAM_KEY, {"body": "x" * (MAX_MESSAGE_BYTES + 1)})
    found = read(stream)
    assert [item.body for item in found if isinstance(item, EventMessage)] == [b"", b"b", b""]
    stream.acknowledge(found[-1])
    assert server.xlen(STREAM_KEY) == 0


def test_large_messages_are_read_a_few_at_once(server: redis.Redis, stream: StreamEvents) -> None:
    for _ in range(FIRST_AT_ONCE + 8):
        server.xadd(STREAM_KEY, {"body": "x" * 1_000_000})
    counts = []
    while items := stream.receive(0.01):
        counts.append(len(items))
    assert counts == [FIRST_AT_ONCE, 8], "some 8 MB at once, after the first time showed how large they are"
    add(server, "a" * (4 * FIRST_AT_ONCE))
    counts = []
    while items := stream.receive(0.01):
        counts.append(len(items))
    assert counts == [FIRST_AT_ONCE, 2 * FIRST_AT_ONCE, FIRST_AT_ONCE]
