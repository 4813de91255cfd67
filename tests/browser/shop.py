"""The shop of `celeriac demo`, and what only tests want of it: hostile and huge values, and an id of each kind."""

from dataclasses import dataclass
from typing import Any

import httpx

from cli.demo.shop import LABELS, nightly_report, opening_day
from tests.acceptance.stack import Stack
from tests.patience import wait_for

NOT_CONSUMED = LABELS
LONGER_THAN_ALL_TESTS = 86_400.0
"""Seconds for which the task runs that is shown as running: the tests of a slow machine take a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Shop:
    """The ids of what was submitted."""

    failed: str
    completed: str
    waiting: str
    scheduled: str
    running: str
    retried: str
    replayed: str
    workflow: str
    worker: str
    webhook: str
    name: str = "process_payment"
    queue: str = NOT_CONSUMED


def open_shop(stack: Stack, *, size: int = 3) -> Shop:
    """Submit all of it, and return when what can end has ended. `size`: how many of each."""
    assert stack.client.post("/tasks/batch", json={"tasks": opening_day(1001, size=size)}).status_code == 201
    failed = stack.submit(
        "process_payment",
        1970670598291982290,
        task_kwargs={"currency": "EUR", "amount": "<img src=x onerror=alert(1)>"},
    )
    completed = stack.submit("celeriac.echo", {"deep": {"list": list(range(60)), "text": "\u202eabc"}}, 2**63)
    waiting = stack.submit("celeriac.echo", "first", queue_name=NOT_CONSUMED, priority=9)
    scheduled = stack.submit("celeriac.echo", "later", scheduled_at="2126-01-01T00:00:00Z")
    retried = stack.submit("celeriac.flaky", "shop", 2, max_retries=3)
    workflow = stack.client.post("/workflows", json=nightly_report()).json()["workflow_id"]
    stack.wait_for_end(failed)
    stack.wait_for_end(completed)
    stack.wait_for_end(retried)
    wait_for(lambda: stack.client.get(f"/workflows/{workflow}").json()["status"] in ("FAILED", "COMPLETED"))
    replayed = stack.client.post(f"/tasks/{failed}/replay").json()["task_id"]
    running = stack.submit("celeriac.sleep", LONGER_THAN_ALL_TESTS)
    wait_for(lambda: stack.task(running)["status"] == "RUNNING")
    worker = stack.task(running)["worker_id"]
    webhook = _tell_people(stack)
    return Shop(failed, completed, waiting, scheduled, running, retried, replayed, workflow, worker, webhook)


def _tell_people(stack: Stack) -> str:
    """Make a webhook, and a channel with a route, none of which sends anything; return the id of the webhook."""
    order = {"url": "https://hooks.example.com/shop?token=secret", "events": ["task.failed"], "enabled": False}
    webhook = stack.client.post("/webhooks", json=order).json()["webhook_id"]
    pager = {"name": "pager", "url": "json://user:secret@hooks.example.com/pager", "enabled": False}
    channel = stack.client.post("/notifications/channels", json=pager).json()["channel_id"]
    route = {"name": "night", "channel_ids": [channel], "severities": ["CRITICAL"], "enabled": False}
    stack.client.post("/notifications/routes", json=route).raise_for_status()
    return str(webhook)


def shop_of(url: str) -> Shop:
    """The ids of whatever a running Celeriac has of each kind; "" of what it has not."""
    with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as client:

        def first(field: str, path: str, **query: str) -> str:
            rows: list[dict[str, Any]] = client.get(path, params=query).json().get("data", [])
            return str(rows[0][field] or "") if rows else ""

        def task(**query: str) -> str:
            return first("task_id", "/search/tasks", **query)

        flaky = task(task_name="celeriac.flaky")
        return Shop(
            failed=task(status="FAILED", task_name="process_payment") or task(status="FAILED"),
            completed=task(status="COMPLETED", task_name="celeriac.echo") or task(status="COMPLETED"),
            waiting=task(queue_name=NOT_CONSUMED) or task(status="PENDING"),
            scheduled=task(status="PENDING", sort_by="created_at"),
            running=task(status="RUNNING"),
            retried=flaky or task(status="COMPLETED"),
            replayed=task(status="FAILED"),
            workflow=first("workflow_id", "/workflows", status="FAILED") or first("workflow_id", "/workflows"),
            worker=first("worker_id", "/workers"),
            webhook=first("webhook_id", "/webhooks"),
        )
