"""Keys that are limited to queues or task names, and keys that may only submit: what they see is crawled over every
GET of the OpenAPI document, beside tasks, workflows and workers of others.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import httpx
import psycopg
import pytest

from api.app import create_app
from api.declarations import Reach
from api.openapi.document import OWN_SCOPE_FIELD, REACH_FIELD, SCOPE_FIELD
from api.routing import API_PREFIX
from bench.fuzzing.operations import is_stream
from domain.scopes import Scope
from domain.states import EventType
from services.search_index import index_waiting
from settings import Settings
from store.engine import open_engine
from store.queries.tasks.lines import CELLS
from tests.integration.api.ends import tell
from tests.integration.api.serving import serving
from tests.patience import wait_for
from tests.stored import add_worker

ROOT = {"name": "root", "scopes": ["admin", "read", "submit", "operate"]}
OURS, THEIRS = "ours.fast", "theirs"
MANY = 30
"""How many tasks the others have: more than there are of anything else, so that their number tells a count of them."""
FEW = 12
PRESET = "preset-of-theirs"
RUN = (EventType.RECEIVED, EventType.STARTED, EventType.SUCCEEDED)
UNKNOWN = {"task_id": "nobody", "workflow_id": "01985a2c-7d1e-7c3a-b2f0-5d2f7c1e9a44"}


@dataclass
class World:
    """An API with tasks and workflows of two queues in it, and who made it all."""

    url: str
    root: httpx.Client
    database_url: str
    ours: dict[str, list[str]] = field(default_factory=dict)
    """Ids of what lies in our queue, by the parameter of a path that takes them."""
    theirs: dict[str, list[str]] = field(default_factory=dict)

    def key(self, *scopes: str, **limits: list[str]) -> httpx.Client:
        answer = self.root.post("/api-keys", json={"name": "key", "scopes": scopes} | limits)
        assert answer.status_code == 201, answer.text
        return client_with(answer.json()["key"], self.url)


def client_with(key: str, url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False)


def task(queue: str, name: str = "pay") -> dict[str, Any]:
    return {"task_name": f"{queue}.{name}", "queue_name": queue, "task_args": [f"argument of {queue}"]}


def workflow(*queues: str) -> dict[str, Any]:
    steps = [task(queue) | {"id": f"step {number} of {queue}"} for number, queue in enumerate(queues)]
    return {"name": f"flow of {' and '.join(queues)}", "steps": steps}


@pytest.fixture(scope="module")
def module_settings(postgres_server: str, migrated_template: str, valkey_server: str) -> Iterator[Settings]:
    """Servers of this whole file: no test changes what another one looks at."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database limited_keys template {migrated_template} strategy file_copy")
        yield Settings(
            database_url=f"{postgres_server.rpartition('/')[0]}/limited_keys",
            broker_url=f"{valkey_server}/5",
            result_url=f"{valkey_server}/6",
            redis_url=f"{valkey_server}/7",
            rate_limit_per_minute=0,
            check_task_names=False,
        )
        connection.execute("drop database limited_keys with (force)")


@pytest.fixture(scope="module")
def world(module_settings: Settings) -> Iterator[World]:
    with serving(module_settings) as base:
        url = base + API_PREFIX
        root_key = httpx.post(f"{url}/api-keys", json=ROOT).json()["key"]
        wait_for(lambda: httpx.get(f"{url}/tasks").status_code == 401)
        with client_with(root_key, url) as root:
            world = World(url, root, str(module_settings.database_url))
            _fill(world)
            yield world


def _fill(world: World) -> None:
    """Tasks and workflows of both queues, with every link that there can be between what is seen and what is not."""
    ours = [posted(world.root, "/tasks", body=task(OURS))["task_id"] for _ in range(3)]
    to_be_replayed = task(OURS) | {"queue_name": THEIRS}
    batch = {"tasks": [to_be_replayed, *(task(THEIRS) for _ in range(MANY - 1))]}
    theirs = posted(world.root, "/tasks/batch", body=batch)["task_ids"]
    for task_id, host in ((ours[0], "our-host"), (theirs[0], f"{THEIRS}-host")):
        tell(world.database_url, task_id, *RUN, node=f"celery@{host}")
    theirs.append(posted(world.root, f"/tasks/{ours[0]}/replay", body={"queue_name": THEIRS})["task_id"])
    ours.append(posted(world.root, f"/tasks/{theirs[0]}/replay", body={"queue_name": OURS})["task_id"])
    whole, hidden, mixed = (
        posted(world.root, "/workflows", body=workflow(*queues)) for queues in ((OURS,), (THEIRS,), (OURS, THEIRS))
    )
    ours += [whole["steps"][0]["task_id"], mixed["steps"][0]["task_id"]]
    theirs += [hidden["steps"][0]["task_id"], mixed["steps"][1]["task_id"]]
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        relate(connection, ours[1], root=theirs[1], parent=theirs[1])
        relate(connection, theirs[2], root=ours[2], parent=ours[2])
    posted(world.root, "/search/presets", body={"name": PRESET, "filters": {"queue_name": THEIRS}})
    asyncio.run(_index_and_add_workers(world.database_url))
    world.ours = {"task_id": ours, "workflow_id": [whole["workflow_id"]]}
    world.theirs = {"task_id": theirs, "workflow_id": [hidden["workflow_id"], mixed["workflow_id"]]}


def posted(client: httpx.Client, path: str, *, body: Mapping[str, Any]) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def relate(connection: psycopg.Connection[Any], task_id: str, *, root: str, parent: str) -> None:
    query = "update tasks set root_id = %s, parent_id = %s where task_id = %s"
    connection.execute(query, [root, parent, task_id])


async def _index_and_add_workers(database_url: str) -> None:
    engine = open_engine(database_url, pool_size=1)
    async with engine.begin() as connection:
        await index_waiting(connection)
        for host, queue in (("our-host", OURS), (f"{THEIRS}-host", THEIRS)):
            await add_worker(connection, f"celery@{host}", pool="prefork", concurrency=2, queues=[queue])
    await engine.dispose()


@cache
def reads() -> list[tuple[str, dict[str, Any]]]:
    """Every GET whose answer ends, with what it says of itself."""
    paths = create_app(Settings()).openapi()["paths"]
    found = [(path.removeprefix(API_PREFIX), verbs["get"]) for path, verbs in paths.items() if "get" in verbs]
    return [(path, operation) for path, operation in found if not is_stream(operation)]


def filled(path: str, values: Mapping[str, list[str]]) -> list[str]:
    """The path with each value of each of its parameters; of several parameters, all but one have their first."""
    names = re.findall(r"\{(\w+)\}", path)
    of_each = {name: values.get(name.rstrip("12"), ["nobody"]) for name in names}
    first = {name: options[0] for name, options in of_each.items()}
    chosen = [first | {name: option} for name, options in of_each.items() for option in options]
    return list(dict.fromkeys(path.format(**each) for each in chosen or [first]))


def assert_tells_nothing(answer: httpx.Response, hidden: list[str]) -> None:
    text = answer.text
    assert [secret for secret in hidden if secret in text] == [], (answer.url, text)
    if "json" in answer.headers.get("content-type", "") and "total" in answer.json():
        assert answer.json()["total"] <= FEW, answer.url
    assert len(text.splitlines()) <= FEW + 1, answer.url  # lines of CSV


def test_a_limited_key_is_told_of_nothing_that_lies_outside(world: World) -> None:
    hidden = [THEIRS, *world.theirs["task_id"], *world.theirs["workflow_id"]]
    shown = world.ours | {"name": ["failed_today"], "queue_name": [OURS], "task_name": [f"{OURS}.pay"]}
    outside = {name: ids[:1] + ids[-3:] for name, ids in world.theirs.items()}
    with world.key("read", queues=["ours.*"], task_names=["ours.fast.pay"]) as client:
        for path, operation in reads():
            if operation.get(REACH_FIELD) == Reach.WHOLE_FLEET:
                (refused,) = {client.get(each) for each in filled(path, {})}
                assert refused.status_code == 403, path
                assert refused.json()["errors"][0]["field"] in ("limits", "scope")
                continue
            is_within = operation.get(REACH_FIELD) == Reach.WITHIN_LIMITS
            for each in filled(path, shown):
                answer = client.get(each)
                assert answer.status_code == 200 or not is_within, (each, answer.text)
                assert_tells_nothing(answer, hidden)
            if is_within and "_id" in path:
                assert_unknown(client, path, values=outside)
                assert_unknown(
                    client, path, values={name: [world.ours[name][0], *ids] for name, ids in outside.items()}, most=1
                )


def assert_unknown(client: httpx.Client, path: str, *, values: Mapping[str, list[str]], most: int = 0) -> None:
    """What is not seen is answered as what there is not; at most so many are seen."""
    (missing,) = filled(path, {name: [unknown] for name, unknown in UNKNOWN.items()})
    expected = refusal(client.get(missing))
    assert expected[0] == 404, path
    answers = [client.get(each) for each in filled(path, values)]
    seen = [answer for answer in answers if answer.status_code == 200]
    assert len(seen) <= most, (path, [str(answer.url) for answer in seen])
    assert {refusal(answer) for answer in answers if answer.status_code != 200} == {expected}


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["code"], body["detail"]


def test_what_a_limited_key_asks_for_by_name_is_not_there(world: World) -> None:
    theirs = world.theirs
    queries = [
        f"queue_name={THEIRS}",
        f"task_id={theirs['task_id'][0]}",
        f"task_name={THEIRS}.pay",
        *(f"workflow_id={workflow_id}" for workflow_id in theirs["workflow_id"]),
        f"worker_id={THEIRS}-host",
        f"search={THEIRS}",
        f"search=-{OURS}",
        "sort_by=started_at&offset=5&status=COMPLETED",
    ]
    with world.key("read", queues=[OURS]) as client:
        found = {path: client.get(path).json()["total"] for path in ("/tasks", "/search/tasks", "/workflows")}
        assert found == {"/tasks": 6, "/search/tasks": 6, "/workflows": 1}
        assert client.get("/search/tasks?search=argument").json()["total"] == 6
        for query, path in product(queries, ("/tasks", "/search/tasks")):
            answer = client.get(f"{path}?{query}").json()
            assert answer["data"] == [], (path, query)
            assert len(client.get(f"/search/tasks/export/csv?{query}").text.splitlines()) == 1
        assert client.get(f"/search/presets/{PRESET}").json()["total"] == 0
        tree = client.get(f"/tasks/{world.ours['task_id'][1]}/tree").json()
        assert (tree["root_id"], tree["total"], tree["data"][0]["parent_id"]) == (None, 1, None)
    (whole_tree,) = (world.root.get(f"/tasks/{theirs['task_id'][1]}/tree").json(),)
    assert whole_tree["total"] == 2


def test_links_to_what_is_seen_stay(world: World) -> None:
    ours, theirs = world.ours["task_id"], world.theirs["task_id"]
    with world.key("read", queues=[OURS]) as client:
        rows = {row["task_id"]: row for row in client.get("/tasks").json()["data"]}
        assert {row["workflow_id"] for row in rows.values()} == {None, *world.ours["workflow_id"]}
        assert {row["original_task_id"] for row in rows.values()} == {None}
        lines = client.get("/search/tasks/export/csv").text
        assert world.ours["workflow_id"][0] in lines
        assert {line.count(",") for line in lines.splitlines()} == {len(CELLS) - 1}
        assert not [hidden for hidden in (theirs[0], *world.theirs["workflow_id"]) if hidden in lines]
        assert client.get("/workflows").json()["data"][0]["workflow_id"] == world.ours["workflow_id"][0]
    assert world.root.get(f"/tasks/{ours[3]}").json()["original_task_id"] == theirs[0]
    assert theirs[MANY] in world.root.get(f"/tasks/{ours[0]}/timeline").text


def test_nothing_is_submitted_outside_of_the_limits(world: World) -> None:
    mixed = [task(OURS), task(OURS), task(THEIRS), task("other.queue")]
    unnamed = {"task_name": "ours.fast.pay"}
    cases: list[tuple[str, dict[str, Any], list[str]]] = [
        ("/tasks", task(THEIRS), ["queue_name", "task_name"]),
        ("/tasks", unnamed, ["queue_name"]),
        ("/tasks", task(OURS) | {"task_name": "theirs.pay"}, ["task_name"]),
        ("/tasks/batch", {"tasks": mixed[:3]}, ["tasks.2.queue_name", "tasks.2.task_name"]),
        ("/workflows", workflow(OURS, THEIRS), ["steps.1.queue_name", "steps.1.task_name"]),
        (f"/tasks/{world.ours['task_id'][0]}/replay", {"queue_name": THEIRS}, ["queue_name"]),
    ]
    before = world.root.get("/tasks").json()["total"]
    with world.key("submit", "operate", queues=["ours.*"], task_names=["ours.*"]) as client:
        for path, body, fields in cases:
            for headers in ({}, {"Idempotency-Key": f"{path} {fields}"}):
                answer = client.post(path, json=body, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), answer.text
                assert [error["field"] for error in answer.json()["errors"]] == fields
        assert world.root.get("/tasks").json()["total"] == before
        assert client.post("/search/presets", json={"name": "x", "filters": {}}).status_code == 403


def test_nothing_is_done_to_what_lies_outside(world: World) -> None:
    actions = [
        ("/tasks/{task_id}/cancel", {}),
        ("/tasks/{task_id}/replay", {"queue_name": OURS}),
        ("/workflows/{workflow_id}/cancel", None),
        ("/workflows/{workflow_id}/retry", None),
        ("/workflows/{workflow_id}/replay", None),
    ]
    with world.key("submit", "operate", queues=["ours.*"]) as client:
        for path, body in actions:
            (missing,) = filled(path, {name: [unknown] for name, unknown in UNKNOWN.items()})
            expected = refusal(client.post(missing, json=body))
            for each in filled(
                path, {"task_id": world.theirs["task_id"][:2], "workflow_id": world.theirs["workflow_id"]}
            ):
                assert refusal(client.post(each, json=body)) == expected
                assert expected[0] == 404
    assert not any(row["cancel_requested"] for row in world.root.get("/tasks").json()["data"])
    assert not any(row["cancel_requested"] for row in world.root.get("/workflows").json()["data"])


def test_a_key_that_may_only_submit_sees_what_it_has_submitted_itself(world: World) -> None:
    hidden = [*world.theirs["task_id"], *world.ours["task_id"], *world.ours["workflow_id"], THEIRS]
    with world.key("submit") as client:
        author = f"api_key:{client.get('/me').json()['id']}"
        mine = [posted(client, "/tasks", body=task("mine"))["task_id"]]
        mine += posted(client, "/tasks/batch", body={"tasks": [task("mine")] * 2})["task_ids"]
        started = posted(client, "/workflows", body=workflow("mine"))
        mine.append(started["steps"][0]["task_id"])
        shown = {"task_id": mine, "workflow_id": [started["workflow_id"]]}
        for path, operation in reads():
            if operation.get(OWN_SCOPE_FIELD) == Scope.SUBMIT:
                for each in filled(path, shown):
                    answer = client.get(each)
                    assert answer.status_code == 200, (each, answer.text)
                    assert_tells_nothing(answer, hidden)
                if "_id" in path:
                    assert_unknown(client, path, values=world.ours)
                    assert_unknown(client, path, values=world.theirs)
            elif operation.get(SCOPE_FIELD) in set(Scope):
                assert {client.get(each).status_code for each in filled(path, {})} == {403}
        assert {row["task_id"] for row in client.get("/tasks").json()["data"]} == set(mine)
        assert client.get("/workflows").json()["total"] == 1
        assert client.get(f"/tasks/{mine[0]}").json()["submitted_by"] == author
    assert world.root.get(f"/tasks?submitted_by={author}").json()["total"] == len(mine)
    with psycopg.connect(world.database_url) as connection:
        connection.execute("delete from tasks where submitted_by = %s", [author])
        connection.execute("delete from workflows where submitted_by = %s", [author])


def test_limits_are_shown_and_can_be_changed_and_taken_off(world: World) -> None:
    with world.key("read", queues=["ours.*"], task_names=["shop.*"]) as client:
        me = client.get("/me").json()
        assert (me["queues"], me["task_names"]) == (["ours.*"], ["shop.*"])
        key = f"/api-keys/{me['id']}"
        assert world.root.get(key).json()["queues"] == ["ours.*"]
        assert world.root.patch(key, json={"task_names": []}).json()["queues"] == ["ours.*"]
        wait_for(lambda: client.get("/tasks").json()["total"] == 6)
        assert client.post(f"{key}/rotate").status_code == 201
        refused = world.root.patch(key, json={"scopes": ["read", "admin"]})
        assert [error["field"] for error in refused.json()["errors"]] == ["queues"]
        world.root.patch(key, json={"queues": []})
        wait_for(lambda: client.get("/alerts").status_code == 200)
        assert client.get("/tasks").json()["total"] > MANY
