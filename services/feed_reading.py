"""Reading the feed from any place: what changed since, and whether something is missing in between.

Streams, polls and whoever else follows the feed come through here. Who keeps the cursor of what he has dealt with, in
the same transaction, misses nothing and repeats nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.feed import Place, Told, read_cursor
from store.queries import feed

BEGINNING = Place(0, 0)
NOW = "now"
"""The word that stands for the cursor behind everything that can be told now."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a place on."""

    epoch: str
    begins: Place
    changes: list[Told]
    ends: Place
    is_last: bool
    """Whether that is all that can be told now."""
    complete_since: datetime
    gap_ends: Place | None
    """What came after the place where it begins, up to this one, is no longer kept."""
    is_reset: bool
    """The cursor was one of another feed: it began at the oldest that is kept."""


async def read_feed(connection: AsyncConnection, cursor: str | None, *, limit: int) -> Reading:
    """Return up to so many changes behind a cursor; without one, from the oldest that is kept on.

    The connection commits each statement. Raises ValueError for what is no cursor.
    """
    epoch, begins = read_cursor(cursor) if cursor not in (None, NOW) else (None, BEGINNING)
    if cursor == NOW:
        begins = await feed.get_head(connection)
    before = await feed.get_state(connection)
    is_reset = epoch not in (None, before.epoch)
    if is_reset:
        begins = BEGINNING
    stretch = await feed.read_on(connection, begins, limit=limit)
    # A day that was there at first may have been dropped before it was read.
    state = await feed.get_state(connection)
    is_cut = begins != BEGINNING and state.dropped is not None and begins < state.dropped
    return Reading(
        epoch=state.epoch,
        begins=begins,
        changes=stretch.changes,
        ends=stretch.ends,
        is_last=stretch.is_last,
        complete_since=state.complete_since,
        gap_ends=state.dropped if is_cut else None,
        is_reset=is_reset,
    )
