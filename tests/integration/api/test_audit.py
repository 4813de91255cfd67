"""The audit over REST, on real PostgreSQL and Valkey: every write leaves its row, and no other request does."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi.routing import iter_route_contexts

from api.app import create_app
from api.middleware.failed_keys import MOST_FAILURES
from api.routing import API_PREFIX, StrictRoute
from domain.scopes import Scope
from settings import Settings
from tests.integration.api.serving import serving

Json = dict[str, Any]
ROOT, READER = "a-key-that-may-all", "a-key-that-reads"
REASON = "INC-17: été"
TASK = {"task_name": "celeriac.add", "task_args": ["a-secret-argument"]}
WORKFLOW = {"name": "w", "steps": [{"id": "a", **TASK}]}
RULES = {"rules": [{"type": "STUCK_TASKS", "threshold": 77}]}
CHANNEL, ROUTE = "00000000-0000-7000-8000-000000000017", "00000000-0000-7000-8000-000000000018"
LOOPBACK = "json://127.0.0.1:1/a-secret-argument"
PRESET = {"name": "mine", "description": "d", "filters": {"status": ["FAILED"]}}


@pytest.fixture
def root(settings: Settings) -> Iterator[httpx.Client]:
    """A client with a key of the environment that may do everything."""
    keys = {"api_keys": (ROOT, f"{READER}:read")}
    with serving(settings.model_copy(update=keys)) as url, client_with(ROOT, url + API_PREFIX) as client:
        yield client


def client_with(key: str, url: object) -> httpx.Client:
    return httpx.Client(base_url=str(url), headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False)


def audit(client: httpx.Client, **query: Any) -> list[Json]:
    answer = client.get("/audit", params=query)
    assert answer.status_code == 200, answer.text
    rows: list[Json] = answer.json()["audit"]
    return rows


def routes() -> dict[tuple[str, str], StrictRoute]:
    """All routes that may write, by method and path."""
    found = [context.route for context in iter_route_contexts(create_app(Settings()).routes)]
    strict = [route for route in found if isinstance(route, StrictRoute)]
    return {
        (method, route.path.removeprefix(API_PREFIX)): route
        for route in strict
        for method in (route.methods or set()) - {"GET", "HEAD"}
    }


WEBHOOK = {"url": "https://hooks.example/celeriac", "events": ["task.failed"]}


class World:
    """What the writes act on, in the order of `WRITES`."""

    def __init__(self, client: httpx.Client, database_url: str) -> None:
        self.client = client
        self.database_url = database_url
        self.task_id = client.post("/tasks", json=TASK).json()["task_id"]
        self.workflow_id = client.post("/workflows", json=WORKFLOW).json()["workflow_id"]
        self.alert_id = str(uuid4())
        self.key_id = client.post("/api-keys", json={"name": "etl", "scopes": ["read"]}).json()["key_id"]
        self.webhook_id = client.post("/webhooks", json=WEBHOOK).json()["webhook_id"]
        self.delivery_id = client.post(f"/webhooks/{self.webhook_id}/test?wait_seconds=0").json()["delivery_id"]
        client.post("/session", json={"key": ROOT})
        self.session_id = client.get("/sessions").json()["sessions"][0]["session_id"]
        client.cookies.clear()
        self.execute(
            "insert into alerts (alert_id, type, subject, severity, description, value, threshold, created_at)"
            f" values ('{self.alert_id}', 'STUCK_TASKS', '', 'WARNING', 'd', 1, 1, now())"
        )

        self.execute(
            "insert into notification_channels (channel_id, name, url, shown, enabled, created_by)"
            f" values ('{CHANNEL}', 'mail', '{LOOPBACK}', 'json', true, 'local')"
        )
        self.execute(
            "insert into notification_routes (route_id, name, channel_ids, severities, alert_types, subjects,"
            f" group_seconds, send_resolved, enabled, created_by) values ('{ROUTE}', 'all', array['{CHANNEL}'::uuid],"
            " array[]::text[], array[]::text[], array[]::text[], 0, true, true, 'local')"
        )

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database_url) as connection:
            connection.execute(statement.encode())

    def bring_online(self) -> None:
        self.execute("update workers set last_heartbeat_at = now(), last_event_at = now(), online_at = now()")

    def take_offline(self) -> None:
        self.execute("update workers set last_heartbeat_at = now() - interval '1 h', last_event_at = null")


Write = tuple[Callable[[World], None] | None, str, Json | None]
"""What is done before, the path, and the body."""

WRITES: dict[tuple[str, str], Write] = {
    ("POST", "/tasks/{task_id}/cancel"): (None, "/tasks/{0.task_id}/cancel", None),
    ("POST", "/tasks/{task_id}/replay"): (None, "/tasks/{0.task_id}/replay", {"priority": 9}),
    ("POST", "/tasks/{task_id}/reveal"): (None, "/tasks/{0.task_id}/reveal", {"reason": REASON}),
    ("POST", "/workflows/{workflow_id}/cancel"): (None, "/workflows/{0.workflow_id}/cancel", None),
    ("POST", "/workflows/{workflow_id}/replay"): (None, "/workflows/{0.workflow_id}/replay", None),
    ("POST", "/workflows/{workflow_id}/retry"): (None, "/workflows/{0.workflow_id}/retry", None),
    ("POST", "/workers"): (None, "/workers?hostname=one", None),
    ("PATCH", "/workers/{worker_id}/pause"): (None, "/workers/one/pause", None),
    ("PATCH", "/workers/{worker_id}/resume"): (None, "/workers/one/resume", None),
    ("PATCH", "/workers/{worker_id}/capacity"): (None, "/workers/one/capacity", {"capacity": 9}),
    ("POST", "/workers/{worker_id}/drain"): (World.bring_online, "/workers/one/drain", {"deadline_seconds": 5}),
    ("DELETE", "/workers/{worker_id}"): (World.take_offline, "/workers/one", None),
    ("POST", "/search/presets"): (None, "/search/presets", PRESET),
    ("DELETE", "/search/presets/{name}"): (None, "/search/presets/mine", None),
    ("POST", "/alerts/{alert_id}/acknowledge"): (None, "/alerts/{0.alert_id}/acknowledge", None),
    ("PUT", "/alerts/rules"): (None, "/alerts/rules", RULES),
    ("POST", "/notifications/channels"): (None, "/notifications/channels", {"name": "second", "url": LOOPBACK}),
    ("PATCH", "/notifications/channels/{channel_id}"): (
        None,
        f"/notifications/channels/{CHANNEL}",
        {"name": "third"},
    ),
    ("POST", "/notifications/channels/{channel_id}/test"): (
        None,
        f"/notifications/channels/{CHANNEL}/test",
        None,
    ),
    ("POST", "/notifications/routes"): (None, "/notifications/routes", {"name": "some", "channel_ids": [CHANNEL]}),
    ("PATCH", "/notifications/routes/{route_id}"): (
        None,
        f"/notifications/routes/{ROUTE}",
        {"enabled": False},
    ),
    ("DELETE", "/notifications/routes/{route_id}"): (None, f"/notifications/routes/{ROUTE}", None),
    ("DELETE", "/notifications/channels/{channel_id}"): (None, f"/notifications/channels/{CHANNEL}", None),
    ("POST", "/resilience/degradation/mark"): (
        None,
        "/resilience/degradation/mark",
        {"service_name": "queue:slow", "strategy": "fail_fast", "duration_seconds": 60},
    ),
    ("POST", "/resilience/degradation/clear"): (
        None,
        "/resilience/degradation/clear",
        {"service_name": "queue:slow"},
    ),
    ("POST", "/api-keys"): (None, "/api-keys", {"name": "other", "scopes": ["submit"]}),
    ("PATCH", "/api-keys/{key_id}"): (None, "/api-keys/{0.key_id}", {"name": "renamed"}),
    ("POST", "/api-keys/{key_id}/rotate"): (None, "/api-keys/{0.key_id}/rotate", None),
    ("DELETE", "/api-keys/{key_id}"): (None, "/api-keys/{0.key_id}", None),
    ("POST", "/webhooks"): (None, "/webhooks", WEBHOOK),
    ("PATCH", "/webhooks/{webhook_id}"): (None, "/webhooks/{0.webhook_id}", {"description": "other"}),
    ("POST", "/webhooks/{webhook_id}/rotate_secret"): (None, "/webhooks/{0.webhook_id}/rotate_secret", None),
    ("POST", "/webhooks/{webhook_id}/test"): (None, "/webhooks/{0.webhook_id}/test?wait_seconds=0", None),
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/retry"): (
        None,
        "/webhooks/{0.webhook_id}/deliveries/{0.delivery_id}/retry",
        None,
    ),
    ("POST", "/webhooks/{webhook_id}/recover"): (None, "/webhooks/{0.webhook_id}/recover", {"after": "-1h"}),
    ("DELETE", "/webhooks/{webhook_id}"): (None, "/webhooks/{0.webhook_id}", None),
    ("DELETE", "/sessions/{session_id}"): (None, "/sessions/{0.session_id}", None),
}
OF_SESSIONS = {("POST", "/session"), ("DELETE", "/session")}
"""What a browser alone does; see below."""


def test_every_route_that_writes_says_how_the_audit_has_it_or_why_it_has_not() -> None:
    declared = {key: route.declared for key, route in routes().items()}
    assert {key for key, said in declared.items() if said.action} == WRITES.keys() | OF_SESSIONS
    for key, said in declared.items():
        assert (said.action is None) != (said.not_audited is None), key
    exempt = {key for key, said in declared.items() if said.not_audited}
    assert exempt == {("POST", "/tasks"), ("POST", "/tasks/batch"), ("POST", "/workflows"), ("POST", "/events")}
    actions = [said.action for said in declared.values() if said.action]
    assert len(set(actions)) == len(actions)


def test_every_write_leaves_one_row_that_tells_who_and_why(root: httpx.Client, settings: Settings) -> None:
    assert settings.database_url
    world = World(root, settings.database_url)
    declared = routes()
    before = {row["request_id"] for row in audit(root)}
    for number, (key, (prepare, path, body)) in enumerate(WRITES.items()):
        if prepare:
            prepare(world)
        headers = {b"X-Request-ID": b"walk-%d" % number, b"X-Celeriac-Reason": REASON.encode()}
        answer = root.request(key[0], path.format(world), json=body, headers=headers)
        assert answer.is_success, (key, answer.text)
        (row,) = audit(root, request_id=f"walk-{number}")
        assert row["action"] == declared[key].declared.action
        assert row["subject_kind"] == row["action"].partition(".")[0]
        who = (row["actor_kind"], row["actor_id"], row["actor_name"], row["address"])
        assert who == ("env_key", "1", "CELERIAC_API_KEYS 1", "127.0.0.1")
        assert row["reason"] == REASON
        assert row["outcome"] in {"done", "requested"}
        assert row["subject_id"], key
    assert len(audit(root, limit=100)) == len(before) + len(WRITES)
    text = root.get("/audit", params={"limit": 100}).text
    assert "a-secret-argument" not in text
    assert "hash" not in text


def test_signing_in_and_out_leaves_rows_of_whoever_did_it(root: httpx.Client) -> None:
    browser = httpx.Client(base_url=root.base_url, headers={"Sec-Fetch-Site": "same-origin"}, trust_env=False)
    with browser:
        assert browser.post("/session", json={"key": ROOT}).status_code == 204
        assert browser.delete("/session").status_code == 204
    gone, come = audit(root)
    assert [(come["action"], come["actor_kind"]), (gone["action"], gone["actor_kind"])] == [
        ("session.sign_in", "env_key"),
        ("session.sign_out", "session"),
    ]
    assert come["subject_id"] == gone["subject_id"]
    assert {come["actor_id"], gone["actor_id"]} == {"1"}
    assert {come["address"], gone["address"]} == {"127.0.0.1"}


def test_before_and_after_are_the_fields_that_differ(root: httpx.Client) -> None:
    key_id = root.post("/api-keys", json={"name": "etl", "scopes": ["read"]}).json()["key_id"]
    root.patch(f"/api-keys/{key_id}", json={"name": "other"})
    renamed, made = audit(root, subject=key_id)
    assert (renamed["before"], renamed["after"]) == ({"name": "etl"}, {"name": "other"})
    assert (made["before"], made["after"]) == ({}, {"name": "etl", "scopes": ["read"]})


def test_what_is_not_done_leaves_no_row(root: httpx.Client) -> None:
    missing = uuid4()
    refused = [
        root.post(f"/tasks/{missing}/cancel"),
        root.post(f"/workflows/{missing}/cancel"),
        root.patch("/workers/nobody/pause"),
        root.delete("/search/presets/nobody"),
        root.post(f"/alerts/{missing}/acknowledge"),
        root.put("/alerts/rules", json={"rules": [{"type": "STUCK_TASKS", "threshold": -1}]}),
        root.post("/resilience/degradation/mark", json={"service_name": "x", "strategy": "fail_fast"}),
        root.patch("/api-keys/nobody", json={"name": "x"}),
    ]
    assert all(400 <= answer.status_code < 500 for answer in refused)
    assert root.post("/tasks", json=TASK).is_success
    assert audit(root) == []


def test_a_repeated_request_leaves_one_row(root: httpx.Client) -> None:
    task_id = root.post("/tasks", json=TASK).json()["task_id"]
    root.post(f"/tasks/{task_id}/cancel")
    for _ in range(2):
        assert root.post(f"/tasks/{task_id}/replay", headers={"Idempotency-Key": "once"}).status_code == 201
    assert len(audit(root, action="task.replay")) == 1


def test_who_lacks_the_scope_is_in_the_audit_so_many_times_a_minute(root: httpx.Client) -> None:
    with client_with(READER, root.base_url) as reader:
        for _ in range(MOST_FAILURES + 5):
            refused = reader.post("/tasks/some-task/cancel", headers={"X-Celeriac-Reason": "curious"})
            assert refused.status_code == 403
        assert reader.get("/audit").status_code == 403
        assert reader.post("/tasks", json=TASK).status_code == 403
    rows = audit(root, outcome="refused")
    assert len(rows) == MOST_FAILURES
    assert {(row["action"], row["subject_id"], row["actor_id"]) for row in rows} == {("task.cancel", "some-task", "2")}
    assert {row["reason"] for row in rows} == {"curious"}
    assert audit(root) == rows


NO_REASONS = {
    ("x" * 201,): "has more than 200 characters",
    ("",): "is empty",
    ("a\tb",): "holds a control character",
    ("a", "b"): "is given more than once",
}


def test_what_is_no_reason_is_refused_and_nothing_done(root: httpx.Client) -> None:
    for lines, flaw in NO_REASONS.items():
        answer = root.post("/search/presets", json=PRESET, headers=[("X-Celeriac-Reason", line) for line in lines])
        assert answer.status_code == 400
        assert answer.json()["errors"] == [{"field": "X-Celeriac-Reason", "message": flaw}]
    assert audit(root) == []
    assert root.post("/search/presets", json=PRESET, headers={"X-Celeriac-Reason": "x" * 200}).status_code == 201


def test_operators_may_demand_a_reason(settings: Settings) -> None:
    demanding = settings.model_copy(update={"require_reason": (Scope.OPERATE,)})
    with serving(demanding) as url, httpx.Client(base_url=url + API_PREFIX, timeout=30) as client:
        refused = client.post("/search/presets", json=PRESET)
        assert refused.status_code == 400
        message = "is needed: say why this is done"
        assert refused.json()["errors"] == [{"field": "X-Celeriac-Reason", "message": message}]
        assert client.post("/search/presets", json=PRESET, headers={"X-Celeriac-Reason": "why"}).status_code == 201
        assert client.post("/tasks", json=TASK).status_code == 201
        assert client.put("/alerts/rules", json=RULES).status_code == 200, "admin was not named"


def test_the_list_is_filtered_and_paged(root: httpx.Client) -> None:
    for name in ("a", "b", "c"):
        root.post("/search/presets", json=PRESET | {"name": name})
    root.delete("/search/presets/b")
    newest_first = [(row["action"], row["subject_id"]) for row in audit(root)]
    assert newest_first == [("preset.delete", "b"), *(("preset.save", name) for name in "cba")]
    assert [row["action"] for row in audit(root, subject="b")] == ["preset.delete", "preset.save"]
    assert [row["subject_id"] for row in audit(root, action="preset.save", limit=1)] == ["c"]
    assert len(audit(root, actor="env_key:1")) == len(audit(root, actor="1")) == 4
    assert audit(root, actor="api_key:1") == audit(root, after="2100-01-01") == audit(root, before="-1h") == []
    page = root.get("/audit", params={"limit": 3}).json()
    assert (page["total"], page["total_is_exact"]) == (4, True)
    rest = root.get("/audit", params={"limit": 3, "cursor": page["next_cursor"]}).json()
    assert [row["subject_id"] for row in rest["data"]] == ["a"]
    assert rest["next_cursor"] is None
    assert "audit" not in root.get("/audit", params={"rows": "data"}).json()


NO_FILTERS = ("action=task.fly", "outcome=x", "after=soon", "cursor=x", "limit=0", "actor=", "who=me", "after_seal=1")


def test_what_is_no_filter_is_refused_by_its_name(root: httpx.Client) -> None:
    for query in NO_FILTERS:
        answer = root.get(f"/audit?{query}")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


def test_all_is_exported_and_no_cell_is_a_formula(root: httpx.Client) -> None:
    reason = {"X-Celeriac-Reason": "=1+1"}
    root.post("/search/presets", json=PRESET | {"name": "a"}, headers=reason)
    root.post("/search/presets", json=PRESET | {"name": "b"})
    answer = root.get("/audit/export/csv", params={"action": "preset.save"})
    assert 'filename="audit-' in answer.headers["content-disposition"]
    newest, oldest = csv.DictReader(io.StringIO(answer.text))
    assert (newest["subject_id"], newest["reason"]) == ("b", "")
    assert (oldest["subject_id"], oldest["reason"], oldest["actor_kind"]) == ("a", "'=1+1", "env_key")
    assert oldest["at"] == audit(root)[1]["at"]
    assert root.get("/audit/export/csv", params={"limit": 1}).status_code == 400


def test_the_verification_is_answered(root: httpx.Client) -> None:
    root.post("/search/presets", json=PRESET)
    answer = root.get("/audit/verify").json()
    assert (answer["ok"], answer["complete"], answer["unsealed_rows"], answer["tampering"]) == (True, True, 1, None)
    assert root.get("/audit/verify", params={"after_seal": -1}).status_code == 400
