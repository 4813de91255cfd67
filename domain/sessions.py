"""Sessions: what a browser is let in with after somebody has signed in, and how long one lasts.

A session is made from a key or from a token of the issuer, and can do what that can do at each moment. Nothing of it is
kept but a hash: its text is in the browser's cookie and nowhere else.
"""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.api_keys import ALPHABET, ID_LENGTH, SECRET_LENGTH
from domain.principals import PrincipalKind

IDLE = timedelta(hours=12)
"""How long a session lasts that nobody uses."""
LONGEST = timedelta(days=7)
"""How long a session lasts at most, however much it is used."""
MAX_SESSIONS = 10_000
MAX_OF_ONE = 100
"""The most sessions of one key or person; with one more, the one that was seen longest ago ends."""
MAX_USER_AGENT = 200

_LENGTH = ID_LENGTH + 1 + SECRET_LENGTH
_CHARACTERS = frozenset(ALPHABET)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose session it is, and by what it is known to be his still."""

    kind: PrincipalKind
    """The kind of what it was made from."""
    id: str
    name: str
    issuer: str | None = None
    """The issuer of the token; None for a key."""
    values: tuple[str, ...] = ()
    """The values of the claim in the token that scopes are given to."""
    proof: bytes | None = field(default=None, repr=False)
    """What `proof_of` says of a key of the environment, of which no row is kept."""

    @property
    def label(self) -> str:
        """The text by which the sessions of one owner are found, e.g. `api_key:k7Qm2ZpX4rT1`."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is stored: everything but its text."""

    session_id: str
    session_hash: bytes = field(repr=False)
    owner: Owner
    created_at: datetime
    seen_at: datetime
    """The minute of its last use."""
    expires_at: datetime
    user_agent: str | None = None
    address: str | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it has lasted too long, or too long without a use."""
        return now >= self.expires_at or now - self.seen_at >= IDLE

    def matches(self, digest: bytes) -> bool:
        """Whether this is the hash of its text."""
        return hmac.compare_digest(self.session_hash, digest)


def compose(session_id: str, secret: str) -> str:
    """Return the text of a session as its browser gets it."""
    return f"{session_id}_{secret}"


def id_within(text: str) -> str | None:
    """Return the id of what has the form of a session; None for anything else."""
    if len(text) != _LENGTH or text[ID_LENGTH] != "_":
        return None
    session_id, secret = text[:ID_LENGTH], text[ID_LENGTH + 1 :]
    return session_id if _CHARACTERS.issuperset(session_id + secret) else None


def proof_of(key: bytes, text: str) -> bytes:
    """Return what shows later that a session was made from this key, and helps nobody to guess it.

    The text of the session, which is stored nowhere, is needed to compare a guess with it.
    """
    return hmac.digest(text.encode(), key, "sha256")
