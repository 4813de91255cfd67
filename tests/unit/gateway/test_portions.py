"""Long lists and hashes are read a bounded part at a time."""

from typing import Any

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from gateway import portions
from gateway.portions import FEW, MOST_BYTES, MOST_MESSAGES, read_fields, read_hash, read_list
from tests.fakes.scripted_redis import ScriptedRedis

OTHER_KIND = ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")


def server_with_list(messages: list[bytes], *, runs_scripts: bool = True) -> Any:
    """A server with one list, of which a script returns as much as it is asked for."""

    def run(*given: Any) -> list[bytes]:
        _, _, _, start, count, _ = given
        return messages[start : start + count]

    return ScriptedRedis(
        eval=run if runs_scripts else NoPermissionError("no eval"),
        lrange=lambda _key, start, last: messages[start : last + 1],
    )


def server_with_hash(entries: dict[bytes, bytes], *, fields: list[bytes] | None = None) -> Any:
    """A server with one hash; `fields` are those that it names, if some have gone since."""
    return ScriptedRedis(
        hkeys=lambda _key: list(entries) if fields is None else fields,
        hstrlen=lambda _key, field: len(entries.get(field, b"")),
        hmget=lambda _key, asked: [entries.get(field) for field in asked],
    )


async def portions_of(reading: Any) -> list[list[Any]]:
    return [portion async for portion in reading]


@pytest.mark.parametrize("runs_scripts", [True, False])
@pytest.mark.parametrize("length", [0, 1, FEW, FEW + 1, MOST_MESSAGES, MOST_MESSAGES + 1])
async def test_all_of_a_list_is_read_once_and_in_its_order_whether_or_not_scripts_may_run(
    length: int, runs_scripts: bool
) -> None:
    messages = [b"%d" % number for number in range(length)]
    server = server_with_list(messages, runs_scripts=runs_scripts)
    found = await portions_of(read_list(server, "q"))
    assert [message for portion in found for message in portion] == messages
    assert all(0 < len(portion) <= (MOST_MESSAGES if runs_scripts else FEW) for portion in found)


@pytest.mark.parametrize("runs_scripts", [True, False])
@pytest.mark.parametrize("most", [0, 1, FEW - 1, FEW, FEW + 1, 29])
async def test_no_more_is_read_than_was_asked_for(most: int, runs_scripts: bool) -> None:
    messages = [b"%d" % number for number in range(30)]
    server = server_with_list(messages, runs_scripts=runs_scripts)
    found = await portions_of(read_list(server, "q", most=most))
    assert [message for portion in found for message in portion] == messages[:most]
    if not most:
        assert server.commands == []


async def test_a_portion_is_bounded_in_bytes_by_the_server_itself() -> None:
    server = server_with_list([b"x"])
    await portions_of(read_list(server, "q"))
    assert server.given("eval") == [
        (portions._READ, 1, "q", 0, MOST_MESSAGES, MOST_BYTES),
        (portions._READ, 1, "q", 1, MOST_MESSAGES, MOST_BYTES),
    ]


async def test_a_portion_that_came_out_short_is_followed_from_where_it_ended() -> None:
    """The server ends a portion where the bytes are full."""
    answers = iter([[b"large"], [b"large"], []])
    server: Any = ScriptedRedis(eval=lambda *_: next(answers))
    assert await portions_of(read_list(server, "q", most=10)) == [[b"large"], [b"large"]]
    assert [(given[3], given[4]) for given in server.given("eval")] == [(0, 10), (1, 9), (2, 8)]


async def test_a_key_of_another_kind_holds_nothing() -> None:
    server: Any = ScriptedRedis(eval=OTHER_KIND, hkeys=OTHER_KIND)
    assert await portions_of(read_list(server, "q")) == []
    assert await portions_of(read_hash(server, "unacked")) == []


@pytest.mark.parametrize("words", ["OOM command not allowed", "LOADING", "BUSY running a script", "x WRONGTYPE"])
async def test_any_other_refusal_is_no_empty_list(words: str) -> None:
    server: Any = ScriptedRedis(eval=ResponseError(words), hkeys=ResponseError(words))
    with pytest.raises(ResponseError):
        await portions_of(read_list(server, "q"))
    with pytest.raises(ResponseError):
        await portions_of(read_hash(server, "unacked"))


async def test_a_hash_without_fields_is_asked_for_none() -> None:
    server = server_with_hash({})
    assert await portions_of(read_hash(server, "unacked")) == []
    assert server.names() == ["hkeys"]


async def test_what_has_gone_since_its_field_was_named_is_left_out() -> None:
    server = server_with_hash({b"a": b"1", b"c": b"3"}, fields=[b"a", b"b", b"c"])
    assert await portions_of(read_hash(server, "unacked")) == [[(b"a", b"1"), (b"c", b"3")]]


async def test_entries_keep_the_order_in_which_they_were_asked_for() -> None:
    server = server_with_hash({b"a": b"1", b"b": b"2", b"c": b"3"})
    found = await portions_of(read_fields(server, "unacked", fields=[b"c", b"a", b"b"]))
    assert found == [[(b"c", b"3"), (b"a", b"1"), (b"b", b"2")]]


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([10], [1]),
        ([6, 4], [2]),
        ([6, 5], [1, 1]),
        ([11], [1]),
        ([11, 1, 1], [1, 2]),
        ([1, 11, 1], [1, 1, 1]),
        ([0, 0, 10], [3]),
        ([5, 5, 5, 5, 1], [2, 2, 1]),
    ],
)
async def test_entries_come_together_up_to_the_bound_and_a_larger_one_comes_alone(
    sizes: list[int], counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "MOST_BYTES", 10)
    entries = {b"%d" % number: b"x" * size for number, size in enumerate(sizes)}
    found = await portions_of(read_fields(server_with_hash(entries), "unacked", fields=list(entries)))
    assert [len(portion) for portion in found] == counts
    assert dict(entry for portion in found for entry in portion) == entries


async def test_many_fields_are_asked_for_so_many_at_once() -> None:
    entries = {b"%d" % number: b"x" for number in range(MOST_MESSAGES + 1)}
    server = server_with_hash(entries)
    assert [len(each) for each in await portions_of(read_hash(server, "unacked"))] == [MOST_MESSAGES, 1]
    assert server.executed == [False, False], "a transaction would hold up the whole server"
