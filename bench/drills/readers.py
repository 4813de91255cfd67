"""A steady read load: each path is asked again and again by a client of its own, and what it got is kept."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; `status` 0: none came."""

    path: str
    sent_at: float
    """The time of the question by the monotonic clock, as are the two below."""
    seconds: float
    status: int
    age: int | None
    has_warning: bool
    body: bytes

    @property
    def is_cached(self) -> bool:
        """Return whether it is the last good answer, shown again."""
        return self.has_warning and self.age is not None


class Readers:
    """`with Readers(url, paths) as readers: ...; readers.between(begun, ended)`."""

    def __init__(self, api_url: str, paths: Sequence[str]) -> None:
        self._base_url = f"{api_url}/api/v1"
        self._stopping = threading.Event()
        self._answers: list[Answer] = []
        self._threads = [threading.Thread(target=self._read, args=(path,), name=path) for path in paths]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def between(self, begun: float, ended: float, *, path: str | None = None) -> list[Answer]:
        """Return the answers to what was asked in this time, of one path or of all."""
        return [
            answer for answer in list(self._answers) if begun <= answer.sent_at < ended and path in (None, answer.path)
        ]

    def _read(self, path: str) -> None:
        with httpx.Client(base_url=self._base_url, timeout=PATIENCE_SECONDS) as client:
            while not self._stopping.wait(PAUSE_SECONDS):
                self._answers.append(_ask(client, path))


def statuses(answers: Sequence[Answer]) -> str:
    """Return how often each status came, the most frequent first: `200 x 340, 503 x 2`; 0 is no answer."""
    counted = Counter(answer.status for answer in answers)
    return ", ".join(f"{status} x {count}" for status, count in counted.most_common())


def slowest(answers: Sequence[Answer]) -> float:
    """Return the seconds that the slowest answer took."""
    return max((answer.seconds for answer in answers), default=0.0)


def _ask(client: httpx.Client, path: str) -> Answer:
    sent_at = time.monotonic()
    try:
        got = client.get(path)
    except httpx.TransportError:
        return Answer(path, sent_at, time.monotonic() - sent_at, 0, None, False, b"")
    age = got.headers.get("age")
    has_warning = got.headers.get("warning", "").startswith("110 ")
    seconds = time.monotonic() - sent_at
    return Answer(path, sent_at, seconds, got.status_code, None if age is None else int(age), has_warning, got.content)
