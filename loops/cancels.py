"""Repeats cancels until their end is proven: a worker that was away hears of it then, and what waits is taken back."""

import random
from collections.abc import Mapping

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.cancels import StopSignal
from domain.errors import TaskAlreadyFinished
from gateway.ports import Revokes, Withdraws
from services.cancels.cancel import renew_keys
from services.cancels.sequence import Cancels
from store.engine import stating
from store.queries.tasks import documents

ROUND_SECONDS = 2.0
MAX_TASKS = 10_000
"""How many tasks one broadcast carries; 10,000 ids took 6 ms."""
MAX_PREVENTED = 100
"""How many of them, by lot, are looked at one by one in each round."""

log = structlog.get_logger(__name__)


class CancelsRound:
    """Repeats every cancel that is still open, in one broadcast for each signal."""

    def __init__(self, engine: AsyncEngine, control: Revokes, *, mover: Withdraws, redis: Redis) -> None:
        self._engine = engine
        self._control = control
        self._redis = redis
        self._cancels = Cancels(engine.begin, redis=redis, control=control, mover=mover)

    async def run_once(self) -> float:
        """Renew the gate's keys, revoke again, and prove the end of what has not started."""
        async with stating(self._engine) as connection:
            open_cancels = await documents.list_open_cancels(connection, limit=MAX_TASKS)
        if open_cancels:
            await renew_keys(self._redis, open_cancels)
            await self._revoke(open_cancels)
            proven = await self._prevent(open_cancels)
            log.info("cancels_repeated", count=len(open_cancels), proven=proven)
        return ROUND_SECONDS

    async def _revoke(self, open_cancels: Mapping[str, StopSignal]) -> None:
        for signal in StopSignal:
            task_ids = [task_id for task_id, signal_of_task in open_cancels.items() if signal_of_task is signal]
            if task_ids:
                await self._control.revoke(task_ids, terminate=True, signal=signal)

    async def _prevent(self, open_cancels: Mapping[str, StopSignal]) -> int:
        chosen = random.sample(list(open_cancels.items()), min(MAX_PREVENTED, len(open_cancels)))
        return sum([await self._prevent_one(task_id, signal) for task_id, signal in chosen])

    async def _prevent_one(self, task_id: str, signal: StopSignal) -> bool:
        try:
            return await self._cancels.prevent(task_id, signal=signal)
        except TaskAlreadyFinished:
            return False
