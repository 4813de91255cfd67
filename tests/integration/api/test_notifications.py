"""Channels and routes of notifications over REST: the URL of a channel goes in and never comes out."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from settings import Settings
from tests.notified import SECRET, HttpReceiver, receiving_http

KEY = f"1:{b64encode(bytes(range(32))).decode()}"
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"encryption_keys": (KEY,), "webhook_allow_networks": ("127.0.0.1",), "public_url": "https://c.example"}
    )


@pytest.fixture
def web() -> Iterator[HttpReceiver]:
    with receiving_http() as receiver:
        yield receiver


def refusal(answer: httpx.Response) -> tuple[int, str]:
    assert SECRET not in answer.text
    return answer.status_code, answer.json()["code"]


def sound(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    assert SECRET not in answer.text
    return answer.json()


def test_a_channel_is_made_tested_changed_and_deleted_and_its_url_is_shown_nowhere(
    api: httpx.Client, web: HttpReceiver
) -> None:
    with capture_logs() as logs:
        made = sound(api.post("/notifications/channels", json={"name": "on-call", "url": web.channel}), 201)
        path = f"/notifications/channels/{made['channel_id']}"
        assert made["url"] == f"json://127.0.0.1:{web.port}/***"
        assert (made["failing_since"], made["last_outcome"]) == (None, None)

        tested = sound(api.post(f"{path}/test"))
        assert (tested["delivered"], tested["outcome"], tested["code"]) == (True, "delivered", None)
        assert web.bodies[0]["title"] == "Test of Celeriac: nothing is wrong"
        assert web.bodies[0]["message"].endswith("https://c.example/api/v1/alerts")

        web.status, web.location = 302, "http://169.254.169.254/"
        tested = sound(api.post(f"{path}/test"))
        assert (tested["delivered"], tested["outcome"], tested["code"]) == (False, "refused", 302)
        assert len(web.bodies) == 2
        failing = sound(api.get(path))
        assert failing["failing_since"] is None, "whoever tests is answered, and nobody else is alarmed"
        assert failing["last_code"] == 302

        elsewhere = {"url": f"json://10.0.0.1/{SECRET}"}
        assert sound(api.patch(path, json=elsewhere))["url"] == "json://10.0.0.1/***"
        assert sound(api.post(f"{path}/test"))["outcome"] == "not_allowed"

        page = sound(api.get("/notifications/channels"))
        assert page["data"] == page["channels"] == [sound(api.get(path))]
        audit = sound(api.get("/audit"))
        assert [row["action"] for row in audit["data"]][::-1] == [
            *("channel.create", "channel.test", "channel.test", "channel.change", "channel.test")
        ]
        assert api.delete(path).status_code == 204
    assert refusal(api.get(path)) == (404, "CHANNEL_NOT_FOUND")
    assert SECRET not in str(logs)


@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        (f"syslog://{SECRET}", "url: is of a service that is not taken: syslog; taken are mailto"),
        (f"pagerduty://{SECRET}", "url: cannot be used: Apprise makes nothing of the channel's URL"),
        (f"file:///etc/{SECRET}", "url: is of a service that is not taken: file"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_showing_it(api: httpx.Client, url: str, flaw: str) -> None:
    answer = api.post("/notifications/channels", json={"name": "on-call", "url": url})
    assert refusal(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["detail"].startswith(flaw)
    assert answer.json()["errors"][0]["field"] == "url"
    assert sound(api.get("/notifications/channels"))["total"] == 0


def test_routes_lead_to_channels_that_there_are(api: httpx.Client) -> None:
    channel = sound(api.post("/notifications/channels", json={"name": "mail", "url": "mailto://u:p@example.com"}), 201)
    same_name = {"name": "mail", "url": "mailto://u:p@example.com"}
    assert refusal(api.post("/notifications/channels", json=same_name)) == (409, "CHANNEL_EXISTS")
    other = sound(api.post("/notifications/channels", json=same_name | {"name": "other"}), 201)
    path = f"/notifications/channels/{other['channel_id']}"
    assert refusal(api.patch(path, json={"name": "mail"})) == (409, "CHANNEL_EXISTS")

    ids = [channel["channel_id"]]
    order = {"name": "etl", "channel_ids": ids, "severities": ["CRITICAL"], "subjects": ["etl.*"]}
    made = sound(api.post("/notifications/routes", json=order), 201)
    assert made.items() >= (order | {"alert_types": [], "group_seconds": 30, "repeat_seconds": 14_400}).items()
    assert refusal(api.post("/notifications/routes", json=order)) == (409, "ROUTE_EXISTS")
    unknown = order | {"name": "x", "channel_ids": [NOBODY]}
    assert refusal(api.post("/notifications/routes", json=unknown)) == (400, "VALIDATION_ERROR")
    for name, value in {"subjects": ["*"], "repeat_seconds": 1, "severities": ["FATAL"], "channel_ids": []}.items():
        assert refusal(api.post("/notifications/routes", json=order | {"name": "x", name: value}))[0] == 400

    route = f"/notifications/routes/{made['route_id']}"
    changed = sound(api.patch(route, json={"repeat_seconds": None, "alert_types": ["STUCK_TASKS"]}))
    assert changed == made | {"repeat_seconds": None, "alert_types": ["STUCK_TASKS"]} == sound(api.get(route))
    assert sound(api.get("/notifications/routes"))["routes"] == [changed]
    assert api.delete(f"/notifications/channels/{ids[0]}").status_code == 204
    assert sound(api.get(route))["channel_ids"] == []
    assert api.delete(route).status_code == 204
    assert refusal(api.delete(route)) == (404, "ROUTE_NOT_FOUND")
    assert sound(api.get("/notifications/messages", params={"status": "PENDING"}))["messages"] == []
