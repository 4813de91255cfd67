"""The delivery of a message: what became of an attempt, when the next is due, and when it is given up."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

TRIED_FOR = timedelta(hours=24)
"""The time from its planning until a message is given up."""
_BACKOFF_SECONDS = (5, 30, 120, 600, 1_800)
MAX_WAITING = 50
"""Messages that wait for one channel. With more, alerts wait to be told, all together."""
KEPT_FOR = timedelta(days=30)
"""How long it is kept what became of a message."""


class MessageStatus(StrEnum):
    """How far a message is."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    """The message was given up."""


class Outcome(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """The service answered, and not with success."""
    NOT_ALLOWED = "not_allowed"
    """The channel leads to an address that we do not dial."""
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    INVALID = "invalid"
    """Apprise makes nothing of the URL."""
    UNREADABLE = "unreadable"
    """The URL cannot be decrypted."""
    FAILED = "failed"


_SENTENCES = {
    Outcome.DELIVERED: "The service has taken the message.",
    Outcome.REFUSED: "The service answered, and did not take the message.",
    Outcome.NOT_ALLOWED: "The channel leads to an address that is not allowed; see CELERIAC_WEBHOOK_ALLOW_NETWORKS.",
    Outcome.UNREACHABLE: "The service cannot be reached: its name is not known, or nothing answers there.",
    Outcome.TLS: "The service shows no certificate that is trusted, or does not speak TLS.",
    Outcome.TIMEOUT: "The service did not take the message in time.",
    Outcome.INVALID: "Apprise makes nothing of the channel's URL: a part of it is missing or is not well formed.",
    Outcome.UNREADABLE: "The channel's URL is encrypted, and none of CELERIAC_ENCRYPTION_KEYS opens it.",
    Outcome.FAILED: "The message could not be sent.",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt, without anything of the URL or of what was answered but its code."""

    outcome: Outcome
    code: int | None = None
    """The status of the last answer over HTTP, or the code of the last one over SMTP."""

    @property
    def sentence(self) -> str:
        """What is said of it."""
        if self.code is None or self.outcome is Outcome.DELIVERED:
            return _SENTENCES[self.outcome]
        return f"{_SENTENCES[self.outcome]} Its last answer had the code {self.code}."


def wait_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts that failed, one at least."""
    return timedelta(seconds=_BACKOFF_SECONDS[min(attempts, len(_BACKOFF_SECONDS)) - 1])
