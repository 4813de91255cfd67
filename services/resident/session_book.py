"""The sessions that one process has been shown, read anew together with the API keys (`services/resident/key_ring.py`).

No request asks Postgres for a session that is known here. Those that nobody shows any more are forgotten.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.sessions import MAX_SESSIONS, Session

FORGOTTEN_SECONDS = 600.0
MAX_ASKED = 1_000
"""The most sessions that are looked for in one reading; who shows another one then is told that it is over."""


@dataclass(slots=True)
class _Known:
    session: Session
    shown_at: float
    """The moment of its last use here, on the monotonic clock."""
    noted_minute: int
    """The last minute in which it is known to have been used, in minutes since 1970."""


class SessionBook:
    """The sessions that were shown lately, as they were read last."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._asked: set[str] = set()

    def ask(self, session_id: str) -> None:
        """Have this session read with the next reading."""
        if len(self._asked) < MAX_ASKED:
            self._asked.add(session_id)

    def wanted(self) -> set[str]:
        """Return the ids that a reading is to look for."""
        return self._asked | self._known.keys()

    def fill(self, wanted: set[str], found: Iterable[Session]) -> None:
        """Take in what was read: of those that were looked for, the others have ended."""
        now = time.monotonic()
        self._asked -= wanted
        before, self._known = self._known, {}
        for session in found:
            known = before.get(session.session_id)
            shown_at = known.shown_at if known else now
            if now - shown_at <= FORGOTTEN_SECONDS and len(self._known) < MAX_SESSIONS:
                minute = int(session.seen_at.timestamp()) // 60
                noted = max(known.noted_minute, minute) if known else minute
                self._known[session.session_id] = _Known(session, shown_at, noted)

    def find(self, session_id: str) -> Session | None:
        """Return the session of this id."""
        known = self._known.get(session_id)
        return known.session if known else None

    def note_use(self, session: Session, minute: int) -> None:
        """Remember that the session was shown, and in which minute since 1970, until that is written."""
        if known := self._known.get(session.session_id):
            known.shown_at = time.monotonic()
            known.noted_minute = max(known.noted_minute, minute)

    def unwritten_uses(self) -> list[tuple[str, datetime]]:
        """Return the uses that are later than what was read."""
        noted = (
            (known.session, datetime.fromtimestamp(known.noted_minute * 60, UTC)) for known in self._known.values()
        )
        return [(session.session_id, at) for session, at in noted if at > session.seen_at]
