"""Looks after tasks of which nothing was heard for a while.

Those whose end the result backend knows are ended. Those that the broker has lost are sent again, if that is proven.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.proofs import HAS_RUN, UNPROVEN, Suspect
from domain.redaction.rules import COMMON, Redaction
from gateway.ports import ReadsQueues, ReadsResults
from loops.lost.seen_twice import BETWEEN_LOOKS, SeenTwice
from loops.workers.shared_names import note_shared_names
from services.lost.missed_ends import (
    BATCH_SIZE,
    Swept,
    find_silent,
    read_suspects,
    repair,
    return_to_outbox,
    run_keys,
)
from services.lost.proofs import Judged, Proofs, record_held
from store.queries import leadership
from store.queries.lost import doubts
from store.queries.lost.missed_ends import SilentTask

ROUND_SECONDS = 5.0
ASKED_AGAIN = timedelta(seconds=60)
"""How long what was in doubt at two looks is left alone: each look asks every worker."""
BY_SETTING = "not proven; sent once more because CELERIAC_RESEND_UNPROVEN is on"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Search:
    """What a search for tasks came to."""

    looked_for: Mapping[str, Suspect] = field(default_factory=dict)
    judged: Judged = field(default_factory=Judged)


class MissedEndsRound:
    """Looks once at the tasks that have been silent longest. One process at a time does it."""

    def __init__(
        self,
        engine: AsyncEngine,
        results: ReadsResults,
        *,
        queues: ReadsQueues,
        proofs: Proofs,
        resend_unproven: bool = False,
        between_looks: timedelta = BETWEEN_LOOKS,
        asked_again: timedelta = ASKED_AGAIN,
        redaction: Redaction = COMMON,
    ) -> None:
        self._engine = engine
        self._results = results
        self._queues = queues
        self._proofs = proofs
        self._resend_unproven = resend_unproven
        self._redaction = redaction
        self._seen_twice = SeenTwice(between_looks=between_looks)
        self._in_doubt = SeenTwice(between_looks=between_looks)
        self._asked_again = asked_again
        self._ask_again: dict[str, datetime] = {}

    async def run_once(self) -> float:
        """Repair what can be repaired; at once again if there is more."""
        async with self._engine.begin() as connection:
            if not await leadership.take(connection, leadership.MISSED_ENDS):
                return ROUND_SECONDS
            silent = await find_silent(connection)
        if not silent:
            return ROUND_SECONDS
        results = await self._results.fetch([task.task_id for task in silent])
        now = datetime.now(UTC)
        async with self._engine.begin() as connection:
            swept = await repair(connection, silent, results=results, now=now, redaction=self._redaction)
        if swept.repaired:
            log.info("ends_reconstructed", count=len(swept.repaired))
        await self._look_for_lost(swept, now)
        return 0 if len(silent) >= BATCH_SIZE else ROUND_SECONDS

    async def _look_for_lost(self, swept: Swept, now: datetime) -> None:
        self._ask_again = {task_id: at for task_id, at in self._ask_again.items() if at > now}
        unreceived = [task for task in swept.unreceived if task.task_id not in self._ask_again]
        search = await self._search(unreceived)
        looked_at = {task.task_id for task in unreceived}
        lost = self._seen_twice.missing_again(search.judged.proofs, looked_at=looked_at, now=now)
        doubted = self._in_doubt.missing_again(search.judged.doubts, looked_at=looked_at, now=now)
        proofs = {task_id: search.judged.proofs[task_id] for task_id in lost}
        if self._resend_unproven:
            proofs |= {task_id: BY_SETTING for task_id in doubted if search.looked_for[task_id].dispatches == 1}
        in_doubt = {task_id: search.judged.doubts[task_id] for task_id in doubted if task_id not in proofs}
        if looked_at or swept.unreadable:
            await self._note(
                looked_at, search.judged, reasons=in_doubt | dict.fromkeys(swept.unreadable, HAS_RUN), now=now
            )
        if proofs:
            async with self._engine.begin() as connection:
                returned = await return_to_outbox(connection, proofs)
            log.warning("dispatches_lost", count=len(returned))

    async def _search(self, unreceived: Sequence[SilentTask]) -> Search:
        """Search for those that the broker does not have; for none where that cannot be known."""
        task_ids = {task.task_id for task in unreceived}
        names = {task.queue_name for task in unreceived if task.queue_name}
        in_broker = await self._queues.ids_in_queues(names, among=task_ids) if task_ids else None
        missing = [] if in_broker is None else [task for task in unreceived if task.task_id not in in_broker]
        if not missing:
            return Search()
        async with self._engine.begin() as connection:
            suspects = await read_suspects(connection, missing)
        life = await self._queues.get_life()
        judged = await self._proofs.judge(suspects, life=life, keys=run_keys(missing), resends=True)
        return Search({suspect.task_id: suspect for suspect in suspects}, judged)

    async def _note(
        self, looked_at: AbstractSet[str], judged: Judged, *, reasons: Mapping[str, str], now: datetime
    ) -> None:
        """Keep what workers said they have, and why the others are not sent again."""
        await note_shared_names(self._engine, judged.replies)
        self._ask_again |= dict.fromkeys(reasons, now + self._asked_again)
        async with self._engine.begin() as connection:
            recorded = await record_held(connection, judged.holders)
            await doubts.forget(connection, looked_at - judged.doubts.keys())
            await doubts.note(connection, {id: UNPROVEN.format(doubt=doubt) for id, doubt in reasons.items()})
        if recorded:
            log.info("holders_reconstructed", count=len(recorded))
        if reasons:
            log.warning("dispatches_in_doubt", count=len(reasons))
