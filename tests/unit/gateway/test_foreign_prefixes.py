"""Workers under another prefix are found a little at a time, and told of in a sentence that can be acted on."""

import json
import shlex
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, ResponseError

from domain.broker_options import MAX_TEXT, BrokerOptions, OptionDifference
from domain.errors import BrokerUnavailable
from gateway import foreign_prefixes
from gateway.foreign_prefixes import KEYS_AT_ONCE, MOST_PREFIXES, MOST_SCANS, OPTION, ForeignPrefixes
from gateway.layout import Layout
from tests.fakes.scripted_redis import ScriptedRedis

ENDING = "_kombu.binding.celery.pidbox"


def server_with(
    monkeypatch: pytest.MonkeyPatch, listeners: dict[str, int], *, keys: list[bytes] | None = None
) -> ScriptedRedis:
    """A server with the keys of workers under these prefixes, of which so many listen."""
    found = [f"{prefix}{ENDING}".encode() for prefix in listeners] if keys is None else keys
    by_channel = {f"{prefix}/0.celery.pidbox": count for prefix, count in listeners.items()}
    server = ScriptedRedis(
        scan=lambda *_args, **_options: (0, found), publish=lambda channel, _message: by_channel.get(channel, 0)
    )
    monkeypatch.setattr(foreign_prefixes, "redis_client", lambda _url: server)
    return server


def search(*, prefix: str = "", seconds: float = 0.0) -> ForeignPrefixes:
    return ForeignPrefixes("redis://h/0", Layout(BrokerOptions(global_keyprefix=prefix)), asked_each_seconds=seconds)


async def test_workers_of_another_prefix_are_told_of_with_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    server_with(monkeypatch, {"": 2, "shop:": 3})
    assert await search().differences() == {
        OPTION: OptionDifference(
            OPTION,
            3,
            'Workers on this broker use the global_keyprefix "shop:", and we another: they are not heard and our '
            "tasks do not reach them. "
            'Set CELERIAC_BROKER_TRANSPORT_OPTIONS=\'{"global_keyprefix": "shop:"}\'',
        )
    }


async def test_who_has_a_prefix_is_told_of_workers_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    server_with(monkeypatch, {"": 1, "shop:": 3})
    difference = (await search(prefix="shop:").differences())[OPTION]
    assert difference.workers == 1
    assert difference.meaning.endswith("Set CELERIAC_BROKER_TRANSPORT_OPTIONS='{}'")


@pytest.mark.parametrize(("prefix", "listeners"), [("", {}), ("", {"": 5}), ("shop:", {"shop:": 1}), ("", {"old:": 0})])
async def test_where_nobody_listens_elsewhere_there_is_no_difference(
    prefix: str, listeners: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    server_with(monkeypatch, listeners)
    assert await search(prefix=prefix).differences() == {}


async def test_our_own_prefix_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    server = server_with(monkeypatch, {"shop:": 1, "other:": 1})
    await search(prefix="shop:").differences()
    assert [channel for channel, _ in server.given("publish")] == ["other:/0.celery.pidbox"]


async def test_a_worker_that_has_gone_is_no_longer_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    server = server_with(monkeypatch, {"shop:": 1})
    prefixes = search()
    assert OPTION in await prefixes.differences()
    server.answers["publish"] = 0
    assert await prefixes.differences() == {}


async def test_a_prefix_is_asked_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    server = server_with(monkeypatch, {"shop:": 1})
    prefixes = search(seconds=3_600)
    first = await prefixes.differences()
    assert await prefixes.differences() == first
    assert len(server.given("publish")) == 1


async def test_a_look_goes_through_only_so_many_keys_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    server = server_with(monkeypatch, {})
    asked: list[tuple[int, Any]] = []

    def scan(cursor: int, **options: Any) -> tuple[int, list[bytes]]:
        asked.append((cursor, options))
        return (cursor + 1) % 15, []

    server.answers["scan"] = scan
    prefixes = search()
    await prefixes.differences()
    assert [cursor for cursor, _ in asked] == list(range(MOST_SCANS))
    assert asked[0][1] == {"match": f"*{ENDING}", "count": KEYS_AT_ONCE}
    await prefixes.differences()
    assert [cursor for cursor, _ in asked[MOST_SCANS:]] == list(range(MOST_SCANS, 15)), "and ends where it began"


async def test_no_more_prefixes_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    server_with(monkeypatch, {f"p{number:02}:": 1 for number in range(MOST_PREFIXES + 5)})
    difference = (await search().differences())[OPTION]
    assert difference.workers == MOST_PREFIXES
    assert len(difference.meaning) < 300


@pytest.mark.parametrize(("length", "is_told"), [(MAX_TEXT, True), (MAX_TEXT + 1, False)])
async def test_a_prefix_that_nobody_could_set_is_not_told_of(
    length: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_with(monkeypatch, {"x" * length: 1})
    assert (OPTION in await search().differences()) is is_told


async def test_a_hostile_prefix_writes_no_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    server_with(monkeypatch, {"a\n\x1b[31m\x00\x7fb": 1})
    named = (await search().differences())[OPTION].meaning.partition("Set ")[0]
    assert '"a??[31m??b"' in named
    assert not any(ord(character) < 32 or ord(character) == 127 for character in named)


async def test_a_hostile_prefix_runs_nothing_in_the_shell_of_who_copies_the_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prefix = "'; touch /tmp/x; echo '"
    server_with(monkeypatch, {prefix: 1})
    command = (await search().differences())[OPTION].meaning.partition("Set ")[2]
    (word,) = shlex.split(command)
    assert json.loads(word.partition("=")[2]) == {OPTION: prefix}


async def test_a_key_that_is_no_text_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    server_with(monkeypatch, {"shop:": 1}, keys=[b"\xff\xfe" + ENDING.encode(), b"shop:" + ENDING.encode()])
    assert (await search().differences())[OPTION].workers == 1


@pytest.mark.parametrize("command", ["scan", "publish"])
async def test_who_may_not_look_is_told_of_no_difference(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = server_with(monkeypatch, {"shop:": 1})
    server.answers[command] = NoPermissionError("no right")
    assert await search().differences() == {}


@pytest.mark.parametrize("error", [RedisConnectionError("refused"), OSError("no route"), ResponseError("LOADING")])
async def test_a_server_that_is_away_is_an_unavailable_broker(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_with(monkeypatch, {"shop:": 1})
    server.answers["scan"] = error
    prefixes = search()
    with pytest.raises(BrokerUnavailable) as refusal:
        await prefixes.differences()
    assert refusal.value.__cause__ is error
    await prefixes.close()
    assert server.closed == 1


async def test_rabbitmq_has_no_prefixes() -> None:
    prefixes = ForeignPrefixes("amqp://h//", Layout())
    assert await prefixes.differences() == {}
    await prefixes.close()
