"""Bodies that are hostile by size, depth or count, to every route that takes one: refused while others are answered."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.routing import API_PREFIX
from settings import Settings
from tests.document import document
from tests.integration.api.serving import serving

JSON = {"Content-Type": "application/json"}
SIZE = 1_900_000
ANSWER_SECONDS = 60
"""Far beyond what any of these takes, and far below what one that is not bounded did."""
BESIDE_SECONDS = 10
IDENTITY = "01985a2c-7d1e-7c3a-b2f0-5d2f7c1e9a44"

Json = dict[str, Any]
DOCUMENT: Json = document()


def routes_with_bodies() -> list[tuple[str, str]]:
    return [
        (method, path.removeprefix(API_PREFIX))
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation
    ]


def properties(method: str, path: str) -> list[str]:
    """Names of the fields of the body."""
    schema = DOCUMENT["paths"][API_PREFIX + path][method]["requestBody"]["content"]["application/json"]["schema"]
    references = re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(schema))
    return [name for reference in references for name in DOCUMENT["components"]["schemas"][reference]["properties"]]


def filled(part: bytes) -> bytes:
    """A list of as many of these as the size allows."""
    return b"[" + b",".join([part] * (SIZE // (len(part) + 1))) + b"]"


def under_each(names: list[str], value: bytes) -> bytes:
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name in names) + b"}"


def many_keys(_: list[str]) -> bytes:
    return b"{" + b",".join(b'"k%d":1' % number for number in range(SIZE // 12)) + b"}"


HOSTILE: dict[str, Callable[[list[str]], bytes]] = {
    "keys that no field has": many_keys,
    "one key again and again": lambda _: b"{" + b",".join([b'"x":1'] * (SIZE // 6)) + b"}",
    "one long key": lambda _: b'{"' + b"x" * SIZE + b'":1}',
    "numbers everywhere": lambda names: under_each(names, b"[" + b",".join([b"1"] * (SIZE // 2 // len(names))) + b"]"),
    "objects everywhere": lambda names: under_each(names, b"[" + b",".join([b"{}"] * (SIZE // 3 // len(names))) + b"]"),
    "keys in every field": lambda names: under_each(
        names, many_keys(names)[: SIZE // len(names)].rsplit(b",")[0] + b"}"
    ),
    "a list of nothing": lambda _: filled(b"[]"),
    "depth": lambda names: under_each(names[:1], b"[" * (SIZE // 2) + b"]" * (SIZE // 2)),
    "long numbers": lambda names: under_each(names, b"[" + b",".join([b"9" * 4_300] * (440 // len(names))) + b"]"),
    "a number that is too long": lambda names: under_each(names[:1], b"9" * SIZE),
    "no end": lambda names: b'{"%s":["' % names[0].encode() + b'\\"' * (SIZE // 2),
    "no text": lambda names: under_each(names[:1], b'"' + b"\xff" * SIZE + b'"'),
    "another encoding": lambda names: under_each(names, b"[" + b"0," * 9_000 + b"0]").decode().encode("utf-32"),
}


@pytest.mark.parametrize(("method", "path"), routes_with_bodies())
def test_every_route_refuses_them_in_the_documented_form(settings: Settings, method: str, path: str) -> None:
    target = re.sub(r"{\w+}", IDENTITY, path)
    names = properties(method, path)
    with serving(settings) as url, httpx.Client(base_url=url + API_PREFIX, timeout=ANSWER_SECONDS) as client:
        for name, build in HOSTILE.items():
            answer = _ask_beside(client, method, target=target, content=build(names))
            body = answer.json()
            assert (answer.status_code, body["code"]) == (400, "VALIDATION_ERROR"), (name, answer.text[:300])
            assert 1 <= len(body["errors"]) <= 100, name
            assert all(len(error["field"]) <= 200 and len(error["message"]) <= 1_000 for error in body["errors"]), name
            assert len(answer.content) < 100_000, name


def _ask_beside(client: httpx.Client, method: str, *, target: str, content: bytes) -> httpx.Response:
    """The answer; all the time until it is there, others must be answered."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.request, method, target, content=content, headers=JSON)
        while True:
            assert client.get("/health/live", timeout=BESIDE_SECONDS).is_success
            if asked.done():
                return asked.result()


def test_a_batch_and_a_workflow_of_the_greatest_size_are_taken(api: httpx.Client) -> None:
    item = {"task_name": "celeriac.echo", "task_args": ["a, b: [c]" * 150, 17, {"k": 2.5}]}
    batch = json.dumps({"tasks": [item] * 10_000}).encode()
    assert 12_000_000 < len(batch) < 16 * 1024 * 1024
    answer = _ask_beside(api, "POST", target="/tasks/batch", content=batch)
    assert answer.json()["submitted"] == 10_000
    steps = [item | {"id": f"s{number}", "task_args": ["x" * 14_000]} for number in range(1_000)]
    assert (
        _ask_beside(
            api, "POST", target="/workflows", content=json.dumps({"name": "w", "steps": steps}).encode()
        ).status_code
        == 201
    )


def test_many_large_bodies_at_once_are_taken_in_turn_or_told_to_come_again(api: httpx.Client) -> None:
    item = {"task_name": "celeriac.echo", "task_args": ["x" * 500_000]}
    batch = json.dumps({"tasks": [item] * 30}).encode()
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(api.post, "/tasks/batch", content=batch, headers=JSON, timeout=120) for _ in range(20)]
        while not all(answer.done() for answer in answers):
            assert api.get("/health/live", timeout=BESIDE_SECONDS).is_success
            assert api.post("/tasks", json={"task_name": "celeriac.echo"}).status_code in (201, 503)
    statuses = [answer.result().status_code for answer in answers]
    assert set(statuses) <= {201, 503}
    assert statuses.count(201) >= 3
    for refused in (answer.result() for answer in answers if answer.result().status_code == 503):
        assert refused.json()["code"] in ("OVERLOADED", "SERVICE_DEGRADED")
        assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"p{number}=1" for number in range(8_000)),
        "&".join(["status=FAILED"] * 3_000),
        "status=" + "x" * 60_000,
        "&" * 60_000,
        "search=" + "%ed%a0%80" * 6_000,
        "task_name=%00",
        "limit=" + "9" * 5_000,
    ],
    ids=lambda query: str(query)[:12],
)
def test_hostile_query_strings_are_refused(api: httpx.Client, query: str) -> None:
    answer = api.get(f"/tasks?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert 1 <= len(answer.json()["errors"]) <= 100
