"""The stream of events, and what its clock, its sums and its server may say that nobody expects."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from domain.redis_keys import STREAM_COUNTS_KEY, STREAM_KEY
from domain.shares import Shares
from gateway.events import stream as stream_module
from gateway.events.sources import (
    LONGEST_WAIT_SECONDS,
    MAX_MESSAGE_BYTES,
    MOST_AT_ONCE,
    MOST_BYTES_AT_ONCE,
    NOT_UNDERSTOOD,
    Blind,
)
from gateway.events.stream import AHEAD_MS, FIRST_AT_ONCE, GROUP, StreamEvents, _heard_at, _is_number
from tests.fakes.scripted_redis import BlockingScriptedRedis

EXISTS = ResponseError("BUSYGROUP Consumer Group name already exists")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
Entry = tuple[bytes | None, dict[bytes, bytes]]


def id_of(at: datetime) -> bytes:
    return b"%d-0" % round(at.timestamp() * 1000)


def here() -> datetime:
    return datetime.now(UTC)


def entries(*bodies: bytes, at: datetime | None = None) -> list[Entry]:
    """One entry for each body, one after another."""
    milliseconds = round((at or here()).timestamp() * 1000)
    return [(b"%d-%d" % (milliseconds, number), {b"body": body}) for number, body in enumerate(bodies)]


class Server(BlockingScriptedRedis):
    """A Redis with the stream, on which a group is reading; tests change what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.to_read: list[list[Entry]] = []
        """What the next reads bring."""
        self.claimed: list[Entry] = []
        self.stream: dict[str, Any] = {
            "entries-added": 0,
            "length": 0,
            "last-generated-id": b"0-0",
            "max-deleted-entry-id": b"0-0",
            "first-entry": None,
        }
        self.pending: dict[str, Any] = {"min": None}
        self.counts: list[bytes | None] = [b"0", b"0"]
        self.server: bytes | None = b"life"
        self.replication: dict[str, Any] = {}
        self.answers |= {
            "xgroup_create": EXISTS,
            "xinfo_consumers": [],
            "hmget": lambda *_: self.counts,
            "hget": lambda *_: self.server,
            "info": lambda section: {"run_id": "life"} if section == "server" else self.replication,
            "time": lambda: (int(time.time()), int(time.time() % 1 * 1e6)),
            "xinfo_stream": lambda _key: self.stream,
            "xinfo_groups": lambda _key: [{"last-delivered-id": b"0-0"}],
            "xpending": lambda *_: self.pending,
            "xautoclaim": lambda *_, **__: (b"0-0", self.claimed, []),
            "xreadgroup": self._read,
            "script": 1,
        }

    def _read(self, *_: object, **__: object) -> Any:
        return [(STREAM_KEY.encode(), self.to_read.pop(0))] if self.to_read else []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(stream_module, "blocking_redis_client", lambda _url, *, protocol: server)
    return server


@pytest.fixture
def stream(server: Server) -> StreamEvents:
    """A mirror that looks for nothing but what is new."""
    stream = StreamEvents("redis://h/0", look_seconds=3_600)
    stream._looked_at = time.monotonic()
    return stream


@pytest.fixture
def looking(server: Server) -> StreamEvents:
    """A mirror that looks around at every read."""
    return StreamEvents("redis://h/0", look_seconds=-1)


def test_the_first_mirror_makes_the_stream_and_may_have_missed_something(server: Server) -> None:
    server.answers["xgroup_create"] = True
    server.stream |= {"entries-added": 9, "length": 4}
    server.server = None
    mappings: list[Any] = []
    server.answers["hset"] = lambda *_, mapping=None: mappings.append(mapping)
    assert StreamEvents("redis://h/0").connect() is True
    assert mappings[-1] == {"stored": 5, "missed": 0, "server": "life"}


def test_a_mirror_that_finds_the_group_has_missed_nothing(server: Server) -> None:
    assert StreamEvents("redis://h/0").connect() is False
    assert "hset" not in server.names()


def test_a_stream_that_cannot_be_made_is_an_error(server: Server) -> None:
    server.answers["xgroup_create"] = ResponseError("WRONGTYPE Operation against a key")
    with pytest.raises(ResponseError):
        StreamEvents("redis://h/0").connect()


@pytest.mark.parametrize("count", [b"-1", b"x", b"", b"1.5", b"9" * 19, b" 1"])
def test_sums_that_are_no_numbers_are_made_anew_and_that_is_told(count: bytes, server: Server) -> None:
    server.counts = [b"5", count]
    with capture_logs() as logs:
        assert StreamEvents("redis://h/0").connect() is True
    assert "stream_counts_made_anew" in [line["event"] for line in logs]


@pytest.mark.parametrize(
    ("count", "is_number"), [(None, True), (b"0", True), (b"9" * 18, True), (b"9" * 19, False), (b"1e3", False)]
)
def test_a_sum_is_a_number_that_the_server_can_count_on(count: bytes | None, is_number: bool) -> None:
    assert _is_number(count) is is_number


@pytest.mark.parametrize(
    ("name", "pending", "idle_seconds", "is_forgotten"),
    [(b"old", 0, 3_601, True), (b"holds", 1, 3_601, False), (b"young", 0, 3_600, False)],
)
def test_only_names_of_mirrors_that_are_gone_and_hold_nothing_are_forgotten(
    name: bytes, pending: int, idle_seconds: int, is_forgotten: bool, server: Server
) -> None:
    server.answers["xinfo_consumers"] = [{"name": name, "pending": pending, "idle": idle_seconds * 1000}]
    StreamEvents("redis://h/0").connect()
    assert server.given("xgroup_delconsumer") == ([(STREAM_KEY, GROUP, name)] if is_forgotten else [])


def test_two_mirrors_of_one_machine_have_names_of_their_own(server: Server) -> None:
    first, second = StreamEvents("redis://h/0"), StreamEvents("redis://h/0")
    assert first._consumer != second._consumer


def test_a_message_says_when_it_came_and_waits_for_its_acknowledgement(server: Server, stream: StreamEvents) -> None:
    came = here() - timedelta(hours=1)
    server.to_read = [entries(b"one", b"two", at=came)]
    one, two = stream.receive(0.2)
    assert not isinstance(one, Blind)
    assert not isinstance(two, Blind)
    assert (one.body, two.body, one.streamed) == (b"one", b"two", True)
    assert abs(one.heard_at - came) < timedelta(seconds=30), "by our clock, and the servers are the same here"
    stream.acknowledge(two)
    ((_, keys, args),) = server.given("script")
    assert (keys, args) == ([STREAM_KEY, STREAM_COUNTS_KEY], [GROUP, one.tag, two.tag])
    stream.acknowledge(two)
    assert len(server.given("script")) == 1, "a second time does nothing"


def test_what_comes_after_an_acknowledged_message_stays(server: Server, stream: StreamEvents) -> None:
    server.to_read = [entries(b"1", b"2", b"3")]
    first, second, third = stream.receive(0.2)
    stream.acknowledge(first)
    stream.acknowledge(third)
    assert [args[1:] for _, _, args in server.given("script")] == [
        [first.tag],  # type: ignore[union-attr]
        [second.tag, third.tag],  # type: ignore[union-attr]
    ]


def test_many_are_acknowledged_so_many_at_once(server: Server, stream: StreamEvents) -> None:
    server.to_read = [entries(*[b"x"] * (MOST_AT_ONCE + 1))]
    stream.acknowledge(stream.receive(0.2)[-1])
    assert [len(args) - 1 for _, _, args in server.given("script")] == [MOST_AT_ONCE, 1]


def test_an_acknowledgement_that_failed_can_be_given_again(server: Server, stream: StreamEvents) -> None:
    server.to_read = [entries(b"1")]
    (item,) = stream.receive(0.2)
    server.answers["script"] = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        stream.acknowledge(item)
    server.answers["script"] = 1
    stream.acknowledge(item)
    assert len(server.given("script")) == 2


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({b"body": b"x" * MAX_MESSAGE_BYTES}, b"x" * MAX_MESSAGE_BYTES),
        ({b"body": b"x" * (MAX_MESSAGE_BYTES + 1)}, NOT_UNDERSTOOD),
        ({b"other": b"x"}, NOT_UNDERSTOOD),
        ({}, NOT_UNDERSTOOD),
    ],
)
def test_what_cannot_be_one_of_celerys_takes_its_place_as_nothing(
    fields: dict[bytes, bytes], body: bytes, server: Server, stream: StreamEvents
) -> None:
    server.to_read = [[(b"1-0", fields)]]
    (item,) = stream.receive(0.2)
    assert not isinstance(item, Blind)
    assert (item.body, item.tag) == (body, b"1-0")


def test_an_entry_that_was_deleted_meanwhile_is_none(server: Server, stream: StreamEvents) -> None:
    server.to_read = [[(None, {}), *entries(b"one")]]
    assert len(stream.receive(0.2)) == 1


@pytest.mark.parametrize(("timeout", "milliseconds"), [(0.2, 200), (0.0004, 1), (0.0, 1), (2.5, 2_500)])
def test_a_read_waits_as_long_as_it_is_told_and_never_for_ever(
    timeout: float, milliseconds: int, server: Server, stream: StreamEvents
) -> None:
    asked: list[dict[str, Any]] = []
    server.answers["xreadgroup"] = lambda *_, **options: asked.append(options)
    assert stream.receive(timeout) == []
    assert asked == [{"count": FIRST_AT_ONCE, "block": milliseconds}], "0 would be without an end"


def test_while_much_comes_more_is_asked_for_up_to_a_bound_and_after_a_rest_few(
    server: Server, stream: StreamEvents
) -> None:
    asked: list[int] = []

    def read(*_: object, count: int, block: int) -> Any:
        asked.append(count)
        return [(STREAM_KEY, entries(*[b"x"] * count))] if len(asked) < 7 else []

    server.answers["xreadgroup"] = read
    for _ in range(8):
        stream.receive(0.2)
    assert asked == [32, 64, 128, 256, 500, 500, 500, 32]


def test_large_messages_are_asked_for_few_at_once(server: Server, stream: StreamEvents) -> None:
    assert stream._next_count([(b"1-0", {b"body": b"x" * (MOST_BYTES_AT_ONCE // 8)})] * 16) == 8
    assert stream._next_count([(b"1-0", {b"body": b"x" * (MOST_BYTES_AT_ONCE + 1)})]) == 1
    assert stream._next_count([]) == FIRST_AT_ONCE


def test_what_a_dead_mirror_had_read_is_taken_over_and_what_is_held_here_is_not_given_twice(
    server: Server, looking: StreamEvents
) -> None:
    mine = entries(b"mine")
    looking._messages(mine, (1, 0))
    server.claimed = [*mine, (b"7-7", {b"body": b"theirs"})]
    assert [item.body for item in looking.receive(0.2) if not isinstance(item, Blind)] == [b"theirs"]
    assert "xreadgroup" not in server.names()


@pytest.mark.parametrize(("count", "looks_again"), [(MOST_AT_ONCE - 1, False), (MOST_AT_ONCE, True)])
def test_after_a_full_portion_more_is_looked_for_at_once(count: int, looks_again: bool, server: Server) -> None:
    stream = StreamEvents("redis://h/0", look_seconds=10)
    stream._looked_at = time.monotonic() - 60
    server.claimed = entries(*[b"x"] * count)
    stream.receive(0.2)
    server.claimed = []
    stream.receive(0.2)
    assert (len(server.given("xautoclaim")) == 2) is looks_again


def drop(server: Server, *, missed: int, told: int = 0) -> None:
    """Let so many messages have been dropped unstored, of which so many are told already."""
    server.stream |= {"entries-added": 10 + missed, "length": 4}
    server.counts = [b"6", b"%d" % told]


@pytest.mark.parametrize(("missed", "told", "is_gap"), [(0, 0, False), (1, 0, True), (1, 1, False), (2, 1, True)])
def test_a_gap_is_what_was_dropped_unstored_and_not_told_yet(
    missed: int, told: int, is_gap: bool, server: Server, looking: StreamEvents
) -> None:
    drop(server, missed=missed, told=told)
    server.stream |= {"max-deleted-entry-id": id_of(here()), "first-entry": (id_of(here()), {})}
    assert any(isinstance(item, Blind) for item in looking.receive(0.2)) is is_gap


def test_a_gap_reaches_from_the_last_that_is_gone_to_the_first_that_is_there(
    server: Server, looking: StreamEvents
) -> None:
    gone, there = here() - timedelta(hours=2), here() - timedelta(hours=1)
    drop(server, missed=3)
    server.stream |= {"max-deleted-entry-id": id_of(gone), "first-entry": (id_of(there), {})}
    (gap,) = looking.receive(0.2)
    assert isinstance(gap, Blind)
    assert gap.streamed
    assert abs(gap.started_at - gone) < timedelta(seconds=30)
    assert abs(gap.ended_at - there) < timedelta(seconds=30)


def test_a_gap_reaches_back_to_the_oldest_that_was_read_and_not_stored(server: Server, looking: StreamEvents) -> None:
    read, gone, last = (here() - timedelta(hours=hours) for hours in (3, 2, 1))
    drop(server, missed=3)
    server.pending = {"min": id_of(read)}
    server.stream |= {"max-deleted-entry-id": id_of(gone), "last-generated-id": id_of(last)}
    (gap,) = looking.receive(0.2)
    assert isinstance(gap, Blind)
    assert abs(gap.started_at - read) < timedelta(seconds=30)
    assert abs(gap.ended_at - last) < timedelta(seconds=30), "where nothing is there any more"


def test_a_gap_concerns_all_nodes_where_mirrors_put_here_what_they_hear(server: Server) -> None:
    server.stream |= {"entries-added": 9, "length": 0, "last-generated-id": id_of(here())}
    shares = Shares(1, frozenset({0}), alone=False)
    stream = StreamEvents("redis://h/0", shares=lambda: shares, look_seconds=-1)
    server.answers["xautoclaim"] = (b"0-0", [], [])
    gaps = [item for item in stream.receive(0.2) if isinstance(item, Blind)]
    assert [gap.streamed for gap in gaps] == [True, False]


def test_a_gap_is_told_until_it_is_stored(server: Server, looking: StreamEvents) -> None:
    drop(server, missed=3)
    told: list[Any] = []
    server.answers["hset"] = lambda key, mapping: told.append((key, mapping["missed"]))
    (first,), (second,) = looking.receive(0.2), looking.receive(0.2)
    assert isinstance(first, Blind)
    assert isinstance(second, Blind)
    assert told == []
    looking.acknowledge(second)
    assert told == [(STREAM_COUNTS_KEY, 3)]


@pytest.mark.parametrize(("ahead_ms", "is_left"), [(-10_000, False), (AHEAD_MS - 10_000, False), (AHEAD_MS, True)])
def test_a_stream_whose_ids_are_ahead_of_the_time_is_made_anew(
    ahead_ms: int, is_left: bool, server: Server, looking: StreamEvents
) -> None:
    server.answers["time"] = (1_000_000, 0)
    server.stream["last-generated-id"] = b"%d-0" % (1_000_000_000 + ahead_ms)
    looking._held[b"1-0"] = 0.0
    with capture_logs() as logs:
        looking.receive(0.2)
    assert ([line["event"] for line in logs] == ["stream_made_anew"]) is is_left
    assert (len(server.given("script")) == 1) is is_left
    assert (looking._held == {}) is is_left, "what was held is in the old one"


def test_a_stream_in_which_something_waits_is_not_made_anew(server: Server, looking: StreamEvents) -> None:
    server.stream["last-generated-id"] = b"18446744073709551615-18446744073709551615"
    server.answers["script"] = 0
    looking._held[b"1-0"] = 0.0
    with capture_logs() as logs:
        looking.receive(0.2)
    assert logs == []
    assert looking._held == {b"1-0": 0.0}


@pytest.mark.parametrize(
    ("server_before", "offset", "is_failover"),
    [
        (b"another", 7, True),
        (b"another", 0, True),
        (b"another", -1, False),
        (b"another", None, False),
        (b"life", 7, False),
        (None, 7, False),
    ],
)
def test_a_server_that_was_a_replica_may_not_have_all_of_the_last_one(
    server_before: bytes | None, offset: int | None, is_failover: bool, server: Server
) -> None:
    server.server = server_before
    server.replication = {} if offset is None else {"second_repl_offset": offset}
    read = here() - timedelta(minutes=5)
    server.answers["xinfo_groups"] = [{"last-delivered-id": id_of(read)}]
    stream = StreamEvents("redis://h/0")
    stream.connect()
    items = stream.receive(0.2)
    assert [isinstance(item, Blind) for item in items] == ([True] if is_failover else [])
    if is_failover:
        (gap,) = items
        assert isinstance(gap, Blind)
        assert abs(gap.started_at - read) < timedelta(seconds=30)
        assert stream.receive(0.2) == [], "once for each connection"


def test_after_a_failover_nothing_was_missed_of_what_was_answered_by_then(server: Server, stream: StreamEvents) -> None:
    stream.receive(0.2)
    answered = stream._answered_at
    server.server, server.replication = b"another", {"second_repl_offset": 7}
    server.answers["xinfo_groups"] = [{"last-delivered-id": id_of(here() - timedelta(hours=3))}]
    stream.connect()
    (gap,) = stream.receive(0.2)
    assert isinstance(gap, Blind)
    assert gap.started_at == answered


def test_after_a_failover_before_anything_was_read_the_gap_begins_now(server: Server) -> None:
    server.server, server.replication = b"another", {"second_repl_offset": 7}
    stream = StreamEvents("redis://h/0")
    before = here()
    stream.connect()
    (gap,) = stream.receive(0.2)
    assert isinstance(gap, Blind)
    assert before <= gap.started_at == gap.ended_at


@pytest.mark.parametrize(
    ("at", "heard"),
    [
        (NOW - timedelta(hours=1), NOW - timedelta(hours=1)),
        (NOW, NOW),
        (NOW + timedelta(milliseconds=1), NOW),
        (NOW - timedelta(seconds=LONGEST_WAIT_SECONDS), NOW - timedelta(seconds=LONGEST_WAIT_SECONDS)),
        (NOW - timedelta(seconds=LONGEST_WAIT_SECONDS) - timedelta(milliseconds=1), NOW),
    ],
)
def test_an_id_tells_the_time_only_where_it_can_be_true(at: datetime, heard: datetime) -> None:
    assert _heard_at(id_of(at), 0.0, here=NOW) == heard


def test_an_id_beyond_the_calendar_is_no_error() -> None:
    assert _heard_at(b"18446744073709551615-18446744073709551615", 0.0, here=NOW) == NOW
    assert _heard_at(b"0-1", 0.0, here=NOW) == NOW


def test_the_servers_clock_may_go_wrong_and_the_time_is_ours() -> None:
    assert _heard_at(id_of(NOW - timedelta(hours=5)), 3_600.0, here=NOW) == NOW - timedelta(hours=4)


def test_a_source_that_is_closed_has_let_go_of_its_client(server: Server, stream: StreamEvents) -> None:
    probe: Callable[[], None] = stream.probe
    probe()
    stream.close()
    assert (server.closed, server.commands) == (1, [])
