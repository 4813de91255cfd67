"""How many sessions there may be, and what goes when they are over."""

from collections.abc import Sequence
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from domain.errors import Overloaded, SessionNotFound
from domain.principals import PrincipalKind
from domain.sessions import Owner
from loops.expiry import ExpiryRound
from services import sessions
from services.resident.session_book import SessionBook
from services.sessions import Browser
from store.queries.sessions import list_sessions, note_uses, read_sessions
from tests.authors import AUTHOR

ALICE = Owner(PrincipalKind.OIDC, "alice", "Alice", issuer="https://login.test", values=("ops", "cooks"))
KEY = Owner(PrincipalKind.API_KEY, "k7Qm2ZpX4rT1", "etl")
FIREFOX = Browser("Firefox", "127.0.0.1")


async def signed_in(engine: AsyncEngine, owner: Owner = ALICE) -> str:
    """The id of the new session."""
    async with engine.begin() as connection:
        return (await sessions.sign_in(connection, owner, browser=FIREFOX)).partition("_")[0]


async def ids(engine: AsyncEngine) -> Sequence[str]:
    async with engine.connect() as connection:
        _, found = await list_sessions(connection, limit=1_000, offset=0)
    return [session.session_id for session in found]


async def aged(engine: AsyncEngine, session_id: str, *, change: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"update sessions set {change} where session_id = :id"), {"id": session_id})


async def test_what_is_stored_is_read_again(engine: AsyncEngine) -> None:
    session_id = await signed_in(engine)
    async with engine.connect() as connection:
        (session,) = await read_sessions(connection, [session_id, "nobody"])
    assert (session.owner, session.user_agent, session.address) == (ALICE, "Firefox", "127.0.0.1")


async def test_of_one_owner_the_session_that_was_seen_longest_ago_makes_room(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_OF_ONE", 2)
    other = await signed_in(engine, KEY)
    first, second = await signed_in(engine), await signed_in(engine)
    await aged(engine, second, change="seen_at = seen_at - interval '1 hour'")
    third = await signed_in(engine)
    assert sorted(await ids(engine)) == sorted([other, first, third])


async def test_beyond_the_most_of_all_nobody_signs_in_until_one_is_over(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    first, second = await signed_in(engine), await signed_in(engine, KEY)
    with pytest.raises(Overloaded):
        await signed_in(engine)
    await aged(engine, first, change="seen_at = now() - interval '12 hours'")
    third = await signed_in(engine)
    assert sorted(await ids(engine)) == sorted([second, third])


async def test_what_is_over_goes_with_the_next_round(engine: AsyncEngine) -> None:
    idle, old, alive = [await signed_in(engine) for _ in range(3)]
    await aged(engine, idle, change="seen_at = now() - interval '12 hours'")
    await aged(engine, old, change="expires_at = now()")
    with capture_logs() as logs:
        assert await ExpiryRound(engine).run_once() == 60
    assert await ids(engine) == [alive]
    assert {"event": "sessions_expired", "log_level": "info", "count": 2} in logs


async def test_a_session_that_is_not_there_cannot_be_ended(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        with pytest.raises(SessionNotFound):
            await sessions.end_session(connection, "nobody", author=AUTHOR)


async def test_a_use_is_written_once_a_minute_and_what_is_not_shown_is_forgotten(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, book = await signed_in(engine), SessionBook()
    book.ask(session_id)
    assert book.wanted() == {session_id}

    async def read() -> None:
        async with engine.connect() as connection:
            book.fill({session_id}, await read_sessions(connection, [session_id]))

    await read()
    session = book.find(session_id)
    assert session
    minute = int(session.seen_at.timestamp()) // 60
    book.note_use(session, minute)
    assert book.unwritten_uses() == []
    book.note_use(session, minute + 1)
    ((_, at),) = book.unwritten_uses()
    assert at == datetime.fromtimestamp(60 * (minute + 1), session.seen_at.tzinfo)
    async with engine.begin() as connection:
        await note_uses(connection, book.unwritten_uses())
    await read()
    assert book.unwritten_uses() == []
    monkeypatch.setattr("services.resident.session_book.FORGOTTEN_SECONDS", -1)
    await read()
    assert book.find(session_id) is None
    assert book.wanted() == set()
