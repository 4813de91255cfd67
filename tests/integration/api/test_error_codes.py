"""The error codes that no other test here gets over HTTP, and that none is left over."""

from pathlib import Path

import httpx
import psycopg
import pytest

from api.routing import API_PREFIX
from domain.errors import CeleriacError
from settings import Settings
from tests.integration.api.serving import serving

SOURCES = [
    source.read_text()
    for room in ("contract", "integration/api")
    for source in (Path(__file__).parents[2] / room).glob("test_*.py")
]
NOT_ANSWERED = {"CONFLICT", "BROKER_UNAVAILABLE"}
"""The first is what others refine. The second is for loops: no request needs the broker, each records its intent."""


def codes(error: type[CeleriacError]) -> set[str]:
    return {error.code}.union(*map(codes, error.__subclasses__()))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    assert answer.json().keys() >= {"detail", "code", "request_id", "timestamp"}
    return answer.status_code, answer.json()["code"]


def as_holder_of(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_closed_api_tells_a_missing_key_from_one_that_may_only_read(settings: Settings) -> None:
    task = {"task_name": "celeriac.add", "task_args": [1, 2]}
    with serving(settings.model_copy(update={"api_keys": ("writer", "reader:read")})) as url:
        tasks = url + API_PREFIX + "/tasks"
        assert refusal(httpx.get(tasks)) == (401, "UNAUTHENTICATED")
        assert refusal(httpx.get(tasks, headers=as_holder_of("stranger"))) == (401, "UNAUTHENTICATED")
        assert refusal(httpx.post(tasks, json=task, headers=as_holder_of("reader"))) == (403, "FORBIDDEN")
        assert httpx.get(tasks, headers=as_holder_of("reader")).json()["total"] == 0
        assert httpx.post(tasks, json=task, headers=as_holder_of("writer")).status_code == 201


def test_a_fault_of_ours_says_nothing_of_what_is_inside(api: httpx.Client, settings: Settings) -> None:
    assert settings.database_url
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("alter table tasks rename to lost")
    answer = api.get("/tasks")
    assert refusal(answer) == (500, "INTERNAL_ERROR")
    assert not any(word in answer.text.lower() for word in ("relation", "select", "psycopg", "sql"))


@pytest.mark.parametrize("code", sorted(codes(CeleriacError) - NOT_ANSWERED))
def test_every_code_is_got_over_http_by_some_test(code: str) -> None:
    assert any(f'"{code}"' in source for source in SOURCES), f"no test asks for {code}"
