"""Sealing audit rows, letting old ones go, and telling whether what is found is what was sealed."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import audit_seals as seals
from domain.audit_seals import ROWS_IN_SEAL, START, AuditRow, Expired, Flaw, Position, Seal, SealKind, Tampering
from store.queries import audit_seals as queries

SEALS_AT_ONCE = 20
"""Seals that are read together, with 24 kB of ids and digests each."""
OLD_SEALS = 50
"""Seals that go together, with up to `ROWS_IN_SEAL` rows each."""
MOST_UNSEALED = 10_000
MOST_INSERTED = 50
"""Rows beyond those sealed that are read of a stretch: the first is enough to tell."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found."""

    tampering: Tampering | None
    """The first thing that is not as it was sealed."""
    complete: bool
    """Whether the whole chain was looked at; else go on behind `last_seal`."""
    last_seal: Seal | None
    """The last seal that was looked at."""
    seals: int
    seals_with_key: int
    """The seals that have a proof of the key. Whether it is right is only known to who has the key."""
    rows: int
    unsealed: int
    """Rows that no seal lists yet, of which nothing can be told."""


async def seal_next(connection: AsyncConnection, keys: Sequence[bytes]) -> Seal | None:
    """Seal the next rows whose neighbours are all there; returns the seal, None where there is nothing to seal.

    Call it with the lock of those who seal.
    """
    horizon, now = await queries.read_horizon(connection)
    last = await queries.get_last_seal(connection)
    if last is not None and last.ends > horizon:
        return await _add(connection, seals.seal_restart(last, at=now), keys=keys)
    begins = last.ends if last else START
    rows = await queries.list_stretch(connection, begins, ends=horizon, limit=ROWS_IN_SEAL + 1)
    if not rows:
        return None
    ends = rows[ROWS_IN_SEAL].position if len(rows) > ROWS_IN_SEAL else horizon
    return await _add(connection, seals.seal_rows(rows[:ROWS_IN_SEAL], after=last, ends=ends, at=now), keys=keys)


async def expire(connection: AsyncConnection, keys: Sequence[bytes], *, kept_for: timedelta) -> Seal | None:
    """Let the oldest sealed rows go that were sealed longer ago, and seal that they went; None if there are none.

    Call it with the lock of those who seal.
    """
    old = await queries.list_old_seals(connection, kept_for=kept_for, limit=OLD_SEALS)
    if not any(seal.kind is SealKind.ROWS for seal in old):
        return None
    last = await queries.get_last_seal(connection)
    assert last is not None
    now = (await queries.read_horizon(connection))[1]
    rows = await queries.delete_seals(connection, old)
    expired = Expired(old[-1].seal_no, old[-1].seal_hash, rows)
    return await _add(connection, seals.seal_expired(expired, after=last, at=now), keys=keys)


async def verify(connection: AsyncConnection, keys: Sequence[bytes], *, seconds: float, after: int = 0) -> Verification:
    """Compare all rows with the chain of seals, for so long at most; `after` goes on behind a seal of before.

    The connection has one snapshot for all queries.
    """
    return await _Walk(connection, keys).run(after=after, deadline=time.monotonic() + seconds)


class _Walk:
    """One walk along the chain."""

    def __init__(self, connection: AsyncConnection, keys: Sequence[bytes]) -> None:
        self._connection = connection
        self._keys = keys
        self._last: Seal | None = None
        self._seals = self._with_key = self._rows = 0
        self._was_restarted = False

    async def run(self, *, after: int, deadline: float) -> Verification:
        self._was_restarted = await queries.was_restarted(self._connection)
        tampering = await self._begin(after)
        complete = False
        while tampering is None and not complete and time.monotonic() < deadline:
            behind = self._last.seal_no if self._last else after
            page = await queries.list_seals(self._connection, after=behind, limit=SEALS_AT_ONCE)
            complete = len(page) < SEALS_AT_ONCE
            tampering = await self._check_page(page)
        if tampering is None and complete:
            tampering = await self._find_stray()
        return await self._tell(tampering, complete=complete)

    async def _begin(self, after: int) -> Tampering | None:
        """Stand on the seal to go on behind, or before the oldest, and look at what lies before that."""
        if after:
            seen = await queries.list_seals(self._connection, after=after - 1, limit=1)
            self._last = seen[0] if seen and seen[0].seal_no == after else None
        first = await queries.list_seals(self._connection, after=0, limit=1)
        if self._last is not None or not first:
            return None
        gone = [seal.expired for seal in await queries.list_expired(self._connection, limit=OLD_SEALS) if seal.expired]
        if (tampering := seals.check_beginning(first[0], gone)) is not None or self._was_restarted:
            return tampering
        before = await queries.list_stretch(self._connection, START, ends=first[0].begins, limit=1)
        return Tampering(Flaw.INSERTED, first[0].seal_no, before[0].audit_id) if before else None

    async def _check_page(self, page: Sequence[Seal]) -> Tampering | None:
        for seal in page:
            rows = await self._read_rows(seal)
            tampering = seals.check_seal(seal, previous=self._last, keys=self._keys) or seals.check_rows(seal, rows)
            if tampering is not None:
                return tampering
            self._last = seal
            self._seals += 1
            self._with_key += seal.mac is not None
            self._rows += len(rows)
            await asyncio.sleep(0)  # the digests of a seal take some ms: others have their turn
        return None

    async def _read_rows(self, seal: Seal) -> list[AuditRow]:
        """All rows of its stretch. Where stretches began again, those of others lie among them: then only its own."""
        if seal.kind is not SealKind.ROWS:
            return []
        return await queries.list_stretch(
            self._connection,
            seal.begins,
            ends=seal.ends,
            limit=len(seal.row_ids) + MOST_INSERTED,
            among=seal.row_ids if self._was_restarted else None,
        )

    async def _find_stray(self) -> Tampering | None:
        if self._last is None or not self._was_restarted:
            return None
        stray = await queries.find_stray(self._connection, self._last)
        return None if stray is None else Tampering(Flaw.INSERTED, self._last.seal_no, stray)

    async def _tell(self, tampering: Tampering | None, *, complete: bool) -> Verification:
        ends: Position = self._last.ends if self._last else START
        unsealed = await queries.count_from(self._connection, ends, most=MOST_UNSEALED) if complete else 0
        return Verification(
            tampering=tampering,
            complete=complete,
            last_seal=self._last,
            seals=self._seals,
            seals_with_key=self._with_key,
            rows=self._rows,
            unsealed=unsealed,
        )


async def _add(connection: AsyncConnection, seal: Seal, *, keys: Sequence[bytes]) -> Seal:
    """Store a seal with its hash, and the proof of the first key."""
    seal_hash = seals.hash_of(seal)
    whole = replace(seal, seal_hash=seal_hash, mac=seals.mac_of(seal_hash, keys[0]) if keys else None)
    await queries.add_seal(connection, whole)
    return whole
