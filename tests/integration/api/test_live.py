"""What an open page is told by `GET /live/stream`."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest

from api.routing import API_PREFIX
from api.streams import endless, live_hub
from api.streams import live as live_module
from domain.states import EventType
from settings import Settings
from tests.facts import after, told
from tests.integration.api.serving import serving
from tests.integration.api.test_events import raise_alert, tell
from tests.patience import PATIENCE_SECONDS, wait_for

Frames = Iterator[tuple[str, dict[str, Any]]]


@contextmanager
def following(api: httpx.Client, topics: str, **headers: str) -> Iterator[Frames]:
    with api.stream(
        "GET", "/live/stream", params={"topics": topics}, headers=headers, timeout=PATIENCE_SECONDS
    ) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield frames_of(answer.iter_lines())


def frames_of(lines: Iterator[str]) -> Frames:
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def next_hint(frames: Frames, topic: str, *, after: int = 0) -> int:
    return next(
        int(data["version"])
        for name, data in frames
        if name == "changed" and data["topic"] == topic and data["version"] > after
    )


def heard_until(frames: Frames, topic: str) -> set[str]:
    """The topics of all frames up to the first of this one."""
    heard: set[str] = set()
    for _, data in frames:
        heard.add(data["topic"])
        if data["topic"] == topic:
            break
    return heard


def start(database_url: str, task_id: str) -> None:
    tell(database_url, told(EventType.STARTED, 1, task_id=task_id))


def test_a_pulse_tells_how_many_tasks_marks_hold_back(api: httpx.Client) -> None:
    for name in ("pay", "pay", "mail"):
        api.post("/tasks", json={"task_name": name})
    mark = {"service_name": "task:pay", "strategy": "queue_only"}
    assert api.post("/resilience/degradation/mark", json=mark).status_code == 200
    with following(api, "pulse") as frames:
        assert next((data["held"], data["held_by"]) for _, data in frames) == (2, ["task:pay"])
        api.post("/tasks", json={"task_name": "pay"})
        assert any(data["held"] == 3 for _, data in frames)
    api.post("/resilience/degradation/clear", json={"service_name": "task:pay"})
    with following(api, "pulse") as frames:
        assert next((data["held"], data["held_by"]) for _, data in frames) == (0, [])


def test_a_pulse_tells_how_the_whole_is(api: httpx.Client, database_url: str) -> None:
    start(database_url, "a")
    with following(api, "pulse") as frames:
        name, pulse = next(frames)
        assert name == "pulse"
        assert set(pulse) == {
            *(
                "at",
                "waiting",
                "due",
                "held",
                "held_by",
                "running",
                "done_per_s",
                "failed_per_s",
                "mean_wait",
                "workers",
            ),
            *("alerts", "health", "marks", "mirror_lag", "build"),
        }
        assert (pulse["running"], pulse["waiting"], pulse["done_per_s"]) == (1, 0, 0.0)
        assert pulse["workers"] == {"active": 0, "paused": 0, "draining": 0, "offline": 0}
        now = (datetime.now(UTC) - after(0)).total_seconds()
        tell(database_url, told(EventType.SUCCEEDED, 2, at=now, task_id="a"))
        assert any(each["running"] == 0 and each["done_per_s"] == 0.0167 for _, each in frames)
    # Whoever comes later is told the same: it is counted whether or not anybody listens.
    with following(api, "pulse") as frames:
        assert next(data["done_per_s"] for _, data in frames) == 0.0167


def test_each_topic_is_told_at_first_and_when_it_changes(api: httpx.Client, database_url: str) -> None:
    with following(api, "tasks,alerts") as frames:
        first = {data["topic"]: data["version"] for _, data in (next(frames), next(frames))}
        assert set(first) == {"tasks", "alerts"}
        start(database_url, "a")
        name, hint = next(frames)
        assert (name, hint["topic"]) == ("changed", "tasks")
        assert hint["version"] > first["tasks"]


def test_who_watches_a_task_is_told_when_it_changes_and_of_no_other(api: httpx.Client, database_url: str) -> None:
    start(database_url, "a")
    with following(api, "task:a,task:not-there") as frames:
        first = {data["topic"] for _, data in (next(frames), next(frames))}
        assert first == {"task:a", "task:not-there"}
        start(database_url, "b")
        tell(database_url, told(EventType.SUCCEEDED, 2, task_id="a"))
        assert next(frames)[1]["topic"] == "task:a"


@pytest.mark.parametrize("topics", ["", "task", "workflow:1", "pulse,,tasks"])
def test_what_is_no_topic_is_refused(api: httpx.Client, topics: str) -> None:
    answer = api.get("/live/stream", params={"topics": topics})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "topics"


def test_nothing_is_read_while_nobody_listens(api: httpx.Client, database_url: str) -> None:
    def connections() -> int:
        with psycopg.connect(database_url) as connection:
            query = "select count(*) from pg_stat_activity where application_name = 'celeriac live'"
            row = connection.execute(query).fetchone()
            assert row is not None
            return int(row[0])

    assert connections() == 0
    with following(api, "pulse") as frames:
        next(frames)
        assert connections() == 1


def test_a_limited_key_is_told_of_no_more_than_it_sees(
    api: httpx.Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "BLIND_SECONDS", 0.05)
    monkeypatch.setattr(live_hub, "MAX_STREAMS_OF_ONE", 1)
    monkeypatch.setattr(endless, "ASK_AGAIN_SECONDS", 0.5)
    admin = api.post("/api-keys", json={"name": "admin", "scopes": ["admin", "read"]}).json()["key"]
    # The first key is known a moment after it was made.
    wait_for(lambda: api.get("/alerts").status_code == 401)
    api.headers["Authorization"] = f"Bearer {admin}"
    made = api.post("/api-keys", json={"name": "etl", "scopes": ["read"], "queues": ["etl"]}).json()
    api.headers["Authorization"] = f"Bearer {made['key']}"
    for topic in ("pulse", "workers", "alerts", "queues"):
        assert api.get("/live/stream", params={"topics": f"tasks,{topic}"}).json()["code"] == "FORBIDDEN"
    tell(database_url, told(EventType.STARTED, 1, task_id="ours"))
    tell(database_url, told(EventType.STARTED, 1, task_id="theirs"), queue="mail")
    with following(api, "tasks,task:ours,task:theirs") as frames:
        heard_until(frames, "task:ours")
        # Nothing changes, and it is told nevertheless.
        next_hint(frames, "tasks", after=next_hint(frames, "tasks"))
        refused = api.get("/live/stream", params={"topics": "tasks"})
        assert (refused.status_code, refused.json()["code"]) == (503, "OVERLOADED")
        api.headers["Authorization"] = f"Bearer {admin}"
        tell(database_url, told(EventType.SUCCEEDED, 2, task_id="theirs"), queue="mail")
        raise_alert(database_url)
        tell(database_url, told(EventType.SUCCEEDED, 2, task_id="ours"))
        heard = heard_until(frames, "task:ours")
        api.delete(f"/api-keys/{made['key_id']}").raise_for_status()
        assert heard | {data["topic"] for _, data in frames} == {"tasks", "task:ours"}


def test_the_last_that_a_page_is_told_is_that_the_server_stops(settings: Settings) -> None:
    begun = threading.Event()

    def follow(base: str) -> list[str]:
        names = []
        with httpx.Client(base_url=base + API_PREFIX, verify=False) as client, following(client, "pulse") as frames:
            for name, _ in frames:
                names.append(name)
                begun.set()
        return names

    with ThreadPoolExecutor(1) as pool:
        with serving(settings) as base:
            names = pool.submit(follow, base)
            assert begun.wait(PATIENCE_SECONDS)
        # It has stopped with the stream open, which ended whole.
        assert names.result(0)[-1] == "bye"
