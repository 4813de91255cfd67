"""Alerts, as docs/rest-contract.md has them in section 6, through HTTP on real servers."""

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from domain.alerts.conditions import AlertFinding, Judgement, Key
from domain.alerts.rules import DEFAULT_RULES, AlertType, Severity
from services.alerts import write_changes
from settings import Settings
from store.engine import open_engine
from tests.integration.api.serving import serving
from tests.patience import PATIENCE_SECONDS

TYPES = [kind.value for kind in AlertType]
QUEUE, WORKER = (AlertType.HIGH_QUEUE_DEPTH, "payments"), (AlertType.WORKER_OFFLINE, "compute-1")
NOBODY = (AlertType.NO_ACTIVE_WORKERS, "")


class Served(NamedTuple):
    client: httpx.Client
    database_url: str


@pytest.fixture(scope="module")
def served(postgres_server: str, migrated_template: str, valkey_server: str) -> Iterator[Served]:
    """One server for all tests of this file, on a database of its own."""
    name = f"alerts_{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {migrated_template}")
    database_url = urlunsplit(urlsplit(postgres_server)._replace(path=f"/{name}"))
    settings = Settings(
        database_url=database_url,
        broker_url=f"{valkey_server}/0",
        result_url=f"{valkey_server}/1",
        redis_url=f"{valkey_server}/2",
        rate_limit_per_minute=0,
    )
    with (
        capture_logs(),
        serving(settings) as url,
        httpx.Client(base_url=f"{url}/api/v1", timeout=PATIENCE_SECONDS) as client,
    ):
        yield Served(client, database_url)


@pytest.fixture
def empty(served: Served) -> Served:
    """Without alerts and changed rules."""
    with psycopg.connect(served.database_url) as connection:
        connection.execute("truncate alerts, alert_rules")
    return served


@pytest.fixture
def client(empty: Served) -> httpx.Client:
    return empty.client


@pytest.fixture
def raised(empty: Served) -> None:
    """Three alerts, raised in this order."""
    for key in (QUEUE, WORKER, NOBODY):
        settled(empty.database_url, raised=[key])


def settled(database_url: str, *, raised: list[Key] = [], resolved: list[Key] = []) -> None:  # noqa: B006
    """What the loop stores when it has judged so."""
    found = [AlertFinding(key, 1500, DEFAULT_RULES[key[0]], f"{key[0]} of {key[1]}") for key in raised]

    async def store() -> None:
        engine = open_engine(database_url, pool_size=1)
        async with engine.begin() as connection:
            await write_changes(connection, Judgement(tuple(found), (), dict.fromkeys(resolved, 0.0), {}))
        await engine.dispose()

    asyncio.run(store())


def alerts(client: httpx.Client, **parameters: Any) -> list[dict[str, Any]]:
    answer = client.get("/alerts", params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["alerts"]
    return found


def types(found: list[dict[str, Any]]) -> list[str]:
    return [alert["type"] for alert in found]


def refused(answer: httpx.Response, status: int, *, code: str) -> list[str]:
    """The fields that an error names, after a look at its form."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    assert body.keys() - {"errors"} == {"detail", "code", "request_id", "timestamp"}
    return [error["field"] for error in body.get("errors", ())]


def test_without_alerts_both_lists_are_empty(client: httpx.Client) -> None:
    body = client.get("/alerts").json()
    assert (body["alerts"], body["data"], body["total"], body["limit"], body["offset"]) == ([], [], 0, 50, 0)


@pytest.mark.usefixtures("raised")
def test_an_alert_has_the_fields_of_the_reference_and_ours(client: httpx.Client) -> None:
    body = client.get("/alerts").json()
    assert body["data"] == body["alerts"]
    alert = body["alerts"][-1]
    assert re.fullmatch(r"[0-9a-f-]{36}", alert.pop("alert_id"))
    created_at = alert.pop("created_at")
    assert created_at.endswith("Z")
    assert datetime.fromisoformat(created_at).tzinfo
    assert alert.pop("began_at") == created_at
    assert alert == {
        "type": "HIGH_QUEUE_DEPTH",
        "severity": "WARNING",
        "description": "HIGH_QUEUE_DEPTH of payments",
        "acknowledged": False,
        "acknowledged_at": None,
        "resolved_at": None,
        "ended_at": None,
        "subject": "payments",
        "value": 1500,
        "threshold": 1000,
    }


@pytest.mark.usefixtures("raised")
def test_the_newest_come_first_page_by_page(client: httpx.Client) -> None:
    found = alerts(client)
    assert types(found) == ["NO_ACTIVE_WORKERS", "WORKER_OFFLINE", "HIGH_QUEUE_DEPTH"]
    assert found[0]["subject"] is None
    page = client.get("/alerts", params={"limit": 1, "offset": 1}).json()
    assert (page["total"], page["limit"], page["offset"]) == (3, 1, 1)
    assert page["alerts"] == found[1:2]


@pytest.mark.usefixtures("raised")
def test_resolved_alerts_are_listed_only_on_request(empty: Served) -> None:
    client = empty.client
    settled(empty.database_url, resolved=[WORKER])
    assert types(alerts(client)) == ["NO_ACTIVE_WORKERS", "HIGH_QUEUE_DEPTH"]
    everything = alerts(client, include_resolved="true")
    assert types(everything) == ["NO_ACTIVE_WORKERS", "WORKER_OFFLINE", "HIGH_QUEUE_DEPTH"]
    assert [bool(alert["resolved_at"]) for alert in everything] == [False, True, False]


@pytest.mark.usefixtures("raised")
def test_filters_narrow_the_list_together(client: httpx.Client) -> None:
    assert types(alerts(client, type="WORKER_OFFLINE")) == ["WORKER_OFFLINE"]
    assert types(alerts(client, type=["WORKER_OFFLINE", "HIGH_QUEUE_DEPTH"])) == ["WORKER_OFFLINE", "HIGH_QUEUE_DEPTH"]
    assert types(alerts(client, severity="CRITICAL")) == ["NO_ACTIVE_WORKERS"]
    assert alerts(client, severity="CRITICAL", type="WORKER_OFFLINE") == []
    client.post(f"/alerts/{alerts(client, type='WORKER_OFFLINE')[0]['alert_id']}/acknowledge")
    assert types(alerts(client, acknowledged="true")) == ["WORKER_OFFLINE"]
    assert types(alerts(client, acknowledged="false")) == ["NO_ACTIVE_WORKERS", "HIGH_QUEUE_DEPTH"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "TOO_HOT"),
        ("severity", "warning"),
        ("acknowledged", "perhaps"),
        ("include_resolved", "2"),
        ("limit", "0"),
        ("limit", "1001"),
        ("offset", "-1"),
        ("active", "true"),
    ],
)
def test_a_bad_or_unknown_parameter_is_refused(client: httpx.Client, name: str, value: str) -> None:
    (field,) = refused(client.get("/alerts", params={name: value}), 400, code="VALIDATION_ERROR")
    assert field.split(".")[0] == name


@pytest.mark.usefixtures("raised")
def test_acknowledging_notes_the_first_time_and_leaves_the_alert_open(client: httpx.Client) -> None:
    alert = alerts(client)[0]
    first = client.post(f"/alerts/{alert['alert_id']}/acknowledge")
    second = client.post(f"/alerts/{alert['alert_id']}/acknowledge")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json() == alerts(client)[0]
    acknowledged = first.json()
    assert datetime.fromisoformat(acknowledged.pop("acknowledged_at"))
    assert acknowledged == {k: v for k, v in alert.items() if k != "acknowledged_at"} | {"acknowledged": True}


@pytest.mark.parametrize("alert_id", ["01985a2c-7d1e-7c3a-b2f0-5d2f7c1e9a44", "alert-uuid", "0"])
def test_an_unknown_alert_cannot_be_acknowledged(client: httpx.Client, alert_id: str) -> None:
    assert refused(client.post(f"/alerts/{alert_id}/acknowledge"), 404, code="ALERT_NOT_FOUND") == []


def test_every_type_has_a_rule(client: httpx.Client) -> None:
    body = client.get("/alerts/rules").json()
    assert (body["total"], types(body["rules"]), body["data"]) == (len(TYPES), TYPES, body["rules"])
    meaning = body["rules"][0].pop("description")
    assert meaning
    assert body["rules"][0] == {
        "type": "HIGH_QUEUE_DEPTH",
        "severity": "WARNING",
        "enabled": True,
        "threshold": 1000,
        "unit": "tasks",
        "window_seconds": None,
        "minimum_tasks": None,
        "for_seconds": 10,
        "resolve_after_seconds": 30,
        "updated_at": None,
    }
    last = client.get("/alerts/rules", params={"limit": 2, "offset": len(TYPES) - 1})
    assert types(last.json()["rules"]) == TYPES[-1:]


def test_a_changed_rule_is_told_from_then_on_and_others_stay(client: httpx.Client) -> None:
    before = client.get("/alerts/rules").json()["rules"]
    change = {"type": "HIGH_FAILURE_RATE", "threshold": 12.5, "window_seconds": 600, "severity": "CRITICAL"}
    answer = client.put("/alerts/rules", json={"rules": [change, {"type": "EVENTS_MISSED", "enabled": False}]})
    assert answer.status_code == 200
    after = answer.json()["rules"]
    assert client.get("/alerts/rules").json()["rules"] == after
    rate, missed = TYPES.index("HIGH_FAILURE_RATE"), TYPES.index("EVENTS_MISSED")
    assert after[rate].pop("updated_at").endswith("Z")
    assert after[missed].pop("updated_at").endswith("Z")
    assert after[rate] == {k: v for k, v in before[rate].items() if k != "updated_at"} | change
    assert after[missed] == {k: v for k, v in before[missed].items() if k != "updated_at"} | {"enabled": False}
    assert [r for i, r in enumerate(after) if i not in (rate, missed)] == [
        r for i, r in enumerate(before) if i not in (rate, missed)
    ]


DEPTH = {"type": "HIGH_QUEUE_DEPTH"}
BAD_BODIES: list[tuple[Any, str]] = [
    ({"rules": [{"type": "TOO_HOT"}]}, "rules.0.type"),
    ({"rules": [{"threshold": 5}]}, "rules.0.type"),
    ({"rules": [DEPTH | {"threshold": "5"}]}, "rules.0.threshold"),
    ({"rules": [DEPTH | {"threshold": -1}]}, "rules.0.threshold"),
    ({"rules": [DEPTH | {"threshold": 1e300}]}, "rules.0.threshold"),
    ({"rules": [DEPTH | {"window_seconds": 60}]}, "rules.0.window_seconds"),
    ({"rules": [DEPTH | {"for_seconds": 86_401}]}, "rules.0.for_seconds"),
    ({"rules": [DEPTH | {"for_seconds": 1.5}]}, "rules.0.for_seconds"),
    ({"rules": [DEPTH | {"enabled": 1}]}, "rules.0.enabled"),
    ({"rules": [DEPTH | {"severity": "LOUD"}]}, "rules.0.severity"),
    ({"rules": [DEPTH | {"colour": "red"}]}, "rules.0.colour"),
    ({"rules": [DEPTH, DEPTH]}, "rules.1.type"),
    ({"rules": [DEPTH | {"threshold": 5}, {"type": "HIGH_FAILURE_RATE", "threshold": 101}]}, "rules.1.threshold"),
    ({"rules": [DEPTH | {"unit": "seconds"}]}, "rules.0.unit"),
    ({"rules": [DEPTH | {"description": "Mine."}]}, "rules.0.description"),
    ({"rules": [DEPTH | {"updated_at": "2026-01-24T10:00:00Z"}]}, "rules.0.updated_at"),
    ({"data": [DEPTH | {"unit": "seconds"}]}, "data.0.unit"),
    ({"rules": [DEPTH], "data": [DEPTH | {"threshold": 7}]}, "data"),
    ({"rules": [DEPTH], "total": 8}, "total"),
    ({"rules": [DEPTH], "total_is_exact": False}, "total_is_exact"),
    ({"rules": [DEPTH], "next_cursor": "x"}, "next_cursor"),
    ({"rules": [DEPTH], "limit": 0}, "limit"),
    ({"rules": []}, "rules"),
    ({}, "rules"),
    ([], "body"),
]


@pytest.mark.parametrize(("body", "field"), BAD_BODIES)
def test_a_bad_rule_is_refused_and_changes_nothing(client: httpx.Client, body: Any, field: str) -> None:
    assert field in refused(client.put("/alerts/rules", json=body), 400, code="VALIDATION_ERROR")
    assert all(rule["updated_at"] is None for rule in client.get("/alerts/rules").json()["rules"])


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_threshold_that_is_no_number_is_refused(client: httpx.Client, number: str) -> None:
    body = f'{{"rules": [{{"type": "HIGH_QUEUE_DEPTH", "threshold": {number}}}]}}'
    answer = client.put("/alerts/rules", content=body, headers={"Content-Type": "application/json"})
    assert refused(answer, 400, code="VALIDATION_ERROR") == ["rules.0.threshold"]


def test_the_words_of_types_and_severities_are_those_of_the_contract(client: httpx.Client) -> None:
    document = httpx.get(str(client.base_url).replace("/api/v1/", "/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert schemas["AlertType"]["enum"] == TYPES
    assert schemas["Severity"]["enum"] == [severity.value for severity in Severity]
    acknowledge = document["paths"]["/api/v1/alerts/{alert_id}/acknowledge"]["post"]
    assert "ALERT_NOT_FOUND" in acknowledge["responses"]["404"]["description"]


def test_what_is_read_can_be_put_back_and_changes_nothing(client: httpx.Client) -> None:
    for change in ({}, {"threshold": 5}):
        client.put("/alerts/rules", json={"rules": [{"type": "HIGH_QUEUE_DEPTH"} | change]})
        body = client.get("/alerts/rules").json()
        forms = [body, {"rules": body["rules"]}, {"data": body["data"]}, {"rules": body["rules"][3:4]}]
        forms.append(client.get("/alerts/rules", params={"limit": 3, "offset": 2}).json())
        for form in forms:
            answer = client.put("/alerts/rules", json=form)
            assert (answer.status_code, answer.json()) == (200, body)
    assert [rule["type"] for rule in body["rules"] if rule["updated_at"]] == ["HIGH_QUEUE_DEPTH"]


def test_a_rule_that_somebody_has_changed_since_it_was_read_is_not_overwritten(client: httpx.Client) -> None:
    (read,) = [rule for rule in client.get("/alerts/rules").json()["rules"] if rule["type"] == "HIGH_QUEUE_DEPTH"]
    assert client.put("/alerts/rules", json={"rules": [{"type": read["type"], "threshold": 7}]}).status_code == 200
    answer = client.put("/alerts/rules", json={"rules": [read | {"enabled": False}]})
    assert refused(answer, 400, code="VALIDATION_ERROR") == ["rules.0.updated_at"]
    del read["updated_at"]
    assert client.put("/alerts/rules", json={"rules": [read | {"enabled": False}]}).status_code == 200
