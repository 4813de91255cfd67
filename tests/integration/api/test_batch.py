"""Batches: all or nothing, in order, with errors that name their item."""

from typing import Any

import httpx
import psycopg
import pytest

from api.routes.tasks import MAX_BATCH_BYTES
from settings import Settings
from store.listener import OUTBOX
from tests.integration.api.serving import serving
from tests.patience import PATIENCE_SECONDS

ITEM = {"task_name": "celeriac.add", "task_args": [2, 3]}


def batch(*items: Any) -> dict[str, Any]:
    return {"tasks": list(items)}


def count(settings: Settings, table: str = "tasks") -> int:
    with psycopg.connect(settings.database_url or "") as connection:
        row = connection.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return int(row[0])


def fields(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


def test_a_batch_is_stored_whole_and_its_ids_come_in_its_order(api: httpx.Client, settings: Settings) -> None:
    items = [ITEM | {"task_args": [n], "priority": n % 10 + 1} for n in range(500)]
    answer = api.post("/tasks/batch", json=batch(*items))
    assert answer.status_code == 201
    body = answer.json()
    assert body.keys() == {"submitted", "task_ids"}
    assert body["submitted"] == len(set(body["task_ids"])) == 500
    for place in (0, 17, 499):
        task = api.get(f"/tasks/{body['task_ids'][place]}").json()
        assert (task["task_args"], task["priority"], task["status"]) == ([place], place % 10 + 1, "PENDING")
    for table in ("tasks", "task_arguments", "outbox", "events"):
        assert count(settings, table) == 500
    listed = api.get("/tasks", params={"limit": 500, "sort_order": "asc"}).json()["tasks"]
    assert [task["task_id"] for task in listed] == body["task_ids"]


def test_ten_thousand_are_taken_and_one_more_is_refused(api: httpx.Client, settings: Settings) -> None:
    most = [{"task_name": "celeriac.echo"}] * 10_000
    assert api.post("/tasks/batch", json=batch(*most)).json()["submitted"] == 10_000
    refused = api.post("/tasks/batch", json=batch(*most, ITEM))
    assert (refused.status_code, refused.json()["code"], fields(refused)) == (400, "VALIDATION_ERROR", ["tasks"])
    assert count(settings) == 10_000


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([], "tasks"),
        ([ITEM] * 17 + [ITEM | {"priority": 11}], "tasks.17.priority"),
        ([ITEM, ITEM | {"nonsense": 1}], "tasks.1.nonsense"),
        ([ITEM, {"task_args": []}], "tasks.1.task_name"),
        ([ITEM, "no task"], "tasks.1"),
        ([ITEM, ITEM | {"task_args": ["x" * 1_050_000]}], "tasks.1.task_args"),
        ([ITEM | {"task_args": ["a\x00b"]}], "tasks.0.task_args"),
        ([ITEM | {"scheduled_at": "2026-01-25T14:30:00"}], "tasks.0.scheduled_at"),
    ],
)
def test_one_invalid_item_refuses_all(api: httpx.Client, settings: Settings, items: list[Any], field: str) -> None:
    answer = api.post("/tasks/batch", json=batch(*items))
    assert (answer.status_code, answer.json()["code"], fields(answer)) == (400, "VALIDATION_ERROR", [field])
    assert count(settings) == 0


def test_every_invalid_item_is_named_up_to_a_bound(api: httpx.Client) -> None:
    wrong = api.post("/tasks/batch", json=batch(*[ITEM | {"priority": 0}] * 3))
    assert fields(wrong) == [f"tasks.{n}.priority" for n in range(3)]
    assert len(fields(api.post("/tasks/batch", json=batch(*[ITEM | {"priority": 0}] * 300)))) == 100


def test_an_item_that_the_database_refuses_takes_all_with_it(api: httpx.Client, settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("alter table outbox add column n serial check (n <> 300)")
    assert api.post("/tasks/batch", json=batch(*[ITEM] * 400)).status_code == 500
    for table in ("tasks", "task_arguments", "outbox", "events"):
        assert count(settings, table) == 0


def test_unknown_names_are_each_named_with_their_item(settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        connection.execute("insert into registered_tasks values ('celery@one', 'celeriac.add', now())")
    with serving(settings.model_copy(update={"check_task_names": True})) as url:
        items = [ITEM, ITEM | {"task_name": "celeriac.ad"}, ITEM, ITEM | {"task_name": "zzz"}]
        answer = httpx.post(f"{url}/api/v1/tasks/batch", json=batch(*items))
        single = httpx.post(f"{url}/api/v1/tasks", json=ITEM | {"task_name": "celeriac.ad"})
    assert (answer.status_code, answer.json()["code"]) == (400, "UNKNOWN_TASK_NAME")
    assert fields(answer) == ["tasks.1.task_name", "tasks.3.task_name"]
    assert "Did you mean celeriac.add?" in answer.json()["errors"][0]["message"]
    assert (single.json()["code"], fields(single)) == ("UNKNOWN_TASK_NAME", ["task_name"])
    assert count(settings) == 0


def test_a_batch_has_a_larger_body_cap_than_other_requests(api: httpx.Client) -> None:
    large = [ITEM | {"task_args": ["x" * 900_000]}] * 16
    assert api.post("/tasks/batch", json=batch(*large)).status_code == 201
    content = b" " * (MAX_BATCH_BYTES + 1)
    refused = api.post("/tasks/batch", content=content, headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert api.post("/tasks", content=content, headers={"Content-Type": "application/json"}).status_code == 413


def test_a_batch_wakes_the_dispatchers(api: httpx.Client, settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "", autocommit=True) as connection:
        connection.execute(f"LISTEN {OUTBOX}")
        api.post("/tasks/batch", json=batch(ITEM, ITEM))
        assert len(list(connection.notifies(timeout=PATIENCE_SECONDS, stop_after=1))) == 1
