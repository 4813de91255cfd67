"""The list of tasks: every filter, every order, pages by offset and by cursor."""

from itertools import pairwise
from typing import Any, get_args
from urllib.parse import quote

import httpx
import psycopg
import pytest

from api.schemas.filters import SortBy
from api.schemas.tasks import NO_RESULT
from domain.identities import MAX_ID_BYTES
from domain.states import EventType
from settings import Settings
from store.queries.tasks.documents import SHOWN_ERROR
from tests.integration.api.ends import finish, tell

ECHO = {"task_name": "celeriac.echo"}


def submit(api: httpx.Client, *items: dict[str, Any]) -> list[str]:
    answer = api.post("/tasks/batch", json={"tasks": [ECHO | item for item in items]})
    assert answer.status_code == 201, answer.text
    task_ids: list[str] = answer.json()["task_ids"]
    return task_ids


def page(api: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = api.get("/tasks", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["tasks"] == found["data"]
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [row["task_id"] for row in found["tasks"]]


@pytest.fixture
def five(api: httpx.Client, settings: Settings) -> list[str]:
    """Tasks of every status, in the order of their submission."""
    task_ids = submit(
        api,
        {"priority": 1, "queue_name": "b"},
        {"priority": 3, "queue_name": "a", "task_name": "celeriac.add"},
        {"priority": 8, "queue_name": "a"},
        {"priority": 8, "queue_name": "c"},
        {"priority": 5, "queue_name": "a", "task_name": "celeriac.fail"},
    )
    url = settings.database_url or ""
    tell(url, task_ids[1], EventType.RECEIVED, EventType.STARTED)
    for task_id, end, seconds in zip(
        task_ids[2:], (EventType.SUCCEEDED, EventType.REVOKED, EventType.FAILED), (3, 1, 2), strict=True
    ):
        finish(url, task_id, end=end, seconds=seconds)
    return task_ids


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"status": "FAILED"}, [4]),
        ({"status": ["PENDING", "RUNNING"]}, [1, 0]),
        ({"status": ["CANCELLED", "CANCELLED"]}, [3]),
        ({"priority": 8}, [3, 2]),
        ({"queue_name": "a"}, [4, 2, 1]),
        ({"task_name": "celeriac.add"}, [1]),
        ({"task_name": "celeriac.a"}, []),
        ({"queue_name": "a", "status": "COMPLETED", "priority": 8}, [2]),
        ({"queue_name": "a", "priority": 1}, []),
        ({"created_after": "2026-01-24"}, [4, 3, 2, 1, 0]),
        ({"created_before": "2026-01-24"}, []),
        ({"phase": "dispatching"}, [0]),
        ({"phase": "scheduled"}, []),
        ({"phase": "running"}, [1]),
        ({"phase": "finished"}, [4, 3, 2]),
        ({"phase": "finished", "status": "FAILED"}, [4]),
        ({"is_replay": "true"}, []),
        ({"is_replay": "false"}, [4, 3, 2, 1, 0]),
    ],
)
def test_every_filter_that_is_given_must_hold(
    api: httpx.Client, five: list[str], query: dict[str, Any], expected: list[int]
) -> None:
    found = page(api, **query)
    assert [five.index(task_id) for task_id in ids(found)] == expected
    assert (found["total"], found["total_is_exact"], found["next_cursor"]) == (len(expected), True, None)


def test_an_id_of_any_characters_and_of_any_length_that_is_kept_opens_every_route(
    api: httpx.Client, settings: Settings
) -> None:
    longest = "x/" * (MAX_ID_BYTES // 2)
    for task_id in ("orders/2026 #1?", "../a%2Fb/..", longest):
        finish(settings.database_url or "", task_id)
        assert ids(page(api, task_id=task_id)) == [task_id]
        path = f"/tasks/{quote(task_id, safe='')}"
        for reading in ("", "/timeline", "/tree"):
            answer = api.get(path + reading)
            assert (answer.status_code, answer.json()["task_id"]) == (200, task_id)
        assert api.get(f"{path}/compare/{quote(longest, safe='')}").status_code == (200 if task_id == longest else 404)
        assert api.post(f"{path}/cancel").json()["code"] == "TASK_ALREADY_FINISHED"
        assert api.post(f"{path}/replay").json()["code"] in ("ARGUMENTS_NOT_RECORDED", "UNKNOWN_TASK_NAME")
    cursor = page(api, limit=1)["next_cursor"]
    assert ids(page(api, limit=1, cursor=cursor)) == ["../a%2Fb/.."]


def test_a_list_shortens_errors_and_the_task_itself_does_not(api: httpx.Client, settings: Settings) -> None:
    long_error = "ValueError: " + "x" * 5_000
    tell(settings.database_url or "", "long", EventType.RECEIVED, EventType.STARTED, EventType.FAILED)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("update tasks set exception = %s", [long_error])
    (row,) = page(api)["tasks"]
    assert row["error"] == long_error[: SHOWN_ERROR - 1] + "\N{HORIZONTAL ELLIPSIS}"
    assert api.get("/tasks/long").json()["error"] == long_error


def test_a_result_that_is_not_known_says_why_and_what_was_told(api: httpx.Client, settings: Settings) -> None:
    deep = "[" * 300 + "]" * 300
    for task_id in ("absent", "sealed", "deep", "null"):
        finish(settings.database_url or "", task_id)
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("update tasks set result_pending = false")
        connection.execute("insert into task_results (task_id, result_repr) values ('absent', '7')")
        connection.execute("insert into task_results (task_id, unreadable) values ('sealed', 'is pickled')")
        connection.execute("insert into task_results (task_id, result) values ('deep', %s), ('null', 'null')", [deep])
    found = {task_id: api.get(f"/tasks/{task_id}").json() for task_id in ("absent", "sealed", "deep", "null")}
    assert (found["absent"]["result_repr"], found["absent"]["message"]) == ("7", NO_RESULT)
    assert found["sealed"]["message"] == "The result is pickled."
    assert (found["deep"]["result"], found["deep"]["result_truncated"]) == (None, True)
    assert (found["null"]["result"], found["null"]["message"], found["null"]["result_repr"]) == (None, None, None)


def test_created_before_is_exclusive_and_created_after_is_not(api: httpx.Client) -> None:
    (task_id,) = submit(api, {})
    at = api.get(f"/tasks/{task_id}").json()["created_at"]
    assert ids(page(api, created_after=at)) == [task_id]
    assert ids(page(api, created_before=at)) == []


@pytest.mark.parametrize("sort_by", get_args(SortBy))
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.usefixtures("five")
def test_every_order_holds_both_ways_with_what_has_no_value_last(
    api: httpx.Client, sort_by: str, descending: bool
) -> None:
    rows = page(api, sort_by=sort_by, sort_order="desc" if descending else "asc")["tasks"]
    column = "duration_seconds" if sort_by == "duration" else sort_by
    values = [row[column] for row in rows]
    known = [value for value in values if value is not None]
    assert len(rows) == 5
    assert values[: len(known)] == sorted(known, reverse=descending)
    for one, other in pairwise(rows):
        if one[column] == other[column]:
            assert (one["task_id"] > other["task_id"]) is descending


def walk(api: httpx.Client, *, between: Any = None, **query: Any) -> list[str]:
    """All ids by cursor; `between` is done after each page."""
    seen: list[str] = []
    cursor: str | None = None
    while True:
        found = page(api, **query, **({"cursor": cursor} if cursor else {}))
        seen += ids(found)
        cursor = found["next_cursor"]
        if cursor is None:
            return seen
        assert len(found["tasks"]) == query["limit"]
        if between:
            between()


def test_a_walk_by_cursor_meets_every_task_once_though_all_were_created_at_once(api: httpx.Client) -> None:
    task_ids = submit(api, *[{}] * 10)
    assert walk(api, limit=3) == task_ids[::-1]
    assert walk(api, limit=5) == task_ids[::-1], "the last page is full"
    assert walk(api, limit=3, sort_order="asc") == task_ids


def test_a_walk_by_cursor_is_not_disturbed_by_what_is_submitted_meanwhile(api: httpx.Client) -> None:
    task_ids = submit(api, *[{}] * 4) + submit(api, *[{}] * 4)
    assert walk(api, limit=3, between=lambda: submit(api, {}, {})) == task_ids[::-1]


def test_a_walk_from_the_oldest_ends_with_what_was_submitted_meanwhile(api: httpx.Client) -> None:
    task_ids = submit(api, *[{}] * 4)
    later: list[str] = []

    def submit_once() -> None:
        if not later:
            later.extend(submit(api, {}, {}))

    assert walk(api, limit=3, between=submit_once, sort_order="asc") == task_ids + later


def test_a_cursor_keeps_to_the_filters_and_total_counts_all_that_match(api: httpx.Client) -> None:
    task_ids = submit(api, *[{"priority": 1}, {"priority": 2}] * 5)
    assert walk(api, limit=2, priority=1) == task_ids[::2][::-1]
    first = page(api, limit=2, priority=1)
    second = page(api, limit=2, priority=1, cursor=first["next_cursor"])
    assert (first["total"], second["total"]) == (5, 5)


def test_an_offset_beyond_the_end_gives_an_empty_page_with_the_total(api: httpx.Client, five: list[str]) -> None:
    assert ids(page(api, offset=3, limit=10)) == [five[1], five[0]]
    for offset in (5, 10_000, 2**53 - 1):
        found = page(api, offset=offset, limit=10)
        assert (found["tasks"], found["total"], found["offset"], found["limit"]) == ([], 5, offset, 10)


def test_a_total_past_ten_thousand_is_a_lower_bound(api: httpx.Client) -> None:
    submit(api, *[{}] * 10_000)
    found = page(api, limit=1)
    assert (found["total"], found["total_is_exact"]) == (10_000, True)
    submit(api, {})
    found = page(api, limit=1)
    assert (found["total"], found["total_is_exact"]) == (10_000, False)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "failed"}, "status"),
        ({"status": ["FAILED", "nonsense"]}, "status"),
        ({"priority": "0"}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": str(2**63)}, "offset"),
        ({"sort_by": "result"}, "sort_by"),
        ({"sort_order": "up"}, "sort_order"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"created_after": "2026-01-24T10:00:00"}, "created_after"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"sort_by": "priority", "cursor": "W10"}, "cursor"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_named(api: httpx.Client, query: dict[str, Any], field: str) -> None:
    answer = api.get("/tasks", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["errors"][0]["field"].split(".")[0] == field


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/tasks", "tasks"),
        ("/search/tasks", "tasks"),
        ("/search/presets", "presets"),
        ("/search/presets/failed_today", "tasks"),
        ("/workers", "workers"),
        ("/dashboard/workers", "workers"),
        ("/workflows", "workflows"),
        ("/alerts", "alerts"),
        ("/alerts/rules", "rules"),
    ],
)
def test_a_list_carries_its_rows_once_where_that_is_asked_for(api: httpx.Client, path: str, own: str) -> None:
    both, once = api.get(path), api.get(path, params={"rows": "data"})
    assert (both.status_code, once.status_code) == (200, 200), once.text
    whole = both.json()
    assert whole.pop(own) == whole["data"]
    assert once.json() == whole
    assert api.get(path, params={"rows": "none"}).status_code == 400
