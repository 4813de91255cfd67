"""The API keys of the table, as one process knows them: all of them, read anew at each change.

The sessions that it has been shown are read with them. No request asks Postgres for a key. `KeyReader` reads them when
a change is notified, every 2 s beside that, and when somebody shows a key or a session that is not known yet; `KeyRing`
is what requests look at.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import structlog
from sqlalchemy.exc import SQLAlchemyError

from background import Resident, start_rounds
from domain.api_keys import ApiKey, Network, TurnedAway, parse_networks
from domain.principals import Principal, PrincipalKind
from services.resident.session_book import SessionBook
from services.resident.turned_away import TurnedAwayCounts
from services.transactions import Transact
from store.listener import API_KEYS, Listener
from store.queries import api_keys, sessions

POLL_SECONDS = 2.0
"""A notification may get lost while the listener connects anew."""
PAUSE_SECONDS = 0.02
"""The pause between two readings, however many strangers show keys that nobody knows."""
READ_SECONDS = 2.0
TRUSTED_SECONDS = 5.0
"""The age up to which what was read lets people in while Postgres is away."""
LOOK_SECONDS = 3.0
"""Longer than one reading may take."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class HeldKey:
    """A key with what each request of its holder needs of it, made once."""

    key: ApiKey
    networks: tuple[Network, ...]
    principal: Principal
    identity: bytes
    """What tells its holder from others; the same after a rotation, so that a request that is repeated is the same."""
    noted_minute: int
    """The last minute in which it is known to have been used, in minutes since 1970."""


class KeyRing:
    """The keys that were read last. Nobody is let in by what was read longer than `TRUSTED_SECONDS` ago."""

    def __init__(self) -> None:
        self._keys: dict[str, HeldKey] = {}
        self.sessions = SessionBook()
        """The sessions that were read with the keys."""
        self.turned_away = TurnedAwayCounts()
        """The requests that were let in by no key, until that is written."""
        self._read_at = float("-inf")
        self._uses: dict[str, tuple[datetime, str]] = {}
        self._looked: asyncio.Future[None] | None = None
        self.is_closed: bool | None = None
        """Whether a key is needed because there was ever one; None while nobody has been able to read that.

        It stays true for ever. What was read last holds as long as Postgres is away: nobody makes a key meanwhile.
        """
        self.is_away = False
        """Whether the last reading failed: then nobody waits for the next one."""
        self.ask: Callable[[], None] = _ask_nobody
        """Asks whoever reads to do so now."""

    def fill(self, keys: Iterable[ApiKey], *, is_closed: bool, read_at: float) -> None:
        """Take in what was read at this monotonic time."""
        self._keys = {key.key_id: self._held(key) for key in keys}
        self.is_closed = is_closed
        self._read_at = read_at

    def _held(self, key: ApiKey) -> HeldKey:
        noted = self._uses[key.key_id][0] if key.key_id in self._uses else key.last_used_at
        return HeldKey(
            key,
            networks=parse_networks(key.networks),
            principal=Principal(PrincipalKind.API_KEY, key.key_id, key.name, key.scopes, key.limits),
            identity=sha256(b"key " + key.key_id.encode()).digest(),
            noted_minute=int(noted.timestamp()) // 60 if noted else 0,
        )

    def end_look(self) -> None:
        """Go on with those who wait for a reading, whether it succeeded or not."""
        if self._looked is not None and not self._looked.done():
            self._looked.set_result(None)
        self._looked = None

    @property
    def is_trusted(self) -> bool:
        """Whether the keys were read a short time ago."""
        return time.monotonic() - self._read_at <= TRUSTED_SECONDS

    def find(self, key_id: str) -> HeldKey | None:
        """Return the key of this id."""
        return self._keys.get(key_id)

    async def look_again(self) -> None:
        """Wait until the keys were read after this call, or could not be, 3 s at most; not while Postgres is away."""
        if self.is_away and not self.is_trusted:
            return
        asked_at = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                for _ in range(2):  # the reading that runs may have begun before
                    if self._read_at < asked_at:
                        await self._one_look()

    async def _one_look(self) -> None:
        if self._looked is None:
            self._looked = asyncio.get_running_loop().create_future()
        self.ask()
        await asyncio.shield(self._looked)

    def note_use(self, held: HeldKey, at: float, *, source: str) -> None:
        """Remember that the key was used at this time in seconds since 1970, until that is written."""
        held.noted_minute = int(at) // 60
        self._uses[held.key.key_id] = (datetime.fromtimestamp(at, UTC), source)

    def unwritten_uses(self) -> list[tuple[str, datetime, str]]:
        """Return the uses that are later than what was read; older ones are forgotten."""
        known = {key_id: held.key.last_used_at for key_id, held in self._keys.items()}
        self._uses = {
            key_id: use
            for key_id, use in self._uses.items()
            if key_id in known and ((last := known[key_id]) is None or last < use[0])
        }
        return [(key_id, at, source) for key_id, (at, source) in self._uses.items()]


def _ask_nobody() -> None:
    """Stand in until there is somebody who reads."""


class KeyReader(Resident):
    """`async with KeyReader(ring, url, transact=...)`: keeps the ring filled, and writes which keys were used."""

    def __init__(self, ring: KeyRing, database_url: str, *, transact: Transact) -> None:
        self._ring = ring
        self._transact = transact
        self._inner = self._listener = Listener(database_url, API_KEYS)
        ring.ask = self._listener.wake

    def _start(self) -> list[asyncio.Task[None]]:
        return [start_rounds(self._round, name="api-keys")]

    async def _round(self) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self.read()
            self._tell(is_away=False)
        except (SQLAlchemyError, OSError) as error:
            self._tell(is_away=True, error=type(error).__name__)
        finally:
            self._ring.end_look()
        await asyncio.sleep(PAUSE_SECONDS)
        await self._listener.wait(POLL_SECONDS)

    async def read(self) -> None:
        """Read all keys and the sessions in use once, and write what is not written yet."""
        read_at, book = time.monotonic(), self._ring.sessions
        counts = self._ring.turned_away.take()
        try:
            await self._read(read_at, book, counts=counts)
        except BaseException:
            self._ring.turned_away.give_back(counts)
            raise

    async def _read(self, read_at: float, book: SessionBook, *, counts: list[TurnedAway]) -> None:
        async with self._transact() as connection:
            if wanted := book.wanted():
                book.fill(wanted, await sessions.read_sessions(connection, wanted))
            keys = await api_keys.list_living_keys(connection)
            is_closed = bool(self._ring.is_closed) or await api_keys.was_closed(connection)
            self._ring.fill(keys, is_closed=is_closed, read_at=read_at)
            if uses := self._ring.unwritten_uses():
                await api_keys.note_uses(connection, uses)
            if shown := book.unwritten_uses():
                await sessions.note_uses(connection, shown)
            # Last: another process that writes of the same minute waits until the commit.
            if counts:
                await api_keys.note_turned_away(connection, counts)

    def _tell(self, *, is_away: bool, error: str | None = None) -> None:
        if is_away and not self._ring.is_away:
            log.warning("api_keys_not_read", error=error)
        self._ring.is_away = is_away
