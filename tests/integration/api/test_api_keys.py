"""API keys over REST, on real PostgreSQL and Valkey: made, used, rotated, taken back, and seen by other processes."""

import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from api.routing import API_PREFIX
from settings import Settings
from tests.integration.api.serving import serving
from tests.patience import PATIENCE_SECONDS, wait_for

ADMIN = {"name": "root", "scopes": ["admin", "read"]}
TASK = {"task_name": "celeriac.add", "task_args": [1, 2]}


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    with serving(settings) as url:
        yield url + API_PREFIX


@pytest.fixture
def root(url: str) -> Iterator[httpx.Client]:
    """A client with the first key, which has closed the door behind it."""
    key = httpx.post(f"{url}/api-keys", json=ADMIN).json()["key"]
    with client_with(key, url) as client:
        wait_for(lambda: httpx.get(f"{url}/tasks").status_code == 401)
        yield client


def client_with(key: str, url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False)


def status(url: str, key: str | None, *, path: str = "/tasks") -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.get(url + path, headers=headers).status_code


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def have_grown(seen: list[list[int]], before: list[int]) -> bool:
    """Whether each has ten answers more: the first may be to a request from before."""
    return all(len(answers) >= count + 10 for answers, count in zip(seen, before, strict=True))


def made(root: httpx.Client, *scopes: str, **more: Any) -> Any:
    answer = root.post("/api-keys", json={"name": "etl", "scopes": scopes} | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_the_first_key_needs_admin_and_closes_the_door(url: str) -> None:
    refused = httpx.post(f"{url}/api-keys", json={"name": "reader", "scopes": ["read"]})
    assert refusal(refused) == (400, "VALIDATION_ERROR")
    assert refused.json()["errors"][0]["field"] == "scopes"
    assert httpx.get(f"{url}/me").json()["kind"] == "local"
    issued = httpx.post(f"{url}/api-keys", json=ADMIN).json()
    assert issued["created_by"] == "local"
    wait_for(lambda: status(url, None) == 401)
    assert [status(url, key) for key in (issued["key"], issued["key"][:-1], "nobody")] == [200, 401, 401]
    wrong = httpx.post(f"{url}/session", json={"key": "nobody"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "This API key opens nothing.")


def test_the_secret_is_shown_once_and_stored_nowhere(root: httpx.Client, settings: Settings) -> None:
    issued = made(root, "read")
    shown = root.get(f"/api-keys/{issued['key_id']}").json()
    assert shown == {name: value for name, value in issued.items() if name != "key"}
    assert shown in root.get("/api-keys").json()["api_keys"]
    secret = issued["key"].rpartition("_")[2]
    assert settings.database_url
    with psycopg.connect(settings.database_url) as connection:
        for (table,) in connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall():
            rows = connection.execute(f'select t::text from "{table}" t').fetchall()
            assert not [table for (row,) in rows if secret in row]


def test_a_key_may_what_its_scopes_say_and_is_told_what_it_lacks(root: httpx.Client, url: str) -> None:
    submitter, reader = made(root, "submit"), made(root, "read")
    with client_with(submitter["key"], url) as client:
        assert client.post("/tasks", json=TASK).status_code == 201
        assert client.get("/tasks").json()["total"] == 1
        refused = client.get("/search/tasks")
        assert refusal(refused) == (403, "FORBIDDEN")
        assert refused.json()["errors"] == [{"field": "scope", "message": "needs read"}]
        assert client.get("/me").json() == {
            "kind": "api_key",
            "id": submitter["key_id"],
            "name": "etl",
            "scopes": ["submit"],
            "queues": [],
            "task_names": [],
        }
    with client_with(reader["key"], url) as client:
        assert client.get("/tasks").status_code == 200
        assert client.post("/tasks", json=TASK).json()["errors"] == [{"field": "scope", "message": "needs submit"}]
        assert refusal(client.get("/api-keys")) == (403, "FORBIDDEN")
        assert refusal(client.post(f"/api-keys/{submitter['key_id']}/rotate")) == (403, "FORBIDDEN")
        assert client.post(f"/api-keys/{reader['key_id']}/rotate").status_code == 201


BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"scopes": ["everything"]}, "scopes.0"),
    ({"scopes": []}, "scopes"),
    ({"name": ""}, "name"),
    ({"allowed_networks": ["10.0.0.0/8", "10.0.0.1/8"]}, "allowed_networks.1"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"expires_at": "tomorrow"}, "expires_at"),
    ({"rate_limit_per_minute": 0}, "rate_limit_per_minute"),
    ({"queues": ["etl"]}, "queues"),  # a key with admin
    ({"task_names": ["shop.*"]}, "task_names"),
    ({"queues": ["etl", "e*l"]}, "queues.1"),
    ({"queues": ["*"]}, "queues.0"),
    ({"task_names": [""]}, "task_names.0"),
    ({"task_names": ["a\u0000"]}, "task_names.0"),
    ({"task_names": [f"shop.{number}" for number in range(51)]}, "task_names"),
    ({"queues": "etl"}, "queues"),
    ({"secret": "of my own"}, "secret"),
)


def test_a_bad_order_is_refused_by_field(api: httpx.Client) -> None:
    for change, field in BAD:
        answer = api.post("/api-keys", json=ADMIN | change)
        assert refusal(answer) == (400, "VALIDATION_ERROR"), change
        assert answer.json()["errors"][0]["field"] == field


def test_a_key_that_is_unknown_or_revoked_is_not_there_to_be_changed(root: httpx.Client) -> None:
    issued = made(root, "read")
    assert root.delete(f"/api-keys/{issued['key_id']}").status_code == 204
    for key_id in ("nobody", issued["key_id"]):
        assert refusal(root.patch(f"/api-keys/{key_id}", json={"name": "x"})) == (404, "KEY_NOT_FOUND")
        assert refusal(root.delete(f"/api-keys/{key_id}")) == (404, "KEY_NOT_FOUND")
        assert refusal(root.post(f"/api-keys/{key_id}/rotate")) == (404, "KEY_NOT_FOUND")
    assert refusal(root.get("/api-keys/nobody")) == (404, "KEY_NOT_FOUND")
    assert root.get(f"/api-keys/{issued['key_id']}").json()["revoked_at"] is not None


def test_the_last_way_in_stays_open(root: httpx.Client) -> None:
    key_id = root.get("/me").json()["id"]
    for change in ({"disabled": True}, {"scopes": ["read"]}):
        assert refusal(root.patch(f"/api-keys/{key_id}", json=change)) == (409, "LAST_ADMIN")
    assert refusal(root.delete(f"/api-keys/{key_id}")) == (409, "LAST_ADMIN")
    other = made(root, "admin")
    assert root.patch(f"/api-keys/{other['key_id']}", json={"disabled": True}).json()["disabled"]
    assert refusal(root.delete(f"/api-keys/{key_id}")) == (409, "LAST_ADMIN")
    assert root.patch(f"/api-keys/{other['key_id']}", json={"disabled": False, "name": "heir"}).json()["name"] == "heir"
    assert root.delete(f"/api-keys/{key_id}").status_code == 204


def test_a_door_that_any_key_has_closed_stays_closed(settings: Settings) -> None:
    """Also where the key never had `admin` and is gone: made beside a full key of the environment, and revoked."""
    key = "a-key-of-this-test"
    with (
        serving(settings.model_copy(update={"api_keys": (key,)})) as url,
        client_with(key, url + API_PREFIX) as client,
    ):
        issued = made(client, "read")
        assert client.delete(f"/api-keys/{issued['key_id']}").status_code == 204
    with serving(settings) as url:
        assert [status(url + API_PREFIX, sent) for sent in (None, issued["key"])] == [401, 401]


def test_a_full_key_of_the_environment_is_another_way_in(settings: Settings) -> None:
    key = "a-key-of-this-test"
    with (
        serving(settings.model_copy(update={"api_keys": (key,)})) as url,
        client_with(key, url + API_PREFIX) as client,
    ):
        assert made(client, "read")["created_by"] == "env_key:1"
        admin = made(client, "admin")
        assert client.delete(f"/api-keys/{admin['key_id']}").status_code == 204


def test_a_key_with_a_rate_of_its_own_is_told_to_wait(root: httpx.Client, url: str) -> None:
    with client_with(made(root, "read", rate_limit_per_minute=2)["key"], url) as client:
        answers = [client.get("/me") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert refusal(answers[2]) == (429, "RATE_LIMITED")
    assert 0 < int(answers[2].headers["retry-after"]) <= 61


def test_other_processes_take_a_new_key_at_once_and_refuse_a_revoked_one_within_a_second(
    root: httpx.Client, settings: Settings
) -> None:
    with serving(settings) as other:
        elsewhere = other + API_PREFIX
        issued = made(root, "read")
        assert status(elsewhere, issued["key"]) == 200
        root.delete(f"/api-keys/{issued['key_id']}")
        revoked_at = time.monotonic()
        wait_for(lambda: status(elsewhere, issued["key"]) == 401)
        print(f"refused elsewhere after {1000 * (time.monotonic() - revoked_at):.0f} ms")


def test_a_rotation_under_load_loses_no_request(root: httpx.Client, url: str, settings: Settings) -> None:
    """Clients change over whenever they like, to whichever process, while the overlap lasts."""
    issued = made(root, "read")
    keys, stop = [issued["key"]], threading.Event()
    seen: list[list[int]] = [[], [], [], []]

    def ask(base: str, answers: list[int]) -> None:
        with httpx.Client(base_url=base, trust_env=False) as client:
            while not stop.is_set():
                headers = {"Authorization": f"Bearer {keys[-1]}"}
                answers.append(client.get("/me", headers=headers).status_code)

    with serving(settings) as other:
        bases = [url, url, other + API_PREFIX, other + API_PREFIX]
        threads = [threading.Thread(target=ask, args=each) for each in zip(bases, seen, strict=True)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                answer = root.post(f"/api-keys/{issued['key_id']}/rotate", json={"overlap_seconds": 60})
                keys.append(answer.json()["key"])
                wait_for(partial(have_grown, seen, list(map(len, seen))))
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE_SECONDS)
    assert {status for answers in seen for status in answers} == {200}
    assert [status(url, key, path="/me") for key in keys[-3:]] == [401, 200, 200]


def test_without_an_overlap_the_old_secret_opens_nothing(root: httpx.Client, url: str) -> None:
    issued = made(root, "read")
    new = root.post(f"/api-keys/{issued['key_id']}/rotate", json={"overlap_seconds": 0}).json()
    assert new["previous_expires_at"] is None
    wait_for(lambda: status(url, issued["key"]) == 401)
    assert status(url, new["key"]) == 200


def test_the_time_and_the_place_of_the_last_use_are_written_later(root: httpx.Client, url: str) -> None:
    issued = made(root, "read")
    assert status(url, issued["key"]) == 200
    shown: dict[str, Any] = {}

    def is_written() -> bool:
        shown.update(root.get(f"/api-keys/{issued['key_id']}").json())
        return shown["last_used_at"] is not None

    wait_for(is_written)
    assert shown["last_used_from"] == "127.0.0.1"
    # Not the minute in which it was used, which begins before the key was made.
    assert shown["last_used_at"] >= shown["created_at"]


def test_a_request_that_is_repeated_after_a_rotation_is_the_same_request(root: httpx.Client, url: str) -> None:
    issued = made(root, "submit")
    new = root.post(f"/api-keys/{issued['key_id']}/rotate").json()
    answers = []
    for key in (issued["key"], new["key"]):
        with client_with(key, url) as client:
            answers.append(client.post("/tasks", json=TASK, headers={"Idempotency-Key": "once"}))
    assert answers[0].json()["task_id"] == answers[1].json()["task_id"]


def test_requests_without_a_valid_key_are_told_of_all_processes_together(
    root: httpx.Client, url: str, settings: Settings
) -> None:
    def told() -> dict[str, Any]:
        found: dict[str, Any] = root.get("/api-keys").json()["turned_away"]
        return found

    refused = 1  # by which the fixture sees that the door is closed
    with serving(settings) as other:
        for place in (url, other + API_PREFIX):
            assert httpx.post(f"{place}/tasks", json=TASK).status_code == 401
            with client_with("a-key-that-opens-nothing", place) as wrong:
                assert wrong.post("/tasks", json=TASK).status_code == 401
            # A page of ours that asks who is there is nobody's client.
            assert httpx.get(f"{place}/me", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 401
            refused += 2
        wait_for(lambda: told()["count"] >= refused)
    found = told()
    assert found["count"] == refused
    assert found["latest_from"] == "127.0.0.1"
    assert found["latest_at"]
