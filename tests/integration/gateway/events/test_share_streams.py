"""Two mirrors on one stream: each gets the events of its own tasks, whoever has read them, also those of a dead one."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from domain.redis_keys import STREAM_COUNTS_KEY, STREAM_KEY, share_key
from domain.shares import Shares, deal_out, share_of
from gateway.events import share_streams
from gateway.events.handing_on import HandingOn
from gateway.events.sources import NOT_UNDERSTOOD, EventItem, EventMessage
from gateway.events.stream import FIELD, GROUP, StreamEvents

COUNT = 4
TASKS = [f"task-{number}" for number in range(24)]
OWNERS = {"a": [task for task in TASKS if share_of(task, COUNT) % 2 == 0]}
OWNERS["b"] = [task for task in TASKS if task not in OWNERS["a"]]


class Mirrors:
    """Who is there, and what each has of the stream."""

    def __init__(self, redis_url: str) -> None:
        self.there = ["a", "b"]
        self.a = StreamEvents(redis_url, shares=self.shares_of("a"), look_seconds=3600)
        self.b = StreamEvents(redis_url, shares=self.shares_of("b"), look_seconds=3600, take_over_seconds=0)
        for source in (self.a, self.b):
            source.connect()
            source.receive(0.001)

    def shares_of(self, name: str) -> Callable[[], Shares]:
        return lambda: deal_out(name, self.there, count=COUNT)

    def a_dies(self) -> None:
        self.there = ["b"]
        self.b._looked_at = 0.0


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        yield client


@pytest.fixture
def mirrors(redis_url: str, server: redis.Redis) -> Iterator[Mirrors]:
    found = Mirrors(redis_url)
    yield found
    found.a.close()
    found.b.close()


def event(task_id: str) -> dict[str, str]:
    return {"type": "task-started", "uuid": task_id}


def add(server: redis.Redis, task_ids: list[str]) -> None:
    """One message of all these tasks, as a busy worker sends it."""
    server.xadd(STREAM_KEY, {FIELD: json.dumps([event(task) for task in task_ids])})


def read(source: StreamEvents) -> list[EventItem]:
    found: list[EventItem] = []
    while items := source.receive(0.01):
        found += items
    return found


def tasks_of(items: list[EventItem]) -> list[str]:
    bodies = [json.loads(item.body) for item in items if isinstance(item, EventMessage)]
    return sorted(each["uuid"] for body in bodies for each in (body if isinstance(body, list) else [body]))


def left(server: redis.Redis) -> int:
    return sum(server.xlen(key) for key in (STREAM_KEY, *map(share_key, range(COUNT))))


def test_each_gets_its_own_whoever_reads_it_and_nothing_is_left(server: redis.Redis, mirrors: Mirrors) -> None:
    add(server, TASKS[:12])
    by_a = read(mirrors.a)
    add(server, TASKS[12:])
    by_b = read(mirrors.b)
    by_a += read(mirrors.a)
    assert (tasks_of(by_a), tasks_of(by_b)) == (sorted(OWNERS["a"]), sorted(OWNERS["b"]))
    assert left(server) > 0, "nothing is acknowledged yet"
    mirrors.a.acknowledge(by_a[-1])
    mirrors.b.acknowledge(by_b[-1])
    assert left(server) == 0
    assert mirrors.a._dropped() == [], "and what went from one stream to another is not missed"


def test_a_message_that_goes_on_as_a_whole_counts_as_stored_where_it_was(server: redis.Redis, mirrors: Mirrors) -> None:
    add(server, OWNERS["b"])
    assert read(mirrors.a) == []
    assert (server.xlen(STREAM_KEY), server.hget(STREAM_COUNTS_KEY, "stored")) == (0, b"1")
    assert server.xpending(STREAM_KEY, GROUP)["pending"] == 0
    assert tasks_of(read(mirrors.b)) == sorted(OWNERS["b"])


def test_what_goes_on_was_heard_when_it_first_came(server: redis.Redis, mirrors: Mirrors) -> None:
    came = datetime.now(UTC) - timedelta(minutes=1)
    body = json.dumps(event(OWNERS["b"][0]))
    server.xadd(STREAM_KEY, {FIELD: body}, id=f"{round(came.timestamp() * 1000)}-0")
    assert read(mirrors.a) == []
    (item,) = read(mirrors.b)
    assert isinstance(item, EventMessage)
    assert abs(item.heard_at - came) < timedelta(seconds=5)
    assert item.streamed


def test_what_a_dead_mirror_had_and_what_came_for_it_is_taken_over(server: redis.Redis, mirrors: Mirrors) -> None:
    add(server, TASKS[:12])
    assert tasks_of(read(mirrors.a))
    add(server, TASKS[12:])
    by_b = read(mirrors.b)
    mirrors.a_dies()
    by_b += read(mirrors.b)
    assert set(tasks_of(by_b)) == set(TASKS), "that which it had read, and that which had gone on to it"
    mirrors.b.acknowledge(by_b[-1])
    assert left(server) == 0


def test_while_another_is_far_behind_no_more_is_read_that_would_go_there(
    server: redis.Redis, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_streams, "MOST_PACKETS", 2)
    for _ in range(4):
        add(server, OWNERS["b"])
        mirrors.a.receive(0.01)
    assert server.xlen(STREAM_KEY) == 2, "it waits where it is bounded"
    behind = read(mirrors.b)
    mirrors.b.acknowledge(behind[-1])
    add(server, OWNERS["a"])
    assert tasks_of(read(mirrors.a)) == sorted(OWNERS["a"])


def test_one_who_owns_nothing_hands_all_on_and_waits_where_nobody_takes_it(
    server: redis.Redis, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors.there = ["b"]
    monkeypatch.setattr(mirrors.a, "_shares", lambda: Shares(COUNT, frozenset(), alone=False))
    monkeypatch.setattr(mirrors.a._packets, "_shares", mirrors.a._shares)
    monkeypatch.setattr(share_streams, "MOST_PACKETS", 1)
    add(server, TASKS)
    add(server, TASKS)
    assert mirrors.a.receive(0.01) == []
    assert mirrors.a.receive(0.01) == []
    assert server.xlen(STREAM_KEY) == 0, "both came at once"
    add(server, TASKS)
    assert mirrors.a.receive(0.01) == []
    assert server.xlen(STREAM_KEY) == 1


def test_what_is_no_packet_is_counted_and_hides_no_other(server: redis.Redis, mirrors: Mirrors) -> None:
    share = share_of(OWNERS["a"][0], COUNT)
    server.xadd(share_key(share), {"packet": "x"})
    server.xadd(share_key(share), {"other": "x"})
    add(server, OWNERS["a"])
    found = read(mirrors.a)
    bodies = [item.body for item in found if isinstance(item, EventMessage)]
    assert bodies.count(NOT_UNDERSTOOD) == 2
    mirrors.a.acknowledge(found[-1])
    assert left(server) == 0


def test_what_every_mirror_hears_is_put_into_the_stream_once(
    redis_url: str, server: redis.Redis, mirrors: Mirrors
) -> None:
    body = json.dumps(event(OWNERS["a"][0])).encode()
    for name in ("a", "b"):
        assert HandingOn(redis_url, mirrors.shares_of(name))([body]) is True
    (item,) = read(mirrors.a)
    assert isinstance(item, EventMessage)
    assert (item.body, item.streamed) == (body, False), "nobody keeps it for a mirror that is away"


def test_who_is_alone_hands_nothing_on(redis_url: str, server: redis.Redis, mirrors: Mirrors) -> None:
    mirrors.there = ["a"]
    assert HandingOn(redis_url, mirrors.shares_of("a"))([b"{}"]) is False
    assert server.xlen(STREAM_KEY) == 0


def test_what_cannot_be_handed_on_is_seen_to_where_it_was_heard(mirrors: Mirrors) -> None:
    assert HandingOn("redis://127.0.0.1:1/0", mirrors.shares_of("a"))([b"{}"]) is False


def test_what_is_held_for_long_while_others_are_stored_stays_ours(server: redis.Redis, mirrors: Mirrors) -> None:
    add(server, OWNERS["b"])
    add(server, OWNERS["b"])
    first, _ = read(mirrors.b)
    mirrors.b.acknowledge(first)
    mirrors.b._take_over_seconds = 3600.0
    mirrors.b._held = dict.fromkeys(mirrors.b._held, -3600.0)
    (before,) = server.xpending_range(STREAM_KEY, GROUP, "-", "+", 1)
    mirrors.b._keep_held()
    (after,) = server.xpending_range(STREAM_KEY, GROUP, "-", "+", 1)
    assert (after["consumer"], after["times_delivered"]) == (before["consumer"], 1)
    assert min(mirrors.b._held.values()) > 0, "and it is not claimed again at once"
