"""Acting once on a request that is sent again: claim its key, act, keep the answer, all in one transaction."""

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import IdempotencyConflict
from domain.idempotency import KEPT_FOR, RequestKey
from store.queries import idempotency


async def find_first_answer(connection: AsyncConnection, key: RequestKey) -> str | None:
    """The first answer, as JSON text; None if there was none: then act, and `keep_answer` in this transaction.

    A request with this key that is still under way is waited for: if it fails, it is our turn.
    Raises IdempotencyConflict if the key was used with another body, or while it was not yet known by whom: the answer
    may be somebody else's, and to act may be to act twice.
    """
    if await idempotency.claim(connection, key, kept_for=KEPT_FOR):
        if key.ownerless_hash and await idempotency.is_used(connection, key.ownerless_hash, kept_for=KEPT_FOR):
            raise IdempotencyConflict("This Idempotency-Key was used before keys were kept apart for each API key.")
        return None
    first = await idempotency.get_first_answer(connection, key)
    if first.body_hash != key.body_hash:
        raise IdempotencyConflict
    return first.answer
