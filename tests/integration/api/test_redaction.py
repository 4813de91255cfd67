"""The mask in answers, what differs behind it, and the one way past it."""

import json

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from api.routing import API_PREFIX
from domain.redaction.values import MASK
from domain.scopes import Scope
from settings import Settings
from tests.integration.api.ends import finish
from tests.integration.api.serving import serving

KWARGS = {"user": "ada", "password": "hunter22", "pan": "4111 1111", "cards": [{"no": 1}, {"no": 2}]}
SHOWN = {"user": "ada", "password": MASK, "pan": MASK, "cards": [{"no": MASK}, {"no": MASK}]}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"redact": ("shop.charge:/kwargs/pan", "shop.*:/kwargs/cards/*/no")})


def submitted(api: httpx.Client, **changes: object) -> str:
    body = {"task_name": "shop.charge", "task_args": [7], "task_kwargs": KWARGS | changes}
    return str(api.post("/tasks", json=body).json()["task_id"])


def given(settings: Settings, task_id: str) -> object:
    """What the worker gets."""
    with psycopg.connect(settings.database_url or "") as database:
        row = database.execute("SELECT kwargs FROM task_arguments WHERE task_id = %s", [task_id]).fetchone()
    assert row
    return row[0]


def test_arguments_are_shown_with_the_mask_and_stored_as_they_are(api: httpx.Client, settings: Settings) -> None:
    task_id = submitted(api)
    shown = api.get(f"/tasks/{task_id}").json()
    assert (shown["task_args"], shown["task_kwargs"]) == ([7], SHOWN)
    assert given(settings, task_id) == KWARGS


def test_a_comparison_tells_that_hidden_values_differ_and_not_what_they_are(api: httpx.Client) -> None:
    one = submitted(api)
    other = submitted(api, password="another", user="bob", cards=[{"no": 1}], new={"token": "t"})
    compared = api.get(f"/tasks/{one}/compare/{other}").json()
    assert (compared["same_args"], compared["same_kwargs"]) == (True, False)
    assert [tuple(difference.values()) for difference in compared["arguments"]] == [
        ("replace", "/task_kwargs/user", "bob", "ada"),
        ("replace", "/task_kwargs/password", MASK, MASK),
        ("remove", "/task_kwargs/cards/1", None, {"no": MASK}),
        ("add", "/task_kwargs/new", {"token": MASK}, None),
    ]
    assert api.get(f"/tasks/{one}/compare/{submitted(api)}").json()["arguments"] == []


def test_a_replay_runs_with_the_true_values_and_never_with_the_mask(api: httpx.Client, settings: Settings) -> None:
    task_id = submitted(api)
    finish(settings.database_url or "", task_id)
    replayed = api.post(f"/tasks/{task_id}/replay")
    assert given(settings, replayed.json()["task_id"]) == KWARGS
    shown = api.get(f"/tasks/{task_id}").json()
    before = api.get("/tasks").json()["total"]
    for changes in ({"task_kwargs": shown["task_kwargs"]}, {"task_args": [[MASK]]}):
        refused = api.post(f"/tasks/{task_id}/replay", json=changes)
        assert refused.status_code == 400, refused.text
        assert [error["field"] for error in refused.json()["errors"]] == list(changes)
        assert MASK in refused.json()["errors"][0]["message"]
    assert api.get("/tasks").json()["total"] == before


def test_an_administrator_is_shown_the_values_and_that_is_noted(settings: Settings) -> None:
    demanding = settings.model_copy(update={"require_reason": (Scope.ADMIN,)})
    with serving(demanding) as url, httpx.Client(base_url=url + API_PREFIX, timeout=30) as api, capture_logs() as logs:
        task_id = submitted(api)
        shown = api.post(f"/tasks/{task_id}/reveal", json={"reason": "INC-17"})
        assert (shown.status_code, shown.json()["task_kwargs"], shown.json()["result"]) == (200, KWARGS, None)
        assert api.post("/tasks/nobody/reveal", json={"reason": "INC-17"}).json()["code"] == "TASK_NOT_FOUND"
    noted = [line for line in logs if line["event"] == "payload_revealed"]
    assert [(line["task_id"], line["reason"], line["author"]) for line in noted] == [(task_id, "INC-17", "local")]
    assert "hunter22" not in json.dumps(logs, default=str)


@pytest.mark.parametrize("reason", [None, "", "  ", "x" * 201, "a\nb", "a\x85b", "a\u202eb"])
def test_a_reveal_needs_a_reason(api: httpx.Client, reason: str | None) -> None:
    body = {} if reason is None else {"reason": reason}
    refused = api.post(f"/tasks/{submitted(api)}/reveal", json=body)
    assert (refused.status_code, [error["field"] for error in refused.json()["errors"]]) == (400, ["reason"])
