from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Message, Receive, Scope, Send

from api.dependencies import ReadConnection, WriteConnection
from api.routing import API_PREFIX, api_router
from domain.errors import Conflict
from tests.unit.api.apps import app_of, client_of

NOTES = f"{API_PREFIX}/notes"

router = api_router("/notes", tag="test")


@router.post("")
async def write(connection: WriteConnection, fail: bool = False) -> dict[str, bool]:
    await connection.execute(text("insert into notes values (1)"))
    if fail:
        raise Conflict
    return {"written": True}


@router.get("")
async def read(connection: ReadConnection) -> dict[str, Any]:
    count = (await connection.execute(text("select count(*) from notes"))).scalar_one()
    isolation = (await connection.execute(text("show transaction_isolation"))).scalar_one()
    return {"count": count, "isolation": isolation}


@router.get("/misuse")
async def write_on_a_reading_connection(connection: ReadConnection) -> None:
    await connection.execute(text("insert into notes values (1)"))


@pytest.fixture
async def notes(engine: AsyncEngine) -> AsyncEngine:
    async with engine.begin() as connection:
        await connection.execute(text("create table notes (n int unique deferrable initially deferred)"))
    return engine


@pytest.fixture
async def client(notes: AsyncEngine) -> AsyncIterator[AsyncClient]:
    app = app_of(router)
    app.state.resources = SimpleNamespace(engine=notes)
    async with client_of(app) as client:
        yield client


async def test_what_a_route_wrote_is_committed_and_what_it_refused_is_not(client: AsyncClient) -> None:
    refused = await client.post(NOTES, params={"fail": True})
    assert refused.status_code == 409
    assert (await client.get(NOTES)).json()["count"] == 0
    assert (await client.post(NOTES)).json() == {"written": True}
    assert (await client.get(NOTES)).json()["count"] == 1


async def test_a_commit_that_fails_is_no_success(client: AsyncClient) -> None:
    assert (await client.post(NOTES)).status_code == 200
    # The deferred constraint speaks at the commit, after the route has returned.
    assert (await client.post(NOTES)).status_code == 500
    assert (await client.get(NOTES)).json()["count"] == 1


async def test_a_reading_request_sees_one_snapshot_and_cannot_write(client: AsyncClient) -> None:
    assert (await client.get(NOTES)).json()["isolation"] == "repeatable read"
    assert (await client.get(f"{NOTES}/misuse")).status_code == 500
    assert (await client.get(NOTES)).json()["count"] == 0


async def test_a_connection_comes_back_fit_for_writing(client: AsyncClient, notes: AsyncEngine) -> None:
    await client.get(NOTES)
    for _ in range(notes.pool.size()):  # type: ignore[attr-defined]
        await client.get(NOTES)
    assert (await client.post(NOTES)).status_code == 200


async def test_the_commit_comes_before_the_first_byte_of_the_answer(notes: AsyncEngine) -> None:
    seen: list[int] = []

    class Watch:
        """Counts rows from another connection at the moment the answer begins."""

        def __init__(self, app: Any) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
            async def watching(message: Message) -> None:
                if message["type"] == "http.response.start":
                    async with notes.connect() as connection:
                        seen.append((await connection.execute(text("select count(*) from notes"))).scalar_one())
                await send(message)

            await self._app(scope, receive, watching)

    app = app_of(router, layers=((Watch, {}),))
    app.state.resources = SimpleNamespace(engine=notes)
    async with client_of(app) as client:
        await client.post(NOTES)
    assert seen == [1]
