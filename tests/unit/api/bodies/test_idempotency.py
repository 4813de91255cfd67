"""A request that is sent again; the first answers lie in a dictionary instead of Postgres."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import Response
from httpx import AsyncClient

from api.bodies import idempotency as module
from api.bodies.idempotency import KEY_HEADER, REPLAYED_HEADER, IdempotencyKey, answer_once
from api.client_key import note_key_hash
from api.routing import API_PREFIX, api_router
from api.schemas.base import RequestModel, ResponseModel
from domain.errors import Conflict, IdempotencyConflict
from domain.idempotency import MAX_KEY_LENGTH, RequestKey
from tests.fakes.engine import FakeEngine
from tests.unit.api.apps import app_of, client_of

THINGS = f"{API_PREFIX}/things"

router = api_router("/things", tag="things")


class Thing(RequestModel):
    name: str


class Made(ResponseModel):
    name: str
    number: int


class Store:
    """The first answers, by request; and what was done."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.kept: dict[bytes, tuple[bytes, str]] = {}
        self.made: list[str] = []
        self.error: Exception | None = None
        self.owner: bytes | None = None

    async def find_first_answer(self, _: Any, key: RequestKey) -> str | None:
        body_hash, answer = self.kept.get(key.request_hash, (key.body_hash, ""))
        if body_hash != key.body_hash:
            raise IdempotencyConflict
        return answer or None

    async def keep_answer(self, _: Any, key: RequestKey, *, answer: str) -> None:
        self.kept[key.request_hash] = key.body_hash, answer


stores: list[Store] = []
"""The one of the test that runs."""


@router.post("", status_code=201)
async def make(response: Response, thing: Thing, *, key: IdempotencyKey) -> Made:
    return await _once(response, thing, key=key)


@router.post("/others", status_code=201)
async def make_other(response: Response, thing: Thing, *, key: IdempotencyKey) -> Made:
    return await _once(response, thing, key=key)


async def _once(response: Response, thing: Thing, *, key: RequestKey | None) -> Made:
    (store,) = stores

    async def act(_: Any) -> Made:
        store.made.append(thing.name)
        if store.error:
            raise store.error
        return Made(name=thing.name, number=len(store.made))

    return await answer_once(store.engine.as_engine(), key, response=response, act=act, form=Made)


class Owned:
    """The layer that says which API key a request was let in with."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any, /) -> None:
        if stores and stores[0].owner:
            note_key_hash(scope, stores[0].owner)
        await self._app(scope, receive, send)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    stores[:] = [store]
    monkeypatch.setattr(module, "find_first_answer", store.find_first_answer)
    monkeypatch.setattr(module, "keep_answer", store.keep_answer)
    return store


@pytest.fixture
async def client(store: Store) -> AsyncIterator[AsyncClient]:
    async with client_of(app_of(router, layers=((Owned, {}),))) as client:
        yield client


async def post(client: AsyncClient, name: str = "a", *, key: str | None = "k1", path: str = THINGS) -> Any:
    return await client.post(path, json={"name": name}, headers={KEY_HEADER: key} if key is not None else {})


async def test_without_a_key_every_request_acts_and_nothing_is_kept(store: Store, client: AsyncClient) -> None:
    answers = [await post(client, key=None) for _ in range(2)]
    assert [answer.json()["number"] for answer in answers] == [1, 2]
    assert store.kept == {}
    assert all(REPLAYED_HEADER not in answer.headers for answer in answers)


async def test_the_same_request_acts_once_and_is_answered_the_same(store: Store, client: AsyncClient) -> None:
    first, second = await post(client), await post(client)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert store.made == ["a"]
    assert REPLAYED_HEADER not in first.headers
    assert second.headers[REPLAYED_HEADER] == "true"


async def test_another_body_with_the_same_key_is_a_conflict_and_does_nothing(store: Store, client: AsyncClient) -> None:
    await post(client)
    answer = await post(client, "b")
    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert store.made == ["a"]


async def test_keys_of_other_paths_and_of_other_owners_are_other_requests(store: Store, client: AsyncClient) -> None:
    await post(client)
    await post(client, path=f"{THINGS}/others")
    for owner in (b"a" * 32, b"b" * 32):
        store.owner = owner
        await post(client)
    assert store.made == ["a"] * 4


async def test_what_failed_is_not_kept_and_may_be_tried_again(store: Store, client: AsyncClient) -> None:
    store.error = Conflict()
    assert (await post(client)).status_code == 409
    assert store.engine.ends == ["rolled back"]
    store.error = None
    assert (await post(client)).status_code == 201
    assert store.engine.ends == ["rolled back", "committed"]


@pytest.mark.parametrize(("length", "status"), [(0, 400), (1, 201), (MAX_KEY_LENGTH, 201), (MAX_KEY_LENGTH + 1, 400)])
async def test_a_key_has_from_1_to_255_characters(store: Store, client: AsyncClient, length: int, status: int) -> None:
    answer = await post(client, key="k" * length)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["errors"][0]["field"] == KEY_HEADER
        assert store.made == []


async def test_a_key_that_is_sent_twice_is_refused(store: Store, client: AsyncClient) -> None:
    answer = await client.post(THINGS, json={"name": "a"}, headers=[(KEY_HEADER, "k1"), (KEY_HEADER, "k2")])
    assert answer.status_code == 400
    assert answer.json()["detail"] == "Idempotency-Key is given more than once."
    assert answer.json()["errors"] == [{"field": KEY_HEADER, "message": "is given more than once"}]
    assert store.made == []
