"""Signing in and out: a session is stored when somebody has shown who he is, and removed when it ends.

Its text is in the answer to the browser and nowhere else.
"""

from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.api_keys import digest_of
from domain.audit import Action, Author, Change
from domain.errors import Overloaded, SessionNotFound
from domain.sessions import (
    IDLE,
    LONGEST,
    MAX_OF_ONE,
    MAX_SESSIONS,
    MAX_USER_AGENT,
    Owner,
    Session,
    compose,
    proof_of,
)
from services.audit import record_change
from services.drawing import draw_id, draw_secret
from store.queries import sessions


@dataclass(frozen=True, slots=True)
class Browser:
    """The browser in which somebody signs in, as far as it is told."""

    user_agent: str | None
    address: str
    request_id: str | None = None


async def sign_in(connection: AsyncConnection, owner: Owner, *, browser: Browser, env_key: bytes | None = None) -> str:
    """Store a session and return its text; raises Overloaded where there are too many.

    `env_key`: the key of the environment that was shown, if it was one.
    """
    now = await sessions.lock_additions(connection)
    await _make_room(connection, owner)
    text = compose(draw_id(), draw_secret())
    session = Session(
        session_id=text.split("_")[0],
        session_hash=digest_of(text),
        owner=replace(owner, proof=proof_of(env_key, text)) if env_key else owner,
        created_at=now,
        seen_at=now.replace(second=0, microsecond=0),
        expires_at=now + LONGEST,
        user_agent=browser.user_agent and browser.user_agent[:MAX_USER_AGENT],
        address=browser.address,
    )
    await sessions.add_session(connection, session)
    change = Change(Action.SESSION_SIGN_IN, session.session_id, after={"expires_at": session.expires_at})
    await record_change(connection, change, author=_author(owner, browser))
    return text


def _author(owner: Owner, browser: Browser) -> Author:
    return Author(str(owner.kind), owner.id, owner.name, request_id=browser.request_id, address=browser.address)


async def sign_out(connection: AsyncConnection, session_id: str, *, author: Author) -> None:
    """End the session of whoever asks, at once for every process; nothing happens where it has just ended."""
    if await sessions.end_sessions(connection, [session_id]):
        await record_change(connection, Change(Action.SESSION_SIGN_OUT, session_id), author=author)


async def end_session(connection: AsyncConnection, session_id: str, *, author: Author) -> None:
    """End a session, at once for every process; raises SessionNotFound."""
    if not await sessions.end_sessions(connection, [session_id]):
        raise SessionNotFound
    await record_change(connection, Change(Action.SESSION_END, session_id), author=author)


async def _make_room(connection: AsyncConnection, owner: Owner) -> None:
    own = await sessions.list_ids_of(connection, owner.label)
    if len(own) >= MAX_OF_ONE:
        await sessions.end_sessions(connection, own[MAX_OF_ONE - 1 :])
    if await sessions.count_sessions(connection) < MAX_SESSIONS:
        return
    if not await sessions.remove_over(connection, idle=IDLE):
        raise Overloaded(f"There are {MAX_SESSIONS:,} sessions; an administrator may end some.")
