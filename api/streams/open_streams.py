"""How many streams are open in this process, and with which key."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import Overloaded
from domain.principals import Principal, PrincipalKind


class OpenStreams:
    """Counts streams of one kind while they last."""

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self._count = 0
        self._of_each: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def opened(self, caller: Principal, *, max_of_one: int) -> Iterator[None]:
        """Count a stream while it lasts. Raises Overloaded. Where no key is needed, anybody is one and the same, and
        has as many as there are."""
        who = (str(caller.kind), caller.id)
        is_anybody = caller.kind is PrincipalKind.LOCAL
        if self._count >= self._max_streams:
            raise Overloaded(f"{self._max_streams} streams are open in this process; try again later.")
        if self._of_each[who] >= max_of_one and not is_anybody:
            raise Overloaded(f"{max_of_one} streams are open with this key; close one first.")
        self._count += 1
        self._of_each[who] += 1
        try:
            yield
        finally:
            self._count -= 1
            self._of_each[who] -= 1
            if not self._of_each[who]:
                del self._of_each[who]
