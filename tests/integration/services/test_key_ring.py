import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.principals import PrincipalKind
from domain.scopes import Scope
from domain.sessions import Owner
from services import api_keys, sessions
from services.api_keys import Order
from services.resident import key_ring
from services.resident.key_ring import KeyReader, KeyRing
from services.sessions import Browser
from tests.authors import AUTHOR
from tests.patience import until

ROOT = Order("root", frozenset({Scope.ADMIN}))


async def made(engine: AsyncEngine) -> str:
    async with engine.begin() as connection:
        issued = await api_keys.create_key(connection, ROOT, author=AUTHOR, has_other_way=False)
    return issued.key.key_id


@pytest.fixture
def _never_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "POLL_SECONDS", 3600)


@pytest.mark.usefixtures("_never_by_itself")
async def test_a_change_is_read_when_it_is_notified(engine: AsyncEngine, database_url: str) -> None:
    ring = KeyRing()
    async with KeyReader(ring, database_url, transact=engine.begin):
        await until(lambda: ring.is_closed is False)
        first, second = await made(engine), await made(engine)
        await until(lambda: ring.find(first) and ring.find(second))
        assert ring.is_closed
        async with engine.begin() as connection:
            await api_keys.revoke_key(connection, first, has_other_way=False, author=AUTHOR)
        await until(lambda: ring.find(first) is None)
        assert ring.find(second)


@pytest.mark.usefixtures("_never_by_itself")
async def test_a_session_is_read_when_it_is_shown_and_its_end_when_it_is_notified(
    engine: AsyncEngine, database_url: str
) -> None:
    ring, owner = KeyRing(), Owner(PrincipalKind.API_KEY, await made(engine), "root")
    async with KeyReader(ring, database_url, transact=engine.begin):
        await until(lambda: ring.is_closed)
        async with engine.begin() as connection:
            first, second = [
                await sessions.sign_in(connection, owner, browser=Browser(None, "127.0.0.1")) for _ in range(2)
            ]
        first, second = first.partition("_")[0], second.partition("_")[0]
        for session_id in (first, second):
            ring.sessions.ask(session_id)
        await ring.look_again()
        assert ring.sessions.find(first)
        async with engine.begin() as connection:
            await sessions.end_session(connection, first, author=AUTHOR)
        await until(lambda: ring.sessions.find(first) is None)
        assert ring.sessions.find(second)
        async with engine.begin() as connection:
            await api_keys.revoke_key(connection, owner.id, author=AUTHOR, has_other_way=True)
        await until(lambda: ring.sessions.find(second) is None)


@pytest.mark.usefixtures("_never_by_itself")
async def test_who_shows_an_unknown_key_has_them_read(engine: AsyncEngine, database_url: str) -> None:
    ring = KeyRing()
    async with KeyReader(ring, database_url, transact=engine.begin):
        asked_at = time.monotonic()
        await ring.look_again()
        assert ring.is_trusted
        await ring.look_again()
        assert ring.is_closed is False
        assert time.monotonic() - asked_at < key_ring.LOOK_SECONDS


async def test_a_use_is_never_before_the_key_was_made_however_late_the_clock_of_its_process_is(
    engine: AsyncEngine, database_url: str
) -> None:
    ring, key_id = KeyRing(), await made(engine)
    reader = KeyReader(ring, database_url, transact=engine.begin)
    await reader.read()
    held = ring.find(key_id)
    assert held
    ring.note_use(held, time.time() - 3600, source="127.0.0.1")
    for _ in range(2):
        await reader.read()
    held = ring.find(key_id)
    assert held
    assert held.key.last_used_at == held.key.created_at
    assert ring.unwritten_uses() == []


async def test_while_postgres_is_away_nothing_new_is_known_and_nobody_waits_for_it(
    engine: AsyncEngine, database_url: str
) -> None:
    ring, is_away = KeyRing(), True

    @asynccontextmanager
    async def transact() -> AsyncIterator[AsyncConnection]:
        if is_away:
            raise ConnectionRefusedError
        async with engine.begin() as connection:
            yield connection

    async with KeyReader(ring, database_url, transact=transact):
        await ring.look_again()
        assert ring.is_closed is None
        assert ring.is_away
        with pytest.raises(StopIteration):  # it ends without waiting for anything
            ring.look_again().send(None)
        key_id, is_away = await made(engine), False
        await until(lambda: ring.find(key_id) and not ring.is_away)
