"""Encrypting anew what is stored plainly or under older keys, a few rows at a time, and counting what is left of it."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from store.engine import limit_statements
from store.queries.reencryption import TABLES, Key, Rewritten, SealedTable, count_stale, encrypt_anew, list_stale

LOOK_AT = 1_000
"""Rows that one statement looks at."""
AT_ONCE = 20
"""Rows that one transaction writes: arguments are up to 1 MiB, and others may wait for them."""
PASSES = 3
"""How often rows are looked for again that were locked."""
COUNTED = 10_000
COUNT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Encrypted:
    """What became of the rows of one table."""

    table: str
    encrypted: int
    unreadable: int
    """Rows that none of the keys opens."""
    locked: int
    """Rows that were locked at every pass."""


async def encrypt_stored(engine: AsyncEngine) -> list[Encrypted]:
    """Encrypt with the current key whatever it has not encrypted.

    May be stopped at any moment, and begun again. Several may do it at once.
    """
    return [await _encrypt_table(engine, one) for one in TABLES]


async def count_left(engine: AsyncEngine) -> dict[str, int]:
    """Return how many rows of each table the current key has not encrypted, up to `COUNTED`.

    Reads whole tables; raises DBAPIError where one takes longer than `COUNT_SECONDS`.
    """
    counts: dict[str, int] = {}
    async with engine.begin() as connection:
        await limit_statements(connection, seconds=COUNT_SECONDS)
        for one in TABLES:
            counts[one.table.name] = await count_stale(connection, one, most=COUNTED)
    return counts


async def _encrypt_table(engine: AsyncEngine, one: SealedTable) -> Encrypted:
    encrypted, last = 0, Rewritten()
    for _ in range(PASSES):
        last = await _pass(engine, one)
        encrypted += last.encrypted
        if not last.locked:
            break
    return Encrypted(one.table.name, encrypted, last.unreadable, last.locked)


async def _pass(engine: AsyncEngine, one: SealedTable) -> Rewritten:
    after: Key | None = None
    sums = Rewritten()
    while True:
        async with engine.begin() as connection:
            window = await list_stale(connection, one, after=after, limit=LOOK_AT)
        for first in range(0, len(window.stale), AT_ONCE):
            async with engine.begin() as connection:
                done = await encrypt_anew(connection, one, keys=window.stale[first : first + AT_ONCE])
            sums = Rewritten(
                sums.encrypted + done.encrypted, sums.unreadable + done.unreadable, sums.locked + done.locked
            )
        if window.last is None:
            return sums
        after = window.last
