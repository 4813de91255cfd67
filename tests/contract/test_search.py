"""Section 5 of docs/rest-contract.md, through HTTP on a running stack."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.stack import Stack
from tests.patience import wait_for

FAR_OFF = "2099-01-01T00:00:00Z"
Z_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ENVELOPE = {"total": int, "total_is_exact": bool, "limit": int, "offset": int, "data": list, "tasks": list}


@pytest.fixture
def mark() -> str:
    """A word that no other test's tasks have."""
    return f"mark{uuid4().hex}"


@pytest.fixture
def payments(stack: Stack, mark: str) -> dict[str, str]:
    """Four payments to come, and the ids by which this test knows them."""
    bodies: dict[str, dict[str, Any]] = {
        "small": {"task_args": [mark, "Zoë"], "task_kwargs": {"amount": 9.5}, "priority": 3},
        "large": {"task_args": [mark, "card was declined"], "priority": 9, "queue_name": "billing-eu"},
        "refund": {"task_args": [mark, {"kind": "refundOrder"}], "priority": 8},
        "other": {"task_name": "celeriac.echo", "task_args": [mark]},
    }
    ids = {
        name: stack.submit(
            body.pop("task_name", "process_payment"), *body.pop("task_args"), scheduled_at=FAR_OFF, **body
        )
        for name, body in bodies.items()
    }
    wait_for(lambda: search(stack, search=mark)["total"] == len(ids))
    return ids


def search(stack: Stack, path: str = "/search/tasks", **parameters: Any) -> dict[str, Any]:
    answer = stack.client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def refused(stack: Stack, method: str, *, path: str, **request: Any) -> tuple[int, str]:
    answer = stack.client.request(method, path, **request)
    error = answer.json()
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert error["detail"]
    assert Z_TIME.fullmatch(error["timestamp"])
    return answer.status_code, error["code"]


def test_the_example_of_the_reference_finds_what_failed_and_tells_of_payments(stack: Stack, mark: str) -> None:
    failed = stack.submit("celeriac.fail", f"payment of {mark} was refused")
    stack.wait_for_end(failed)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    query: dict[str, Any] = {
        "status": "FAILED",
        "created_after": str(yesterday),
        "search": f"payment {mark}",
        "limit": 50,
    }
    page = wait_for(lambda: (found := search(stack, **query))["total"] and found)
    assert {name: type(page[name]) for name in ENVELOPE} == ENVELOPE
    assert (page["total"], page["limit"], page["offset"], page["next_cursor"]) == (1, 50, 0, None)
    assert page["data"] == page["tasks"]
    assert (page["data"][0]["task_id"], page["data"][0]["status"]) == (failed, "FAILED")
    assert "task_args" not in page["data"][0], "rows omit arguments"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pay", ["small", "large", "refund"]),
        ("process_pay", ["small", "large", "refund"]),
        ("ECHO", ["other"]),
        ("declined card", ["large"]),
        ('"card was declined"', ["large"]),
        ('"declined card"', []),
        ('"car"', []),
        ("process -refund", ["small", "large"]),
        ("zoë or declined", ["small", "large"]),
        ("refundorder", ["refund"]),
        ("order", ["refund"]),
        ("billing-eu", ["large"]),
        ("9.5", ["small"]),
        ("nowhere", []),
    ],
)
def test_words_find_names_arguments_and_queues(
    stack: Stack, payments: dict[str, str], mark: str, text: str, found: list[str]
) -> None:
    words = " or ".join(f"{alternative} {mark}" for alternative in text.split(" or "))
    assert found_by(search(stack, search=words), payments) == set(found)


def test_a_task_is_found_by_its_id_its_worker_and_its_error(stack: Stack, mark: str) -> None:
    task_id = stack.submit("celeriac.fail", mark)
    worker = stack.wait_for_end(task_id)["worker_hostname"]
    for text in (task_id, f"{worker} {mark}", f"RuntimeError {mark}"):
        wait_for(lambda: [row["task_id"] for row in search(stack, search=text)["data"]] == [task_id])  # noqa: B023


@pytest.mark.parametrize(
    "text",
    ["", " ", "!!", '"', "'", "-", "or", "& | ! <-> :* ()", "\\", "a' | b", "%", "-nothing-like-this", "x" * 500],
)
def test_any_text_is_a_query(stack: Stack, text: str) -> None:
    assert search(stack, search=text, limit=1)["total"] >= 0


NO_WORD = ["%", "_", '"', '""', "!!", "-", "or", "- or -", "-%", "& | ! <-> :* ()", "…", "🙂", " % "]


@pytest.mark.parametrize("text", NO_WORD)
@pytest.mark.parametrize("path", ["/search/tasks", "/tasks"])
def test_text_without_a_word_finds_nothing_and_says_so(
    stack: Stack, payments: dict[str, str], path: str, text: str
) -> None:
    page = search(stack, path, search=text)
    assert (page["total"], page["total_is_exact"], page["data"], page["next_cursor"]) == (0, True, [], None)
    assert "no letter" in page["message"]


def test_a_preset_and_an_export_without_a_word_find_nothing_too(
    stack: Stack, payments: dict[str, str], mark: str
) -> None:
    stack.client.post("/search/presets", json={"name": f"odd-{mark}", "filters": {"search": "%"}})
    page = search(stack, f"/search/presets/odd-{mark}")
    assert (page["total"], "no letter" in page["message"]) == (0, True)
    exported = stack.client.get("/search/tasks/export/csv", params={"search": "%"})
    assert (exported.status_code, len(exported.text.splitlines())) == (200, 1)


@pytest.mark.parametrize("text", ["", "  ", "-nothing-like-this", "% or celeriac"])
def test_no_text_is_no_condition_and_a_word_among_marks_is_a_word(
    stack: Stack, payments: dict[str, str], text: str
) -> None:
    page = search(stack, search=text)
    assert page["total"] >= len(payments)
    assert page["message"] is None


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"priority": 3}, ["small"]),
        ({"min_priority": 8}, ["large", "refund"]),
        ({"queue_name": "billing-eu"}, ["large"]),
        ({"task_name": "celeriac.echo"}, ["other"]),
        ({"status": ["PENDING", "FAILED"]}, ["small", "large", "refund", "other"]),
        ({"status": "COMPLETED"}, []),
        ({"created_after": "-1h", "created_before": "2099-01-01"}, ["small", "large", "refund", "other"]),
        ({"created_before": "-1h"}, []),
        ({"worker_id": "no-such-host"}, []),
        ({"worker_id": str(uuid4())}, []),
        ({"workflow_id": str(uuid4())}, []),
        ({"error": "declined"}, []),
        ({"min_duration": 0}, []),
        ({"priority": 8, "task_name": "process_payment"}, ["refund"]),
    ],
)
def test_filters_hold_together_with_words_in_search_and_without_them_in_the_list(
    stack: Stack, payments: dict[str, str], mark: str, filters: dict[str, Any], found: list[str]
) -> None:
    assert found_by(search(stack, search=mark, **filters), payments) == set(found)
    assert found_by(search(stack, "/tasks", search=mark, **filters), payments) == set(found)


def test_a_worker_by_id_or_hostname_a_duration_and_a_part_of_an_error(stack: Stack, mark: str) -> None:
    task_id = stack.submit("celeriac.fail", f"50% {mark}")
    task = stack.wait_for_end(task_id)
    longest = {"max_duration": task["duration_seconds"], "min_duration": task["duration_seconds"]}
    for filters in (
        {"worker_id": task["worker_id"]},
        {"worker_id": task["worker_hostname"]},
        {"error": f"50% {mark.upper()}"},
        longest,
    ):
        assert task_id in [row["task_id"] for row in search(stack, created_after="-1h", **filters)["data"]]
    assert search(stack, error=f"50_ {mark}")["total"] == 0, "wildcards are ordinary characters"


def test_pages_by_offset_and_cursor_hold_every_row_once_in_the_order_asked_for(
    stack: Stack, payments: dict[str, str], mark: str
) -> None:
    everything = [row["task_id"] for row in search(stack, search=mark)["data"]]
    assert everything == list(reversed(payments.values())), "newest first"
    by_priority = search(stack, search=mark, sort_by="priority", sort_order="asc")["data"]
    assert [row["priority"] for row in by_priority] == [3, 5, 8, 9]
    by_offset = [search(stack, search=mark, limit=1, offset=at)["data"][0]["task_id"] for at in range(4)]
    assert by_offset == list(cursor_walk(stack, search=mark, limit=1)) == everything


def cursor_walk(stack: Stack, **parameters: Any) -> Iterator[str]:
    page = search(stack, **parameters)
    while page["data"]:
        yield from (row["task_id"] for row in page["data"])
        if page["next_cursor"] is None:
            return
        page = search(stack, cursor=page["next_cursor"], **parameters)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "DONE"},
        {"priority": 0},
        {"priority": "high"},
        {"limit": 0},
        {"offset": -1},
        {"created_after": "2026-01-24T12:00:00"},
        {"created_before": "soon"},
        {"min_duration": "nan"},
        {"workflow_id": "five"},
        {"sort_by": "result"},
        {"sort_order": "up"},
        {"cursor": "made-up"},
        {"search": "x" * 501},
        {"surplus": 1},
    ],
)
@pytest.mark.parametrize("path", ["/search/tasks", "/search/tasks/export/csv"])
def test_a_parameter_that_makes_no_sense_is_refused_and_named(stack: Stack, path: str, wrong: dict[str, Any]) -> None:
    answer = stack.client.get(path, params=wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["errors"][0]["field"].split(".")[0] in wrong


def test_a_page_has_at_most_a_thousand_rows_and_an_export_any_number(stack: Stack) -> None:
    assert refused(stack, "GET", path="/search/tasks", params={"limit": 1001}) == (400, "VALIDATION_ERROR")
    assert stack.client.get("/search/tasks/export/csv", params={"limit": 1001}).status_code == 200


def test_the_presets_of_the_reference_come_first_word_for_word(stack: Stack) -> None:
    page = search(stack, "/search/presets")
    assert [{"name": preset["name"], "description": preset["description"]} for preset in page["presets"]][:3] == [
        {"name": "failed_today", "description": "Tasks failed in last 24 hours"},
        {"name": "high_priority_pending", "description": "Priority 8+ PENDING tasks"},
        {"name": "stuck_tasks", "description": "RUNNING for more than 1 hour"},
    ]
    assert page["data"] == page["presets"]
    assert all(preset["built_in"] and preset["created_at"] is None for preset in page["presets"][:3])
    second = search(stack, "/search/presets", limit=1, offset=1)
    assert ([preset["name"] for preset in second["data"]], second["total"]) == (
        ["high_priority_pending"],
        page["total"],
    )


def test_each_built_in_preset_answers_like_a_search(stack: Stack, payments: dict[str, str]) -> None:
    failed = stack.submit("celeriac.fail", "today")
    stack.wait_for_end(failed)
    assert failed in [row["task_id"] for row in search(stack, "/search/presets/failed_today", limit=1000)["data"]]
    urgent = search(stack, "/search/presets/high_priority_pending", limit=1000)["data"]
    assert found_by({"data": urgent}, payments) == {"large", "refund"}
    assert all(row["priority"] >= 8 and row["status"] == "PENDING" for row in urgent)
    stuck = search(stack, "/search/presets/stuck_tasks", limit=1)
    assert (stuck["total"], stuck["limit"], stuck["offset"], stuck["data"]) == (0, 1, 0, [])


def test_a_preset_is_saved_listed_applied_and_removed(stack: Stack, payments: dict[str, str], mark: str) -> None:
    filters = {"status": ["PENDING"], "search": f"pay {mark}", "min_priority": 8, "created_after": "-1h"}
    body = {"name": f"urgent-{mark}", "description": "What cannot wait", "filters": filters}
    path = f"/search/presets/{body['name']}"
    saved = stack.client.post("/search/presets", json=body)
    assert saved.status_code == 201
    assert saved.json() | {"created_at": None} == body | {"built_in": False, "created_at": None}
    assert Z_TIME.fullmatch(saved.json()["created_at"])
    assert saved.json() in search(stack, "/search/presets", limit=1000)["presets"]
    assert found_by(search(stack, path), payments) == {"large", "refund"}
    page = search(stack, path, limit=1, offset=1, sort_by="priority")
    assert (page["total"], found_by(page, payments)) == (2, {"refund"})
    assert refused(stack, "POST", path="/search/presets", json=body) == (409, "PRESET_EXISTS")
    removed = stack.client.delete(path)
    assert (removed.status_code, removed.content) == (204, b"")
    assert refused(stack, "GET", path=path) == refused(stack, "DELETE", path=path) == (404, "PRESET_NOT_FOUND")


def test_what_ships_with_celeriac_can_neither_be_removed_nor_replaced(stack: Stack) -> None:
    assert refused(stack, "DELETE", path="/search/presets/failed_today") == (403, "FORBIDDEN")
    body = {"name": "failed_today", "filters": {}}
    assert refused(stack, "POST", path="/search/presets", json=body) == (409, "PRESET_EXISTS")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filters": {}}, "name"),
        ({"name": "a"}, "filters"),
        ({"name": "a/b", "filters": {}}, "name"),
        ({"name": "..", "filters": {}}, "name"),
        ({"name": "a", "filters": {"priority": "8"}}, "filters.priority"),
        ({"name": "a", "filters": {"created_after": "soon"}}, "filters.created_after"),
        ({"name": "a", "filters": {"search": "a\x00"}}, "filters.search"),
        ({"name": "a", "filters": {"limit": 5}}, "filters.limit"),
        ({"name": "a", "filters": {}, "surplus": 1}, "surplus"),
    ],
)
def test_a_preset_that_could_not_be_applied_is_refused(stack: Stack, body: dict[str, Any], field: str) -> None:
    answer = stack.client.post("/search/presets", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_export_is_a_csv_file_of_the_same_rows_as_the_search(
    stack: Stack, payments: dict[str, str], mark: str
) -> None:
    answer = stack.client.get("/search/tasks/export/csv", params={"search": mark})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    disposition = answer.headers["Content-Disposition"]
    assert re.fullmatch(r'attachment; filename="tasks-\d{8}T\d{6}Z\.csv"', disposition), disposition
    exported = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    found = search(stack, search=mark)["data"]
    assert list(exported[0]) == list(found[0])
    for line, row in zip(exported, found, strict=True):
        assert {name: value for name, value in line.items() if value} == {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in row.items()
            if value is not None
        }


def test_an_export_takes_limit_offset_and_order(stack: Stack, payments: dict[str, str], mark: str) -> None:
    parameters: dict[str, str | int] = {
        "search": mark,
        "sort_by": "priority",
        "sort_order": "asc",
        "limit": 2,
        "offset": 1,
    }
    answer = stack.client.get("/search/tasks/export/csv", params=parameters)
    assert [line["priority"] for line in csv.DictReader(io.StringIO(answer.text))] == ["5", "8"]


def test_a_cell_that_a_spreadsheet_would_run_is_defused(stack: Stack, mark: str) -> None:
    formula = f"-{mark}"
    queued = stack.submit("celeriac.echo", queue_name=formula, scheduled_at=FAR_OFF)
    answer = stack.client.get("/search/tasks/export/csv", params={"queue_name": formula})
    (line,) = csv.DictReader(io.StringIO(answer.text))
    assert (line["task_id"], line["queue_name"]) == (queued, f"'{formula}")


def test_an_export_of_nothing_is_a_header(stack: Stack) -> None:
    answer = stack.client.get("/search/tasks/export/csv", params={"search": "nothinglikethis"})
    assert answer.text.startswith("task_id,task_name,status,")
    assert len(answer.text.splitlines()) == 1


def found_by(page: dict[str, Any], names: dict[str, str]) -> set[str]:
    """The test's own names of the tasks on a page."""
    known = {task_id: name for name, task_id in names.items()}
    return {known[row["task_id"]] for row in page["data"] if row["task_id"] in known}
