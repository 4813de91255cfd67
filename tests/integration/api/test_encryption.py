"""Encryption at rest behind the REST API: values are shown, search says what it does not find, nothing is a 500."""

from base64 import b64encode

import httpx
import psycopg
import pytest

from api.routing import API_PREFIX
from settings import Settings
from tests.integration.api.ends import finish
from tests.integration.api.serving import serving

KEY = f"1:{b64encode(bytes(range(32))).decode()}"
ARGUMENTS = {"task_args": ["canary"], "task_kwargs": {"shop": 7}}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"encryption_keys": (KEY,)})


def test_values_are_shown_by_who_has_the_key_and_reasons_by_who_has_not(api: httpx.Client, settings: Settings) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"task_name": "shop.pay", **ARGUMENTS}
    task_id = api.post("/tasks", json=body, headers=headers).json()["task_id"]
    finish(settings.database_url or "", task_id)
    shown = api.get(f"/tasks/{task_id}").json()
    assert {name: shown[name] for name in ARGUMENTS} == ARGUMENTS
    assert api.post("/tasks", json=body, headers=headers).headers["Idempotent-Replayed"] == "true"
    assert api.post(f"/tasks/{task_id}/replay").status_code == 201
    assert "Arguments are encrypted" in api.get("/search/tasks", params={"search": "canary"}).json()["message"]
    assert api.get("/search/tasks").json()["message"] is None
    with psycopg.connect(settings.database_url or "") as database:
        assert "canary" not in str(database.execute("SELECT t::text FROM task_arguments t").fetchall())
    without = settings.model_copy(update={"encryption_keys": ()})
    with serving(without) as url, httpx.Client(base_url=url + API_PREFIX, timeout=30, verify=False) as other:
        unread = other.get(f"/tasks/{task_id}").json()
        assert (unread["task_args"], unread["task_kwargs"]) == (None, None)
        assert "key 1, which CELERIAC_ENCRYPTION_KEYS does not hold" in unread["args_repr"]
        assert other.post(f"/tasks/{task_id}/replay").json()["code"] == "ARGUMENTS_NOT_RECORDED"
        assert other.get(f"/tasks/{task_id}/compare/{task_id}").status_code == 200
        assert other.get(f"/tasks/{task_id}/timeline").status_code == 200
        assert other.post("/tasks", json=body, headers=headers).json()["code"] == "IDEMPOTENCY_CONFLICT"
        assert other.get("/search/tasks", params={"search": "canary"}).json()["message"] is None
