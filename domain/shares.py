"""Which mirror writes the events of which task: tasks fall into shares, and each share belongs to one of the mirrors.

Two mirrors that write events of one task at once wait for each other's locks. Nothing but speed depends on who owns a
share: a fact that is told twice, or by two mirrors, is stored once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

MOST_SHARES = 64


@dataclass(frozen=True, slots=True)
class Shares:
    """How many shares there are, which of them are ours, and whether there is any other mirror."""

    count: int
    owned: frozenset[int]
    alone: bool
    mirrors: int = MOST_SHARES
    """How many own them in turn: share n and share n + mirrors have the same owner."""

    def place_of(self, subject: str) -> int:
        """Return the first share of the owner of this subject's: what is for one mirror goes there together."""
        return share_of(subject, self.count) % self.mirrors


ALONE = Shares(1, frozenset({0}), alone=True)


def share_of(subject: str, count: int) -> int:
    """Return the share of a task, by its id, or of a node, by its name: the same in every process."""
    return crc32(subject.encode(errors="surrogatepass")) % count


def deal_out(mirror: str, mirrors: Sequence[str], *, count: int) -> Shares:
    """Return the shares of one mirror among these. One that is not among them owns all if there is no other, else none:
    what it reads it hands on.
    """
    others = [name for name in mirrors if name != mirror]
    if not others:
        return Shares(count, frozenset(range(count)), alone=True)
    in_turn = sorted(mirrors)
    owned = frozenset(share for share in range(count) if in_turn[share % len(in_turn)] == mirror)
    return Shares(count, owned, alone=False, mirrors=len(in_turn))
