"""Idempotency keys and the first answers to them. The unique index makes the second of two requests wait."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Integer, Interval, LargeBinary, Text, bindparam, delete, func, null, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import CannotOpen
from domain.errors import IdempotencyConflict
from domain.idempotency import RequestKey
from store.at_rest import at_rest_of
from store.tables.tasks import idempotency_keys

ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What the first request with a key was, and the JSON text that it was answered with."""

    body_hash: bytes
    answer: str


_is_old = idempotency_keys.c.created_at < func.now() - bindparam("kept_for", type_=Interval)
_new = insert(idempotency_keys).values(
    request_hash=bindparam("request_hash", type_=LargeBinary),
    body_hash=bindparam("body_hash", type_=LargeBinary),
    created_at=func.now(),
)
_claim = _new.on_conflict_do_update(
    index_elements=["request_hash"],
    set_={"body_hash": _new.excluded.body_hash, "created_at": func.now(), "answer": null()},
    where=_is_old,
).returning(idempotency_keys.c.request_hash)


async def claim(connection: AsyncConnection, key: RequestKey, *, kept_for: timedelta) -> bool:
    """Take a key that nobody used within `kept_for`; False, and the row locked, if somebody did (primary key).

    Waits for a transaction that has claimed it and not yet ended.
    """
    values = {"request_hash": key.request_hash, "body_hash": key.body_hash, "kept_for": kept_for}
    return (await connection.execute(_claim, values)).first() is not None


_kept = select(idempotency_keys.c.request_hash).where(
    idempotency_keys.c.request_hash == bindparam("request_hash", type_=LargeBinary), ~_is_old
)


async def is_used(connection: AsyncConnection, request_hash: bytes, *, kept_for: timedelta) -> bool:
    """Tell whether somebody used this key within `kept_for` (primary key)."""
    return (await connection.execute(_kept, {"request_hash": request_hash, "kept_for": kept_for})).first() is not None


_first = select(idempotency_keys.c.body_hash, idempotency_keys.c.answer).where(
    idempotency_keys.c.request_hash == bindparam("request_hash", type_=LargeBinary)
)
_keep = (
    update(idempotency_keys)
    .where(idempotency_keys.c.request_hash == bindparam("claimed", type_=LargeBinary))
    .values(answer=bindparam("first_answer", type_=Text))
)


async def get_first_answer(connection: AsyncConnection, key: RequestKey) -> FirstAnswer:
    """Return the first answer to a key that `claim` refused in this transaction (primary key).

    Raises IdempotencyConflict where it is encrypted and cannot be read: it was acted on.
    """
    row = (await connection.execute(_first, {"request_hash": key.request_hash})).one()
    try:
        answer = at_rest_of(connection).open(row.answer, key.request_hash.hex(), column=ANSWER)
    except CannotOpen as error:
        raise IdempotencyConflict(f"The first answer to this Idempotency-Key {error.reason}.") from error
    return FirstAnswer(bytes(row.body_hash), answer)


async def keep_answer(connection: AsyncConnection, key: RequestKey, *, answer: str) -> None:
    """Store the answer to a key that `claim` took in this transaction (primary key)."""
    stored = at_rest_of(connection).seal(answer, key.request_hash.hex(), column=ANSWER)
    await connection.execute(_keep, {"claimed": key.request_hash, "first_answer": stored})


_old = (
    select(idempotency_keys.c.request_hash)
    .where(_is_old)
    .order_by(idempotency_keys.c.created_at)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)
_forget = delete(idempotency_keys).where(idempotency_keys.c.request_hash.in_(_old))


async def forget_old(connection: AsyncConnection, *, kept_for: timedelta, limit: int) -> int:
    """Remove up to `limit` keys older than this, oldest first; returns how many (index idempotency_keys_created)."""
    return (await connection.execute(_forget, {"kept_for": kept_for, "limit": limit})).rowcount
