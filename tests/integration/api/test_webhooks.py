"""Webhooks through REST: made, shown without their secret, changed, tried, looked into, recovered, deleted."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from celeriac_worker import EmitError, emit

from domain.redaction.rules import Redaction
from services.webhooks.fanout import fan_out
from settings import Settings
from store.engine import open_engine

ORDER = {
    "url": "https://hooks.example/celeriac?token=s3cret",
    "events": ["task.failed", "shop.*"],
    "headers": {"Authorization": "Bearer t0p"},
}
PAID = {"type": "shop.order.paid", "subject": "order-17", "data": {"amount": 12}}


def make(api: httpx.Client, **given: Any) -> dict[str, Any]:
    answer = api.post("/webhooks", json=ORDER | given)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def make_deliveries(database_url: str) -> None:
    async def once() -> None:
        engine = open_engine(database_url, pool_size=1)
        async with engine.begin() as connection:
            await fan_out(connection, redaction=Redaction(), public_url=None)
        await engine.dispose()

    asyncio.run(once())


def execute(database_url: str, statement: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(statement.encode())


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_the_secret_is_shown_once_and_nothing_that_lets_in_ever(api: httpx.Client) -> None:
    made = make(api, filters={"queue_name": "etl", "status": "FAILED"})
    path = f"/webhooks/{made['webhook_id']}"
    assert made.pop("secret").startswith("whsec_")
    assert made["url"] == "https://hooks.example/celeriac?***"
    assert (made["headers"], made["filters"]) == (["Authorization"], {"queue_name": "etl", "status": ["FAILED"]})
    assert (made["enabled"], made["circuit"]) == (True, "CLOSED")
    assert api.get(path).json() == made
    assert api.get("/webhooks").json() == {"total": 1, "data": [made]}
    changed = api.patch(path, json={"enabled": False, "events": ["alert.*"]}).json()
    assert (changed["enabled"], changed["disabled_because"], changed["events"]) == (False, "asked", ["alert.*"])
    rotated = api.post(f"{path}/rotate_secret", json={"overlap_seconds": 60})
    assert rotated.status_code == 201
    texts = [api.get(url).text for url in (path, "/webhooks", "/audit")]
    for secret in ("whsec_", "t0p", "s3cret"):
        assert not any(secret in text for text in texts)
    assert api.delete(path).status_code == 204
    assert code_of(api.get(path)) == (404, "WEBHOOK_NOT_FOUND")
    assert api.get("/webhooks").json()["total"] == 0


def test_what_may_not_be_dialled_or_sent_is_refused(api: httpx.Client) -> None:
    for url in ("http://hooks.example/", "https://127.0.0.1/h", "https://user:pw@hooks.example/", "https://[::1]/"):
        answer = api.post("/webhooks", json=ORDER | {"url": url})
        assert code_of(answer) == (400, "URL_NOT_ALLOWED")
        assert answer.json()["errors"][0]["field"] == "url"
    wrongs: tuple[dict[str, Any], ...] = (
        {"events": []},
        {"events": ["task.exploded"]},
        {"filters": {"priority": 3}},
        {"headers": {"Webhook-Id": "x"}},
        {"headers": {"X-Team": "a\r\nb"}},
        {"rate_per_second": 0},
        {"payload": "fat"},
    )
    for wrong in wrongs:
        assert code_of(api.post("/webhooks", json=ORDER | wrong)) == (400, "VALIDATION_ERROR")
    assert api.get("/webhooks").json()["total"] == 0


def test_there_are_a_hundred_at_most(api: httpx.Client, settings: Settings) -> None:
    make(api)
    columns = "url, description, events, filters, payload, format, ordering, max_in_flight, headers, secret, state"
    execute(
        str(settings.database_url),
        f"insert into webhooks (webhook_id, created_by, {columns})"
        f" select n::text, created_by, {columns} from webhooks, generate_series(1, 99) n",
    )
    assert code_of(api.post("/webhooks", json=ORDER)) == (409, "WEBHOOK_LIMIT")


def test_an_event_of_ones_own_becomes_a_delivery_that_can_be_sent_again(api: httpx.Client, settings: Settings) -> None:
    path = f"/webhooks/{make(api)['webhook_id']}"
    assert api.post("/events", json=PAID).json() == {"type": "shop.order.paid", "subject": "order-17"}
    make_deliveries(str(settings.database_url))
    (row,) = api.get(f"{path}/deliveries", params={"status": "PENDING", "after": "-1h"}).json()["data"]
    assert (row["type"], row["subject_id"], row["attempts"]) == ("shop.order.paid", "order-17", 0)
    one = f"{path}/deliveries/{row['delivery_id']}"
    assert '"data":{"subject":"order-17","data":{"amount":12}}' in api.get(one).json()["body"]
    (event,) = api.get("/events", params={"types": "shop.*"}).json()["data"]
    assert (event["type"], event["data"]["subject"]) == ("shop.order.paid", "order-17")
    execute(str(settings.database_url), "update webhook_deliveries set status = 'FAILED', next_attempt_at = null")
    assert api.get(f"{path}/deliveries", params={"status": "PENDING"}).json()["data"] == []
    again = api.post(f"{one}/retry")
    assert (again.status_code, again.json()["status"]) == (202, "PENDING")
    execute(str(settings.database_url), "update webhook_deliveries set status = 'FAILED', next_attempt_at = null")
    assert api.post(f"{path}/recover", json={"after": "-1h"}).json()["count"] == 1
    assert api.get(one).json()["status"] == "PENDING"
    api.patch(path, json={"enabled": False})
    assert code_of(api.post(f"{one}/retry")) == (409, "WEBHOOK_DISABLED")
    for missing in (f"{path}/deliveries/no-id", f"{path}/deliveries/{datetime.now(UTC).timestamp()}"):
        assert code_of(api.get(missing)) == (404, "DELIVERY_NOT_FOUND")


def test_what_was_missed_is_read_again_from_the_feed_and_nothing_twice(api: httpx.Client, settings: Settings) -> None:
    path = f"/webhooks/{make(api)['webhook_id']}"
    api.post("/events", json=PAID)
    make_deliveries(str(settings.database_url))
    api.patch(path, json={"enabled": False})
    api.post("/events", json=PAID | {"subject": "order-18"})
    api.patch(path, json={"enabled": True})
    make_deliveries(str(settings.database_url))
    assert len(api.get(f"{path}/deliveries").json()["data"]) == 1
    assert api.post(f"{path}/recover", json={"after": "-1h", "status": "MISSED"}).json()["count"] is None
    make_deliveries(str(settings.database_url))
    found = [row["subject_id"] for row in api.get(f"{path}/deliveries").json()["data"]]
    assert found == ["order-18", "order-17"]
    first = api.get(f"{path}/deliveries", params={"limit": 1}).json()
    second = api.get(f"{path}/deliveries", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [page["data"][0]["subject_id"] for page in (first, second)] == found


def test_events_that_are_not_ones_own_or_too_large_are_refused(api: httpx.Client) -> None:
    for wrong in (
        {"type": "task.failed"},
        {"type": "shop"},
        {"subject": ""},
        {"data": {"x": "\u00fc" * 1_300}},
        {"x": 1},
    ):
        assert code_of(api.post("/events", json=PAID | wrong)) == (400, "VALIDATION_ERROR")
    assert api.get("/events").json()["data"] == []


def test_a_program_tells_of_its_events_with_the_plugin(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_URL", str(api.base_url).removesuffix("/api/v1/"))
    emit("shop.order.paid", subject="order-17", data={"amount": 12})
    (event,) = api.get("/events").json()["data"]
    assert event["data"] == {"subject": "order-17", "data": {"amount": 12}}
    with pytest.raises(EmitError, match=r"400: .*type"):
        emit("task.failed", subject="one")
    monkeypatch.setenv("CELERIAC_URL", "http://127.0.0.1:1")
    with pytest.raises(EmitError, match="not reached"):
        emit("shop.order.paid", subject="one")


def test_a_test_waits_for_the_loops_and_says_how_far_it_is(api: httpx.Client) -> None:
    made = make(api, enabled=False)
    tried = api.post(f"/webhooks/{made['webhook_id']}/test", params={"wait_seconds": 0}).json()
    assert (tried["status"], tried["is_test"], tried["tries"]) == ("PENDING", True, [])
