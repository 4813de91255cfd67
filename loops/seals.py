"""Seals audit rows a few seconds after they were written, and lets those go that have reached the end of their time."""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.audit_seals import ROWS_IN_SEAL, Seal, SealKind
from services.audit_seals import expire, seal_next
from store.queries import leadership

ROUND_SECONDS = 10.0

log = structlog.get_logger(__name__)


class SealsRound:
    """Makes one seal; whatever the number of processes, one of them does so at a time, in one transaction.

    A process that dies meanwhile leaves nothing, and the next round seals the same rows.
    """

    def __init__(self, engine: AsyncEngine, keys: Sequence[bytes] = (), *, kept_for: timedelta | None = None) -> None:
        self._engine = engine
        self._keys = keys
        self._kept_for = kept_for

    async def run_once(self) -> float:
        """Seal the next rows; at once again while there may be more."""
        sealed = await self._seal()
        if sealed is not None and (sealed.kind is SealKind.RESTARTED or len(sealed.row_ids) == ROWS_IN_SEAL):
            return 0
        return 0 if await self._expire() else ROUND_SECONDS

    async def _seal(self) -> Seal | None:
        async with self._engine.begin() as connection:
            if not await leadership.take(connection, leadership.SEALS):
                return None
            sealed = await seal_next(connection, self._keys)
        if sealed is not None and sealed.kind is SealKind.RESTARTED:
            log.warning("audit_numbering_restarted", seal_no=sealed.seal_no)
        elif sealed is not None:
            log.info("audit_sealed", seal_no=sealed.seal_no, rows=len(sealed.row_ids), hash=sealed.seal_hash.hex())
        return sealed

    async def _expire(self) -> bool:
        """Whether there may be more."""
        if self._kept_for is None:
            return False
        async with self._engine.begin() as connection:
            if not await leadership.take(connection, leadership.SEALS):
                return False
            sealed = await expire(connection, self._keys, kept_for=self._kept_for)
        if sealed is None or sealed.expired is None:
            return False
        log.info("audit_expired", seal_no=sealed.expired.seal_no, rows=sealed.expired.rows)
        return True
