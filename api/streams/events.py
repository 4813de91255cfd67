"""The feed as server-sent events, for one client."""

from collections.abc import Iterable
from contextlib import AbstractContextManager

from starlette.types import Scope

from api.schemas.events import gap_of, timestamp_of
from api.streams.endless import EndlessAnswer
from api.streams.frames import named_frame, sign_of_life
from api.streams.hub import FeedHub, Framed, framed
from domain.feed import Wanted, is_seen, write_cursor
from domain.principals import Principal
from domain.sight import Sight
from services.feed_reading import Reading


class EventStream(EndlessAnswer):
    """Sends `hello`, what is missing, what was read first, and from then on what comes.

    It ends, too, when what comes next is no longer kept.
    """

    def __init__(
        self, hub: FeedHub, first: Reading, *, wanted: Wanted, sight: Sight, caller: Principal, scope: Scope
    ) -> None:
        super().__init__(caller=caller, scope=scope)
        self._hub = hub
        self._first = first
        self._wanted = wanted
        self._sight = sight
        self._place = first.ends

    def _opened(self) -> AbstractContextManager[None]:
        return self._hub.opened(self._caller, self._first, wake=self._wake)

    async def _next(self) -> bytes | None:
        portion = await self._hub.take(self._place, epoch=self._first.epoch)
        if portion is None:
            self._end()
            return None
        self._place = portion.ends
        return self._frames(portion.changes) if portion.changes else None

    def _admits(self, principal: Principal) -> bool:
        self._sight = Sight(principal.limits)
        return True

    def _beginning(self) -> bytes:
        first, cursor = self._first, write_cursor(self._first.epoch, self._first.begins)
        hello = {"cursor": cursor, "complete_since": timestamp_of(first.complete_since)}
        frames = named_frame("hello", cursor, data=hello, retry=True)
        if first.is_reset:
            frames += named_frame("reset", cursor, data={"cursor": cursor, "reason": "of another database"})
        if first.gap_ends is not None:
            frames += named_frame("gap", write_cursor(first.epoch, first.gap_ends), data=gap_of(first) or {})
        return frames + self._frames(framed(first))

    def _frames(self, changes: Iterable[Framed]) -> bytes:
        return b"".join(
            each.frame for each in changes if self._wanted.matches(each.change) and is_seen(each.change, self._sight)
        )

    def _sign_of_life(self) -> bytes:
        return sign_of_life(write_cursor(self._first.epoch, self._place))
