"""API keys: their form, the hash that is kept of one, and whether a key that is known opens at this moment.

    cel_k7Qm2ZpX4rT1_<43 characters><6 characters>

The first part is the id of the key, the second its secret: 43 characters of base62 are 256 bits, so that a fast hash
is enough. The last six are a checksum, by which garbage is told from a key without looking for it. Scanners of
repositories know keys by the prefix.
"""

import hmac
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Self

from domain.scopes import Scope
from domain.sight import Limits

PREFIX = "cel_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LENGTH = 12
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6
MAX_KEYS = 1_000
"""The most keys that are not revoked: each process holds all of them."""
MAX_NETWORKS = 50
MAX_NAME = 100
USUAL_OVERLAP_SECONDS = 86_400
LONGEST_OVERLAP_SECONDS = 30 * 86_400
HIGHEST_RATE_LIMIT = 1_000_000
"""The most requests a minute that a limit of a key may be."""

_ID_END = len(PREFIX) + ID_LENGTH
_LENGTH = _ID_END + 1 + SECRET_LENGTH + CHECKSUM_LENGTH
_DIGITS = frozenset(ALPHABET)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: everything but its secret."""

    key_id: str
    name: str
    secret_hash: bytes = field(repr=False)
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: str
    previous_hash: bytes | None = field(default=None, repr=False)
    """The hash of the key before the last rotation, which opens until `previous_expires_at`."""
    previous_expires_at: datetime | None = None
    queues: tuple[str, ...] = ()
    task_names: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    """The networks that the key may be used from; from anywhere where there are none."""
    rate_limit_per_minute: int | None = None
    expires_at: datetime | None = None
    disabled_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_from: str | None = None

    @property
    def limits(self) -> Limits:
        """The queues and task names that it is limited to."""
        return Limits(self.queues, self.task_names)

    def flaw(self, now: datetime) -> str | None:
        """Return why the key opens nothing at this time, as the end of a sentence; None if it does open."""
        if self.revoked_at is not None:
            return "has been revoked"
        if self.disabled_at is not None:
            return "is disabled"
        if self.expires_at is not None and self.expires_at <= now:
            return "has expired"
        return None

    def matches(self, digest: bytes, now: datetime) -> bool:
        """Whether this is the hash of the key, or of the one before while both open."""
        if hmac.compare_digest(self.secret_hash, digest):
            return True
        if self.previous_hash is None or self.previous_expires_at is None or self.previous_expires_at <= now:
            return False
        return hmac.compare_digest(self.previous_hash, digest)

    def rules_everybody(self, now: datetime) -> bool:
        """Whether its holder may make, change and revoke keys at this time."""
        return Scope.ADMIN in self.scopes and self.flaw(now) is None


def compose(key_id: str, secret: str) -> str:
    """Return the key as its holder gets it, with its checksum."""
    body = f"{PREFIX}{key_id}_{secret}"
    return body + _checksum(body)


def id_within(text: str) -> str | None:
    """Return the id of what has the outline of a key, whether it is whole or not; None for anything else."""
    if len(text) != _LENGTH or not text.startswith(PREFIX) or text[_ID_END] != "_":
        return None
    return text[len(PREFIX) : _ID_END]


def is_whole(text: str) -> bool:
    """Whether the checksum of what has the outline of a key is right: nobody mistyped it, cut it or made it up."""
    body, checksum = text[:-CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    parts = (body[len(PREFIX) : _ID_END], body[_ID_END + 1 :])
    return _DIGITS.issuperset("".join(parts)) and hmac.compare_digest(_checksum(body).encode(), checksum.encode())


def digest_of(text: str) -> bytes:
    """Return what is kept of a key in the place of its secret."""
    return sha256(text.encode()).digest()


def parse_networks(networks: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks; raises ValueError for what is none, or has bits beside its prefix."""
    return tuple(_network(text) for text in networks)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError("is no address and no network such as 10.1.0.0/16") from None


def _checksum(body: str) -> str:
    rest = zlib.crc32(body.encode())
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The requests of one minute that nobody was let in with."""

    minute: datetime
    count: int
    latest_at: datetime
    latest_from: str

    def and_earlier(self, earlier: Self) -> Self:
        """Return both counts of the minute as one."""
        return replace(self, count=self.count + earlier.count)
