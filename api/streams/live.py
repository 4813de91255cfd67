"""What an open page is told, as server-sent events: the pulse, and hints of what has changed."""

import time
from contextlib import AbstractContextManager
from dataclasses import replace

from starlette.types import Scope

from api.schemas.live import Hint
from api.streams.endless import HEARTBEAT_SECONDS, EndlessAnswer
from api.streams.frames import FIRST, STILL_HERE, unplaced_frame
from api.streams.live_hub import LiveHub
from domain.live import Topics
from domain.principals import Principal
from domain.sight import Sight

BLIND_SECONDS = 5.0
"""How often a key with limits is told of `tasks` and `workflows`, whether or not anything has changed."""


class LiveStream(EndlessAnswer):
    """Sends each topic once it is known, and whenever it has changed since; of several changes the last.

    It ends, too, when its key sees other than before. Whoever does not see all hears of `tasks` and `workflows` at a
    fixed pace: when something changes that he does not see is nothing for him either.
    """

    def __init__(self, hub: LiveHub, topics: Topics, *, sight: Sight, caller: Principal, scope: Scope) -> None:
        super().__init__(caller=caller, scope=scope)
        self._hub = hub
        self._sight = sight
        self._blindly = [topic.value for topic in topics.general] if sight.is_bounded else []
        self._topics = replace(topics, general=frozenset()) if sight.is_bounded else topics
        self._names = self._topics.names
        self._told: dict[str, int] = {}
        self._told_blindly_at = float("-inf")

    def _opened(self) -> AbstractContextManager[None]:
        return self._hub.opened(self._caller, self._topics, wake=self._wake)

    def _beginning(self) -> bytes:
        return FIRST

    async def _next(self) -> bytes | None:
        later = self._hub.board.since(self._told, self._names)
        self._told.update((topic, version) for topic, version, _ in later)
        frames = [frame for _, _, frame in later]
        if self._blindly and time.monotonic() - self._told_blindly_at >= BLIND_SECONDS:
            self._told_blindly_at = time.monotonic()
            version = int(time.time() * 1000)
            frames += [
                unplaced_frame("changed", Hint(topic=topic, version=version).model_dump_json())
                for topic in self._blindly
            ]
        return b"".join(frames) or None

    def _sign_of_life(self) -> bytes:
        return b"" if self._blindly else STILL_HERE

    def _heartbeat_seconds(self) -> float:
        return BLIND_SECONDS if self._blindly else HEARTBEAT_SECONDS

    def _admits(self, principal: Principal) -> bool:
        return Sight(principal.limits) == self._sight
