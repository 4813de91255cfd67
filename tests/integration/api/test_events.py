"""What a client is told by `GET /events` and `/events/stream`, and by nothing else."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from api.routing import API_PREFIX
from api.streams import endless as stream_module
from api.streams import hub as hub_module
from domain.facts import Fact
from domain.feed import Change, ChangeType
from domain.identities import Identity
from domain.states import EventType
from services.feed import tell as put
from services.record import News, record
from settings import Settings
from store.engine import open_engine
from tests.facts import told
from tests.integration.api.serving import serving
from tests.patience import PATIENCE_SECONDS, wait_for

SUCCEEDED, STARTED = EventType.SUCCEEDED, EventType.STARTED


def commit(database_url: str, work: Callable[[AsyncConnection], Awaitable[object]]) -> None:
    """Do this in a transaction of its own."""

    async def run() -> None:
        engine = open_engine(database_url, pool_size=1)
        async with engine.begin() as connection:
            await work(connection)
        await engine.dispose()

    asyncio.run(run())


def tell(database_url: str, *facts: Fact, queue: str = "etl") -> None:
    identities = [Identity(fact.task_id, task_name="shop.pay", queue_name=queue) for fact in facts]
    commit(database_url, lambda connection: record(connection, News(facts, identities=identities)))


def tell_ends(database_url: str, *task_ids: str, queue: str = "etl") -> None:
    for task_id in task_ids:
        tell(database_url, told(SUCCEEDED, 2, task_id=task_id), queue=queue)


def raise_alert(database_url: str) -> None:
    commit(database_url, lambda connection: put(connection, [Change(ChangeType.ALERT_RAISED, "x")]))


class Stream:
    """Frames of an open stream, read as an EventSource does."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.last_id = ""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        name, data = "message", ""
        for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "id":
                self.last_id = value
            elif field == "event":
                name = value
            elif field == "data":
                data += value
            elif not line and data:
                yield name, json.loads(data)
                name, data = "message", ""


@contextmanager
def following(api: httpx.Client, last_id: str = "", **params: Any) -> Iterator[Stream]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with api.stream("GET", "/events/stream", params=params, headers=headers, timeout=PATIENCE_SECONDS) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield Stream(answer.iter_lines())


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["data"].get("task_id") for row in answer.json()["data"]]


def test_pages_go_on_where_the_one_before_ended(api: httpx.Client, database_url: str) -> None:
    tell_ends(database_url, "a", "b", "c")
    first = api.get("/events", params={"limit": 2})
    assert ids(first) == ["a", "b"]
    page = first.json()
    assert (page["has_more"], page["gap"], page["reset"]) == (True, None, False)
    row = page["data"][0]
    assert (row["type"], row["data"]["status"], row["data"]["previous"]) == ("task.completed", "COMPLETED", "PENDING")
    assert (row["data"]["task_name"], row["data"]["queue_name"]) == ("shop.pay", "etl")
    second = api.get("/events", params={"after": page["next_cursor"]})
    assert ids(second) == ["c"]
    assert ids(api.get("/events", params={"after": second.json()["next_cursor"]})) == []
    assert ids(api.get("/events", params={"after": page["data"][1]["id"]})) == ["c"]
    assert ids(api.get("/events", params={"after": "now"})) == []


def test_only_what_is_wanted_is_told(api: httpx.Client, database_url: str) -> None:
    tell_ends(database_url, "a")
    tell(database_url, told(STARTED, 1, task_id="b"), queue="mail")
    raise_alert(database_url)
    assert ids(api.get("/events", params={"types": "task.*"})) == ["a", "b"]
    assert ids(api.get("/events", params={"types": ["task.started", "alert.*"]})) == ["b", None]
    assert ids(api.get("/events", params={"queue_name": "etl"})) == ["a"]
    assert ids(api.get("/events", params={"status": "RUNNING", "task_name": "shop.pay"})) == ["b"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"types": "task.exploded"}, "types"),
        ({"types": ["task.*"] * 51}, "types"),
        ({"after": "yesterday"}, "after"),
        ({"after": "0" * 65}, "after"),
        ({"limit": 0}, "limit"),
        ({"status": "LOST"}, "status"),
        ({"since": "now"}, "since"),
    ],
)
def test_what_makes_no_sense_is_refused(api: httpx.Client, query: dict[str, Any], field: str) -> None:
    answer = api.get("/events", params=query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_a_stream_tells_what_comes_and_goes_on_behind_its_cursor(api: httpx.Client, database_url: str) -> None:
    tell_ends(database_url, "before")
    with following(api, types="task.completed") as stream:
        frames = iter(stream)
        assert next(frames)[0] == "hello"
        tell(database_url, told(STARTED, 1, task_id="a"))
        tell_ends(database_url, "a", "b")
        name, data = next(frames)
        assert (name, data["type"], data["data"]["task_id"]) == ("task.completed", "task.completed", "a")
        last_id = stream.last_id
    tell_ends(database_url, "c")
    with following(api, last_id) as stream:
        frames = iter(stream)
        assert [next(frames)[1].get("data", {}).get("task_id") for _ in range(3)] == [None, "b", "c"]
    assert api.get("/events/stream", headers={"Last-Event-ID": "x"}).status_code == 400


def test_a_stream_over_a_restart_misses_nothing_and_the_server_stops_at_once(settings: Settings) -> None:
    expected = [str(number) for number in range(20)]
    database_url = str(settings.database_url)
    seen: list[str] = []
    last_id, begun = "now", threading.Event()

    def follow(base: str) -> None:
        nonlocal last_id
        with httpx.Client(base_url=base + API_PREFIX) as client, following(client, after=last_id) as stream:
            for name, data in stream:
                if name.startswith("task."):
                    seen.append(data["data"]["task_id"])
                last_id = stream.last_id
                begun.set()
                if seen == expected:
                    return

    with ThreadPoolExecutor(1) as pool:
        with serving(settings) as base:
            first = pool.submit(follow, base)
            assert begun.wait(PATIENCE_SECONDS)
            tell_ends(database_url, *expected[:10])
            wait_for(lambda: len(seen) >= 5)
        # It has stopped with the stream open, which ended whole.
        first.result(0)
        tell_ends(database_url, *expected[10:])
        with serving(settings) as base:
            pool.submit(follow, base).result(PATIENCE_SECONDS)
    assert seen == expected


def test_nothing_changes_and_the_client_still_hears_that_the_stream_is_there(
    api: httpx.Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 0.05)
    with following(api, types="alert.*") as stream:
        lines = stream._lines
        before = next(line for line in lines if line.startswith("id: "))
        tell_ends(database_url, "not-wanted")
        assert wait_for(lambda: next(line for line in lines if line.startswith("id: ")) != before)


def test_what_is_further_behind_than_the_ring_is_read_from_the_table(
    api: httpx.Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "CHUNK", 2)
    expected = [str(number) for number in range(7)]
    begin = api.get("/events", params={"after": "now"}).json()["next_cursor"]
    tell_ends(database_url, *expected)
    with following(api), following(api, after=begin) as stream:
        told_ids = (data["data"]["task_id"] for name, data in stream if name.startswith("task."))
        assert [next(told_ids) for _ in expected] == expected


def test_a_revoked_key_and_a_limited_one_are_told_no_more_than_they_may(
    api: httpx.Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "ASK_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(hub_module, "MAX_STREAMS_OF_ONE", 1)
    admin = api.post("/api-keys", json={"name": "admin", "scopes": ["admin", "read"]}).json()["key"]
    api.headers["Authorization"] = f"Bearer {admin}"
    limited = api.post("/api-keys", json={"name": "etl", "scopes": ["read"], "queues": ["etl"]})
    assert limited.status_code == 201, limited.text
    tell_ends(database_url, "theirs", queue="mail")
    tell_ends(database_url, "ours")
    raise_alert(database_url)
    headers = {"Authorization": f"Bearer {limited.json()['key']}"}
    assert ids(api.get("/events", headers=headers)) == ["ours"]
    begin = api.get("/events", params={"limit": 1}).json()["data"][0]["id"]
    with httpx.Client(base_url=api.base_url, headers=headers) as theirs, following(theirs, after=begin) as stream:
        frames = iter(stream)
        assert [next(frames)[1].get("data", {}).get("task_id") for _ in range(2)] == [None, "ours"]
        refused = theirs.get("/events/stream")
        assert (refused.status_code, refused.json()["code"]) == (503, "OVERLOADED")
        api.delete(f"/api-keys/{limited.json()['key_id']}").raise_for_status()
        assert list(frames) == []


def test_a_dropped_day_is_a_gap_in_a_stream(api: httpx.Client, database_url: str) -> None:
    begin = api.get("/events", params={"after": "now"}).json()["next_cursor"]
    tell_ends(database_url, "dropped")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "update feed_state set (dropped_xact, dropped_change_id) = (select xact, change_id from feed)"
        )
        connection.execute("truncate feed")
    with following(api, after=begin) as stream:
        frames = iter(stream)
        assert next(frames)[0] == "hello"
        name, gap = next(frames)
        assert (name, gap["from"]) == ("gap", begin)
    foreign = "0" * 12 + ".1.1"
    assert api.get("/events", params={"after": foreign}).json()["reset"] is True
    with following(api, after=foreign) as stream:
        frames = iter(stream)
        assert [next(frames)[0] for _ in range(2)] == ["hello", "reset"]
