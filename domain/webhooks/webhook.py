"""A webhook: where it goes, what it wants, how it is sent, and in which state it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from domain.webhooks.bodies import BodyFormat, Payload
from domain.webhooks.circuit import Circuit
from domain.webhooks.subscriptions import Subscription

USUAL_IN_FLIGHT = 10
KEPT_FOR = timedelta(days=30)
"""How long a delivery is kept, whatever became of it."""


class State(StrEnum):
    """What a webhook is told: all that it wants, or nothing."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    DELETED = "DELETED"
    """The clients see it no more, and its deliveries are being removed."""


class Because(StrEnum):
    """The reason for which a webhook is disabled."""

    ASKED = "asked"
    GONE = "gone"
    """The endpoint has answered 410."""
    FAILING = "failing"
    """The endpoint has failed for five days."""


class Ordering(StrEnum):
    """The order in which changes are delivered."""

    NONE = "none"
    SUBJECT = "subject"
    """The changes of one subject come one after another."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook with what it has done lately."""

    webhook_id: str
    url: str
    subscription: Subscription
    secret: str = field(repr=False)
    created_at: datetime
    created_by: str
    description: str = ""
    payload: Payload = Payload.THIN
    format: BodyFormat = BodyFormat.STANDARD
    ordering: Ordering = Ordering.NONE
    rate_per_second: int | None = None
    max_in_flight: int = USUAL_IN_FLIGHT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    previous_secret: str | None = field(default=None, repr=False)
    previous_expires_at: datetime | None = None
    state: State = State.ENABLED
    disabled_at: datetime | None = None
    disabled_because: Because | None = None
    circuit: Circuit = field(default_factory=Circuit)
    paced_until: datetime | None = None

    def signing_secrets(self, now: datetime) -> tuple[str, ...]:
        """Return the secrets that sign at this time, the newest first."""
        if self.previous_secret and self.previous_expires_at and now < self.previous_expires_at:
            return (self.secret, self.previous_secret)
        return (self.secret,)
