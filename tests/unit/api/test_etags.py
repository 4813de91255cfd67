"""ETags of answers: the same answer is sent once."""

from collections.abc import AsyncIterator, Callable

import pytest
from fastapi import Response
from fastapi.responses import JSONResponse
from httpx import AsyncClient

from api.dashboard_pages import build_of_page
from api.declarations import needs
from api.etags import MAX_TAGGED_BYTES
from api.middleware.scopes import BUILD_HEADER
from api.routing import api_router
from domain.errors import TaskNotFound
from domain.scopes import Scope
from tests.unit.api.apps import app_of, client_of

router = api_router("/things", tag="things")
ANSWERS: dict[str, Callable[[], Response]] = {
    "one": lambda: JSONResponse({"n": 1}),
    "two": lambda: JSONResponse({"n": 2}),
    "large": lambda: JSONResponse("x" * MAX_TAGGED_BYTES),
    "text": lambda: Response("n", media_type="text/csv"),
    "stale": lambda: JSONResponse({"n": 1}, headers={"Warning": "110"}),
    "made": lambda: JSONResponse({"n": 1}, status_code=201),
}


@router.get("/{name}")
@needs(Scope.READ)
async def answer(name: str) -> Response:
    if name not in ANSWERS:
        raise TaskNotFound
    return ANSWERS[name]()


@router.post("/{name}")
@needs(Scope.READ)
async def act(name: str) -> Response:
    return ANSWERS[name]()


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with client_of(app_of(router)) as client:
        yield client


async def test_who_has_the_answer_is_told_so_without_it(client: AsyncClient) -> None:
    first = await client.get("/api/v1/things/one")
    tag = first.headers["ETag"]
    assert first.json() == {"n": 1}
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await client.get("/api/v1/things/one", headers={"If-None-Match": sent})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert "content-length" not in again.headers
        assert again.headers["X-Request-ID"]
    changed = await client.get("/api/v1/things/two", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()) == (200, {"n": 2})


@pytest.mark.parametrize("name", ["large", "text", "stale", "made", "missing"])
async def test_what_is_large_no_json_old_or_no_good_answer_has_no_tag(client: AsyncClient, name: str) -> None:
    found = await client.get(f"/api/v1/things/{name}", headers={"If-None-Match": "*"})
    assert found.status_code != 304
    assert "ETag" not in found.headers
    assert found.content


async def test_what_acts_is_answered_each_time(client: AsyncClient) -> None:
    found = await client.post("/api/v1/things/one", headers={"If-None-Match": "*"})
    assert (found.status_code, "ETag" in found.headers) == (200, False)


async def test_every_answer_says_which_build_it_is_of(client: AsyncClient) -> None:
    for path in ("/api/v1/things/one", "/api/v1/things/missing", "/nowhere"):
        assert (await client.get(path)).headers[BUILD_HEADER] == build_of_page()
