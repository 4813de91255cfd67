"""The components that health is made of, and what each is asked. `probe.py` asks them."""

from collections.abc import Collection, Mapping
from functools import partial

from redis.asyncio import Redis

from domain.degradation import MIRROR, WORKERS
from domain.health import DATABASE, LOOPS
from gateway.queues import QueueReader
from gateway.results.reader import ResultReader
from services.components import Check, Questions, Unwell, server_checks
from services.resident.signs_of_life import is_alive, list_lives, process_of
from store.look import Asks
from store.queries.mirror import MirrorState, read_state


class HealthChecks:
    """The questions behind `/health`. Those to the database have connections of their own: a pool that requests keep
    busy is no unhealthy database.
    """

    def __init__(
        self, database: Asks, state: Asks, *, redis: Redis, queues: QueueReader, results: ResultReader
    ) -> None:
        """Prepare to ask: `database` is any question, `state` is `store.queries.mirror.STATE`."""
        self._database = database
        self._state = state
        self._redis = redis
        self._servers = server_checks(redis, queues=queues, results=results)
        self.mirror: MirrorState | None = None
        """As the last check found it."""
        self._shared = Questions()
        self._lives: Collection[str] = ()
        self._ended: dict[str, frozenset[str]] = {}
        """By kind of process, the lives that had ended unasked by the last check."""

    def by_name(self) -> Mapping[str, Check]:
        """Return the checks, by the name of their component."""
        return {
            DATABASE: self._database.ask,
            **self._servers,
            WORKERS: self._check_workers,
            MIRROR: self._check_mirror,
            LOOPS: self._check_loops,
        }

    async def _check_workers(self) -> None:
        if not (await self._ask_store()).online_count:
            raise Unwell("no worker is online")

    async def _check_mirror(self) -> None:
        """Judge the mirror by its own sign of life: silent nodes are no sign of a deaf mirror."""
        await self._ask_store()
        if not await is_alive(self._redis, MIRROR):
            raise Unwell("no mirror gives a sign of life")
        await self._check_ends(MIRROR)

    async def _check_loops(self) -> None:
        if not await is_alive(self._redis, LOOPS):
            raise Unwell("no loops give a sign of life")
        await self._check_ends(LOOPS)

    async def _check_ends(self, process: str) -> None:
        """One round says that a process has ended, even where the next one was there within a moment."""
        lives = await self._shared.ask("lives", partial(list_lives, self._redis, known=self._lives))
        self._lives = lives.keys()
        ended = frozenset(life for life, is_there in lives.items() if process_of(life) == process and not is_there)
        count_before, self._ended[process] = self._ended.get(process, ended), ended
        if ended - count_before:
            raise Unwell("a process ended unasked")

    async def _ask_store(self) -> MirrorState:
        """Ask once for those who ask at the same time."""
        return await self._shared.ask("store", self._read_store)

    async def _read_store(self) -> MirrorState:
        self.mirror = read_state(await self._state.ask())
        return self.mirror
