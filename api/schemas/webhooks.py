"""Webhooks on the wire: as they are ordered, as they are shown, and once with their secret."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.filters import MAX_NAME, MAX_SEARCH, Name, Seconds, Statuses
from api.schemas.types import Text, Timestamp
from domain.feed import flaw_of_type
from domain.filters import TaskFilter
from domain.identities import MAX_ID_BYTES
from domain.webhooks.bodies import BodyFormat, Payload
from domain.webhooks.circuit import Phase
from domain.webhooks.endpoints import (
    HIGHEST_RATE,
    LONGEST_OVERLAP_SECONDS,
    MAX_URL,
    MOST_IN_FLIGHT,
    USUAL_OVERLAP_SECONDS,
    check_headers,
    shown_url,
)
from domain.webhooks.subscriptions import MATCHED, MAX_TYPES, Subscription
from domain.webhooks.webhook import USUAL_IN_FLIGHT, Because, Ordering, State, Webhook
from services.webhooks.settings import Order

MAX_DESCRIPTION = 500


def _checked_type(pattern: str) -> str:
    if flaw := flaw_of_type(pattern):
        raise ValueError(flaw)
    return pattern


def _checked_headers(headers: dict[str, str]) -> dict[str, str]:
    check_headers(headers)
    return headers


class WebhookFilters(RequestModel):
    """The filters of a search that a change carries. All that is given must hold."""

    status: Statuses = Field(default=[])
    task_id: Annotated[Text, Field(max_length=MAX_ID_BYTES)] | None = None
    task_name: Name | None = None
    queue_name: Name | None = None
    error: Annotated[Text, Field(max_length=MAX_SEARCH)] | None = Field(
        None, description="A part of the error, in any case of letters."
    )
    min_duration: Seconds | None = None
    max_duration: Seconds | None = None

    def as_filter(self) -> TaskFilter:
        """Return the filter as the domain knows it."""
        given = {name: getattr(self, name) for name in MATCHED if name != "status"}
        return TaskFilter(statuses=tuple(dict.fromkeys(self.status)), **given)


Events = Annotated[
    list[Annotated[str, Field(max_length=MAX_NAME), AfterValidator(_checked_type)]],
    Field(
        min_length=1,
        max_length=MAX_TYPES,
        description="Types of `GET /webhooks/event-types`, or of your own; `task.*` stands for all that begin so.",
        examples=[["task.failed", "alert.*", "shop.*"]],
    ),
]
WebhookUrl = Annotated[Text, Field(min_length=1, max_length=MAX_URL, examples=["https://hooks.example.com/celeriac"])]
Description = Annotated[Text, Field(max_length=MAX_DESCRIPTION)]
Headers = Annotated[
    dict[str, str],
    AfterValidator(_checked_headers),
    Field(description="Sent with each delivery; up to 20.", examples=[{"X-Team": "etl"}]),
]
Rate = Annotated[int, Field(ge=1, le=HIGHEST_RATE)]
InFlight = Annotated[int, Field(ge=1, le=MOST_IN_FLIGHT, description="How many deliveries may be on their way.")]
PayloadField = Annotated[Payload, Field(strict=False, description="`full` adds arguments and result, masked.")]
FormatField = Annotated[BodyFormat, Field(strict=False)]
OrderingField = Annotated[
    Ordering, Field(strict=False, description="`subject`: the changes of one subject come one after another.")
]


class WebhookOrder(RequestModel):
    """The body of `POST /webhooks`."""

    url: WebhookUrl
    events: Events
    description: Description = ""
    filters: WebhookFilters = Field(default_factory=lambda: WebhookFilters.model_validate({}))
    payload: PayloadField = Payload.THIN
    format: FormatField = BodyFormat.STANDARD
    ordering: OrderingField = Ordering.NONE
    rate_per_second: Rate | None = Field(None, description="null: no limit.")
    max_in_flight: InFlight = USUAL_IN_FLIGHT
    headers: Headers = Field(default={})
    enabled: bool = True

    def as_order(self) -> Order:
        """Return the webhook as it is wanted."""
        return Order(
            url=self.url,
            subscription=Subscription(tuple(self.events), self.filters.as_filter()),
            description=self.description,
            payload=self.payload,
            format=self.format,
            ordering=self.ordering,
            rate_per_second=self.rate_per_second,
            max_in_flight=self.max_in_flight,
            headers=self.headers,
            is_enabled=self.enabled,
        )


class WebhookChange(RequestModel):
    """The body of `PATCH /webhooks/{webhook_id}`; what is left out stays as it is."""

    url: WebhookUrl = ""
    events: Events = Field([])
    description: Description = ""
    filters: WebhookFilters = Field(default_factory=lambda: WebhookFilters.model_validate({}))
    payload: PayloadField = Payload.THIN
    format: FormatField = BodyFormat.STANDARD
    ordering: OrderingField = Ordering.NONE
    rate_per_second: Rate | None = None
    max_in_flight: InFlight = USUAL_IN_FLIGHT
    headers: Headers = Field(default={})
    enabled: bool = True

    def changes(self) -> dict[str, Any]:
        """Return what was given, by the names of `services.webhooks.settings.change_webhook`."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if "events" in given:
            given["types"] = tuple(given.pop("events"))
        if "filters" in given:
            given["filter"] = given.pop("filters").as_filter()
        if "enabled" in given:
            given["is_enabled"] = given.pop("enabled")
        return given


class SecretRotation(RequestModel):
    """The body of `POST /webhooks/{webhook_id}/rotate_secret`."""

    overlap_seconds: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_SECONDS)] = Field(
        USUAL_OVERLAP_SECONDS, description="For how long the old secret signs as well."
    )

    @property
    def overlap(self) -> timedelta:
        """The overlap as a duration."""
        return timedelta(seconds=self.overlap_seconds)


class WebhookModel(ResponseModel):
    """A webhook without its secret."""

    webhook_id: str = Field(examples=["k7Qm2ZpX4rT1"])
    url: str = Field(description="Without its query, which may let somebody in.")
    description: str
    events: list[str]
    filters: dict[str, Any] = Field(examples=[{"queue_name": "etl", "status": ["FAILED"]}])
    payload: Payload
    format: BodyFormat
    ordering: Ordering
    rate_per_second: int | None
    max_in_flight: int
    headers: list[str] = Field(description="Their names.", examples=[["X-Team"]])
    enabled: bool
    disabled_at: Timestamp | None
    disabled_because: Because | None
    circuit: Phase = Field(description="OPEN: it is left alone until `held_until`, then HALF_OPEN: one tries it.")
    consecutive_failures: int
    failing_since: Timestamp | None
    held_until: Timestamp | None
    previous_secret_expires_at: Timestamp | None = Field(description="Until when the secret before signs as well.")
    created_at: Timestamp
    created_by: str

    @classmethod
    def from_webhook(cls, webhook: Webhook, **more: Any) -> Self:
        same = {name: getattr(webhook, name) for name in _SAME}
        return cls.model_validate(same | _derived(webhook) | more)


class IssuedWebhook(WebhookModel):
    """A webhook that has just been made."""

    secret: str = Field(description="Shown this once: nobody can read it again.", examples=["whsec_..."])


class IssuedSecret(ResponseModel):
    """The new secret of a webhook."""

    webhook_id: str
    secret: str = Field(description="Shown this once: nobody can read it again.", examples=["whsec_..."])
    previous_secret_expires_at: Timestamp | None


class WebhookList(ResponseModel):
    """All webhooks; there are 100 at most."""

    total: int
    data: list[WebhookModel]


_SAME = (
    *("webhook_id", "description", "payload", "format", "ordering", "rate_per_second", "max_in_flight"),
    *("disabled_at", "disabled_because", "created_at", "created_by"),
)


def _derived(webhook: Webhook) -> dict[str, Any]:
    circuit, wanted = webhook.circuit, webhook.subscription.filter
    filters = {name: getattr(wanted, name) for name in MATCHED if name != "status"}
    held = circuit.held_until
    return {
        "url": shown_url(webhook.url),
        "events": list(webhook.subscription.types),
        "filters": {name: value for name, value in filters.items() if value is not None}
        | ({"status": [status.value for status in wanted.statuses]} if wanted.statuses else {}),
        "headers": sorted(webhook.headers),
        "enabled": webhook.state is State.ENABLED,
        "circuit": Phase.CLOSED if held is None else circuit.phase(datetime.now(UTC)),
        "consecutive_failures": circuit.failures,
        "failing_since": circuit.failing_since,
        "held_until": held,
        "previous_secret_expires_at": webhook.previous_expires_at,
    }
