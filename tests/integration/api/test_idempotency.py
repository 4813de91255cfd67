"""A request that is sent again acts once and is answered as the first was."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from domain.states import EventType
from loops import expiry
from loops.expiry import ExpiryRound
from settings import Settings
from store.engine import open_engine
from tests.integration.api.ends import finish
from tests.integration.api.serving import serving
from tests.patience import wait_for

KEY = {"Idempotency-Key": "order-1234"}
TASK = {"task_name": "celeriac.add", "task_args": [2, 3]}
BATCH = {"tasks": [TASK, TASK]}


def execute(settings: Settings, statement: str) -> int:
    """How many rows it changed."""
    with psycopg.connect(settings.database_url or "") as connection:
        return connection.execute(statement).rowcount


def count(settings: Settings, table: str = "tasks") -> int:
    return execute(settings, f"select from {table}")


def is_replayed(answer: httpx.Response) -> bool:
    return str(answer.headers.get("Idempotent-Replayed")) == "true"


def test_the_first_answer_is_given_again_and_nothing_is_done_twice(api: httpx.Client, settings: Settings) -> None:
    first, again = (api.post("/tasks", json=TASK, headers=KEY) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "Idempotent-Replayed" not in first.headers
    assert is_replayed(again)
    assert count(settings) == count(settings, "outbox") == 1


def test_a_batch_is_not_stored_twice(api: httpx.Client, settings: Settings) -> None:
    first, again = (api.post("/tasks/batch", json=BATCH, headers=KEY) for _ in range(2))
    assert (first.json(), is_replayed(again)) == (again.json(), True)
    assert count(settings) == 2


def test_a_task_is_not_replayed_twice(api: httpx.Client, settings: Settings) -> None:
    task_id = api.post("/tasks", json=TASK).json()["task_id"]
    finish(settings.database_url or "", task_id, end=EventType.FAILED)
    first, again = (api.post(f"/tasks/{task_id}/replay", headers=KEY) for _ in range(2))
    assert first.status_code == 201
    assert (first.json(), is_replayed(again)) == (again.json(), True)
    assert count(settings) == 2
    events = api.get(f"/tasks/{task_id}/timeline").json()["events"]
    assert [event["event_type"] for event in events].count("replayed") == 1


@pytest.mark.parametrize(("path", "body"), [("/tasks", TASK), ("/tasks/batch", BATCH)])
def test_the_same_key_with_another_body_is_a_conflict(
    api: httpx.Client, settings: Settings, path: str, body: dict[str, Any]
) -> None:
    api.post(path, json=body, headers=KEY)
    before = count(settings)
    other = {"tasks": [TASK]} if "tasks" in body else TASK | {"task_args": [2, 4]}
    answer = api.post(path, json=other, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert count(settings) == before


def test_another_path_is_another_request(api: httpx.Client, settings: Settings) -> None:
    answers = [api.post("/tasks", json=TASK, headers=KEY), api.post("/tasks/batch", json=BATCH, headers=KEY)]
    task_ids = [api.post("/tasks", json=TASK).json()["task_id"] for _ in range(2)]
    for task_id in task_ids:
        finish(settings.database_url or "", task_id)
        answers.append(api.post(f"/tasks/{task_id}/replay", headers=KEY))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert not any(map(is_replayed, answers))
    assert [answer.json()["original_task_id"] for answer in answers[2:]] == task_ids


@pytest.mark.parametrize(("path", "body", "stored"), [("/tasks", TASK, 1), ("/tasks/batch", BATCH, 2)])
def test_of_concurrent_duplicates_one_acts_and_the_others_wait_for_its_answer(
    api: httpx.Client, settings: Settings, path: str, body: dict[str, Any], stored: int
) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: api.post(path, json=body, headers=KEY), range(40)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum(map(is_replayed, answers)) == 39
    assert count(settings) == stored


def test_two_processes_share_the_keys(settings: Settings) -> None:
    with serving(settings) as one, serving(settings) as other, ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda url: httpx.post(f"{url}/api/v1/tasks", json=TASK, headers=KEY), [one, other] * 8)
        )
    assert [answer.text for answer in answers if answer.status_code != 201] == []
    assert {answer.json()["task_id"] for answer in answers} == {answers[0].json()["task_id"]}
    assert count(settings) == 1


def test_a_duplicate_waits_for_the_commit_of_the_first(api: httpx.Client, settings: Settings) -> None:
    api.post("/tasks", json=TASK, headers=KEY)
    with psycopg.connect(settings.database_url or "") as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("update idempotency_keys set answer = replace(answer, 'celeriac.add', 'celeriac.echo')")
        waiting = pool.submit(api.post, "/tasks", json=TASK, headers=KEY)
        wait_until_blocked(settings)
        assert not waiting.done()
        connection.commit()
        assert waiting.result().json()["task_name"] == "celeriac.echo"


def wait_until_blocked(settings: Settings) -> None:
    wait_for(lambda: execute(settings, "select from pg_stat_activity where wait_event_type = 'Lock'"))


def test_a_request_that_was_refused_does_not_use_up_its_key(api: httpx.Client, settings: Settings) -> None:
    task_id = api.post("/tasks", json=TASK).json()["task_id"]
    refused = api.post(f"/tasks/{task_id}/replay", headers=KEY)
    assert (refused.status_code, refused.json()["code"]) == (409, "TASK_NOT_FINISHED")
    finish(settings.database_url or "", task_id)
    answer = api.post(f"/tasks/{task_id}/replay", headers=KEY)
    assert (answer.status_code, is_replayed(answer)) == (201, False)


def test_the_first_answer_stands_when_its_task_name_has_become_unknown(settings: Settings) -> None:
    with serving(settings.model_copy(update={"check_task_names": True})) as url:
        first = httpx.post(f"{url}/api/v1/tasks", json=TASK, headers=KEY)
        execute(settings, "insert into registered_tasks values ('celery@one', 'something.else', now())")
        wait_for(lambda: httpx.post(f"{url}/api/v1/tasks", json=TASK).status_code == 400, "the names are read again")
        again = httpx.post(f"{url}/api/v1/tasks", json=TASK, headers=KEY)
    assert (again.status_code, again.json(), is_replayed(again)) == (201, first.json(), True)


def test_a_submission_that_waits_for_its_end_is_not_done_twice_either(api: httpx.Client, settings: Settings) -> None:
    waits = {"async": "false", "wait_seconds": "1"}
    first = api.post("/tasks", json=TASK, headers=KEY, params=waits)
    finish(settings.database_url or "", first.json()["task_id"])
    again = api.post("/tasks", json=TASK, headers=KEY, params=waits)
    assert [first.json()["status"], again.json()["status"]] == ["PENDING", "COMPLETED"]
    assert (again.json()["task_id"], is_replayed(again)) == (first.json()["task_id"], True)
    assert count(settings) == 1


def test_after_a_day_the_key_is_new_again(api: httpx.Client, settings: Settings) -> None:
    first = api.post("/tasks", json=TASK, headers=KEY)
    execute(settings, "update idempotency_keys set created_at = now() - interval '23 hours 59 minutes'")
    assert is_replayed(api.post("/tasks", json=TASK, headers=KEY))
    execute(settings, "update idempotency_keys set created_at = now() - interval '24 hours 1 second'")
    other = TASK | {"task_args": [0, 0]}
    second = api.post("/tasks", json=other, headers=KEY)
    assert (second.status_code, is_replayed(second)) == (201, False)
    assert second.json()["task_id"] != first.json()["task_id"]
    assert api.post("/tasks", json=other, headers=KEY).json() == second.json()


def test_old_keys_are_removed_and_young_ones_stay(api: httpx.Client, settings: Settings) -> None:
    for n in range(5):
        api.post("/tasks", json=TASK, headers={"Idempotency-Key": f"key-{n}"})
    execute(
        settings,
        "update idempotency_keys set created_at = now() - interval '24 hours 1 second'"
        " where request_hash in (select request_hash from idempotency_keys limit 3)",
    )
    assert asyncio.run(expire(settings)) == [0, expiry.ROUND_SECONDS]
    assert count(settings, "idempotency_keys") == 2


async def expire(settings: Settings) -> list[float]:
    engine = open_engine(settings.database_url or "", pool_size=1)
    expiring = ExpiryRound(engine, batch_size=2)
    pauses = [await expiring.run_once(), await expiring.run_once()]
    await engine.dispose()
    return pauses


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_1_to_255_characters(api: httpx.Client, settings: Settings, key: str) -> None:
    answer = api.post("/tasks", json=TASK, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert count(settings) == 0
    assert api.post("/tasks", json=TASK, headers={"Idempotency-Key": "k" * 255}).status_code == 201


def test_a_key_that_is_given_twice_is_refused(api: httpx.Client, settings: Settings) -> None:
    answer = api.post("/tasks", json=TASK, headers=[("Idempotency-Key", "one"), ("Idempotency-Key", "other")])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert count(settings) == 0


ROUTES = [("/tasks", TASK), ("/tasks/batch", BATCH), ("/workflows", {"name": "w", "steps": [{"id": "a", **TASK}]})]


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_each_api_key_has_keys_of_its_own(settings: Settings, path: str, body: dict[str, Any]) -> None:
    with two_clients(settings) as (one, other):
        first, foreign = (client.post(path, json=body, headers=KEY) for client in (one, other))
        assert [first.status_code, foreign.status_code] == [201, 201]
        assert not is_replayed(foreign)
        assert first.json() != foreign.json()
        for client, answer in ((one, first), (other, foreign)):
            again = client.post(path, json=body, headers=KEY)
            assert (again.json(), is_replayed(again)) == (answer.json(), True)
    with psycopg.connect(settings.database_url or "") as connection:
        stored = str(connection.execute("select request_hash, body_hash, answer from idempotency_keys").fetchall())
    assert ONE not in stored


def test_what_was_stored_before_keys_were_told_apart_is_given_to_nobody_and_not_done_again(
    api: httpx.Client, settings: Settings
) -> None:
    api.post("/tasks", json=TASK, headers=KEY)
    with two_clients(settings) as (one, other):
        for client in (one, other):
            answer = client.post("/tasks", json=TASK, headers=KEY)
            assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
        assert count(settings) == 1
        execute(settings, "update idempotency_keys set created_at = now() - interval '24 hours 1 second'")
        assert one.post("/tasks", json=TASK, headers=KEY).status_code == 201


ONE, OTHER = "one-key-of-16-characters", "other-key-of-16-characters"


@contextmanager
def two_clients(settings: Settings) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Each with a key of its own."""
    with serving(settings.model_copy(update={"api_keys": (ONE, OTHER)})) as url:
        base = f"{url}/api/v1"
        headers = [{"Authorization": f"Bearer {key}"} for key in (ONE, OTHER)]
        with (
            httpx.Client(base_url=base, headers=headers[0]) as one,
            httpx.Client(base_url=base, headers=headers[1]) as other,
        ):
            yield one, other
