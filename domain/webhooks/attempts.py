"""What an attempt to deliver came to, and when the next one is due.

    PENDING -> SENDING -> DELIVERED | PENDING, for the next attempt | FAILED;   PENDING -> DROPPED, with its endpoint

The pauses are those of the specification (https://www.standardwebhooks.com): ten attempts within some 75 hours.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

SCHEDULE = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
MOST_ATTEMPTS = len(SCHEDULE) + 1
JITTER = 0.2
LONGEST_RETRY_AFTER = timedelta(hours=24)
_ASKS_TO_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class DeliveryStatus(StrEnum):
    """How far a webhook delivery has come."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    """A process has it, for at most a minute."""
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    DROPPED = "DROPPED"
    """The endpoint said that it is gone, or was deleted."""


class Failure(StrEnum):
    """The reason for no answer, in words that tell nothing about what is there."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    TLS = "tls"
    NOT_ALLOWED = "not_allowed"
    PROTOCOL = "protocol"
    """What was answered is no HTTP."""
    UNREADABLE = "unreadable"
    """The body or the secret is encrypted with a key that is not there, and nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt: a status code, or a failure."""

    status_code: int | None = None
    failure: Failure | None = None
    retry_after: timedelta | None = None
    body: str = ""
    """The beginning of what was answered."""

    @property
    def is_success(self) -> bool:
        """Tell whether it was taken. A redirect is not followed, and is a failure."""
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def is_gone(self) -> bool:
        """Tell whether the endpoint wants nothing any more."""
        return self.status_code == HTTPStatus.GONE

    @property
    def error(self) -> str | None:
        """Return what went wrong, as people and programs read it; None for a success."""
        if self.is_success:
            return None
        return self.failure.value if self.failure else f"status {self.status_code}"


def jittered(pause: timedelta, jitter: float) -> timedelta:
    """Return a pause up to a fifth shorter or longer; `jitter` is drawn between -1 and 1."""
    return pause * (1 + JITTER * jitter)


def next_attempt(made: int, answer: Answer, *, now: datetime, jitter: float) -> datetime | None:
    """Return when to try again what has failed so many times, this one included; None if never."""
    if made >= MOST_ATTEMPTS:
        return None
    pause = jittered(SCHEDULE[made - 1], jitter)
    return now + max(pause, answer.retry_after or timedelta())


def read_retry_after(status_code: int, header: str | None, *, now: datetime) -> timedelta | None:
    """Return how long an endpoint asks to be left alone, a day at most; None where it does not, or not so."""
    if header is None or status_code not in _ASKS_TO_WAIT:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        asked = timedelta(seconds=min(int(text[:9]), 10**8))
    else:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        asked = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    return min(asked, LONGEST_RETRY_AFTER) if asked > timedelta() else None
