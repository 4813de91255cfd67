from typing import Any

import pytest

from domain.redis_keys import STREAM_KEY, share_key
from domain.shares import MOST_SHARES
from gateway.events.backlog import Backlog, count_in_queue, read_stream_backlog
from gateway.events.rabbit import DURABLE_QUEUE
from gateway.events.share_streams import PACKET_FIELD
from tests.fakes.scripted_redis import ScriptedRedis


def server_with(count: int, oldest: list[bytes], *, now: tuple[int, int], shares: bytes | None = None) -> Any:
    return ScriptedRedis(xlen=count, xrange=[(each, {b"body": b"{}"}) for each in oldest], time=now, get=shares)


async def test_what_waits_is_counted_and_its_age_is_that_of_the_oldest_by_the_servers_clock() -> None:
    server = server_with(7, [b"100000250-3"], now=(100_002, 750_000))
    assert await read_stream_backlog(server) == Backlog(7, 2.5)
    assert server.commands[1:] == [("xlen", STREAM_KEY), ("xrange", STREAM_KEY), ("time",)]
    assert server.executed == [True], "else a message could be stored between the questions"


async def test_what_waits_in_the_shares_is_as_old_as_the_oldest_message_in_a_packet() -> None:
    server = server_with(0, [], now=(100, 0), shares=b"2")
    lengths = {STREAM_KEY: 0, share_key(0): 3, share_key(1): 1}
    packets: dict[str, list[Any]] = {
        STREAM_KEY: [],
        share_key(0): [(b"99000-0", {PACKET_FIELD: b"[[98500,true,{}],[98000,true,{}]]"})],
        share_key(1): [(b"99000-0", {PACKET_FIELD: b"none"})],
    }
    server.answers |= {"xlen": lengths.get, "xrange": lambda key, count: packets[key]}
    assert await read_stream_backlog(server) == Backlog(4, 2.0)


@pytest.mark.parametrize(("stored", "asked"), [(b"x", 1), (b"-1", 1), (b"1000000", MOST_SHARES + 1)])
async def test_only_so_many_shares_are_asked_for(stored: bytes, asked: int) -> None:
    server = server_with(0, [], now=(100, 0), shares=stored)
    await read_stream_backlog(server)
    assert len(server.given("xlen")) == asked


async def test_where_nothing_waits_nothing_is_old() -> None:
    assert await read_stream_backlog(server_with(0, [], now=(100, 0))) == Backlog(0, 0.0)


@pytest.mark.parametrize("entry_id", [b"100001-0", b"18446744073709551615-18446744073709551615"])
async def test_a_message_from_the_future_has_no_negative_age(entry_id: bytes) -> None:
    assert await read_stream_backlog(server_with(1, [entry_id], now=(100, 0))) == Backlog(1, 0.0)


async def test_on_rabbitmq_what_waits_lies_in_the_durable_queue() -> None:
    class Queues:
        async def depths(self, names: list[str]) -> dict[str, int]:
            assert names == [DURABLE_QUEUE]
            return {DURABLE_QUEUE: 4}

    queues: Any = Queues()
    assert await count_in_queue(queues) == 4
