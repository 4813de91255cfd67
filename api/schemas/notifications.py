"""Notifications on the wire: channels without their URLs, routes to them, messages, and the answer to a test."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.pages import Page
from api.schemas.types import Text, Timestamp
from domain.alerts.rules import AlertType, Severity
from domain.notifications.channels import MAX_NAME, MAX_URL
from domain.notifications.delivery import Attempt, MessageStatus, Outcome
from domain.notifications.routes import (
    LONGEST_GROUP_SECONDS,
    LONGEST_REPEAT_SECONDS,
    MAX_CHANNELS_OF_ROUTE,
    MAX_SUBJECTS,
    SHORTEST_REPEAT_SECONDS,
    USUAL_GROUP_SECONDS,
    USUAL_REPEAT_SECONDS,
)
from domain.sight import MAX_PATTERN, PATTERN_RULE, check_pattern
from services.notifications.channels import ChannelOrder
from services.notifications.routes import RouteOrder
from store.queries.notifications.channels import Channel
from store.queries.notifications.messages import MessageRow
from store.queries.notifications.routes import StoredRoute


def _checked_pattern(pattern: str) -> str:
    check_pattern(pattern)
    return pattern


Name = Annotated[Text, Field(min_length=1, max_length=MAX_NAME, examples=["on-call"])]
ChannelUrl = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=MAX_URL,
        description="A URL of Apprise, which no answer ever holds: docs/notifications.md lists the services.",
        examples=["mailtos://user:password@example.com?smtp=mail.example.com&to=ops@example.com"],
        json_schema_extra={"writeOnly": True},
    ),
]
Channels = Annotated[
    list[Annotated[UUID, Field(strict=False)]],
    Field(max_length=MAX_CHANNELS_OF_ROUTE, description="The channels that it leads to."),
]
Severities = Annotated[
    list[Annotated[Severity, Field(strict=False)]],
    Field(max_length=len(Severity), description="Of alerts that it takes; empty: all."),
]
Types = Annotated[
    list[Annotated[AlertType, Field(strict=False)]],
    Field(max_length=len(AlertType), description="Of alerts that it takes; empty: all."),
]
Subjects = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_PATTERN), AfterValidator(_checked_pattern)]],
    Field(
        max_length=MAX_SUBJECTS,
        description=f"Queues, task names, workers or other subjects of alerts; empty: all. {PATTERN_RULE}.",
        examples=[["payments", "etl.*"]],
    ),
]
Group = Annotated[
    int,
    Field(ge=0, le=LONGEST_GROUP_SECONDS, description="For so long an alert waits for others, to be told together."),
]
Repeat = Annotated[
    int,
    Field(
        ge=SHORTEST_REPEAT_SECONDS,
        le=LONGEST_REPEAT_SECONDS,
        description="An alert is told again after so long while it stays and nobody has acknowledged it; null: never.",
    ),
]
SendResolved = Annotated[bool, Field(description="Also tell that an alert is over.")]


class ChannelSubmission(RequestModel):
    """The body of `POST /notifications/channels`."""

    name: Name
    url: ChannelUrl = Field(repr=False)
    enabled: bool = True

    def as_order(self) -> ChannelOrder:
        """The channel as it is wanted."""
        return ChannelOrder(self.name, self.url, self.enabled)


class ChannelChange(RequestModel):
    """The body of `PATCH /notifications/channels/{channel_id}`; what is left out stays as it is."""

    name: Name | None = None
    url: ChannelUrl | None = Field(None, repr=False)
    enabled: bool | None = None

    def changes(self) -> dict[str, Any]:
        """What was given."""
        return {name: value for name, value in self if value is not None}


class ChannelModel(ResponseModel):
    """A channel that people are notified by, without its URL, which nobody can read."""

    channel_id: UUID
    name: str
    url: str = Field(description="Its service and host; the rest is a secret.", examples=["mailtos://example.com/***"])
    enabled: bool
    created_at: Timestamp
    created_by: str
    failing_since: Timestamp | None = Field(
        description="When a message first failed since one was last taken; tests that fail do not count."
    )
    last_attempt_at: Timestamp | None
    last_outcome: Outcome | None
    last_code: int | None = Field(description="What a service that refused answered, over HTTP or SMTP.")
    last_delivered_at: Timestamp | None

    @classmethod
    def from_channel(cls, channel: Channel) -> Self:
        same = {name: getattr(channel, name) for name in cls.model_fields if name not in ("url", "last_outcome")}
        outcome = None if channel.last_outcome is None else Outcome(channel.last_outcome)
        return cls(url=channel.shown, last_outcome=outcome, **same)


class ChannelPage(Page[ChannelModel]):
    """A part of the list of channels; the rows stand under both names."""

    channels: list[ChannelModel]


class TestResult(ResponseModel):
    """What became of a test."""

    delivered: bool
    outcome: Outcome
    code: int | None = Field(description="What a service that refused answered, over HTTP or SMTP.")
    message: str = Field(examples=["The service has taken the message."])
    duration_seconds: float

    @classmethod
    def from_attempt(cls, attempt: Attempt, *, seconds: float) -> Self:
        return cls(
            delivered=attempt.outcome is Outcome.DELIVERED,
            outcome=attempt.outcome,
            code=attempt.code,
            message=attempt.sentence,
            duration_seconds=round(seconds, 3),
        )


class RouteSubmission(RequestModel):
    """The body of `POST /notifications/routes`."""

    name: Name
    channel_ids: Annotated[Channels, Field(min_length=1)]
    severities: Severities = Field([])
    alert_types: Types = Field([])
    subjects: Subjects = Field([])
    group_seconds: Group = USUAL_GROUP_SECONDS
    repeat_seconds: Repeat | None = USUAL_REPEAT_SECONDS
    send_resolved: SendResolved = True
    enabled: bool = True

    def as_order(self) -> RouteOrder:
        """The route as it is wanted."""
        given = {name: getattr(self, name) for name in RouteOrder.__dataclass_fields__}
        return RouteOrder(**_frozen(given))


class RouteChange(RequestModel):
    """The body of `PATCH /notifications/routes/{route_id}`; what is left out stays as it is."""

    name: Name = ""
    channel_ids: Annotated[Channels, Field(min_length=1)] = Field([])
    severities: Severities = Field([])
    alert_types: Types = Field([])
    subjects: Subjects = Field([])
    group_seconds: Group = USUAL_GROUP_SECONDS
    repeat_seconds: Repeat | None = USUAL_REPEAT_SECONDS
    send_resolved: SendResolved = True
    enabled: bool = True

    def changes(self) -> dict[str, Any]:
        """What was given."""
        return _frozen({name: getattr(self, name) for name in self.model_fields_set})


def _frozen(values: dict[str, Any]) -> dict[str, Any]:
    """The values with tuples in the place of lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


class RouteModel(ResponseModel):
    """Which alerts are told through which channels. An alert goes to a channel by the first route that takes it."""

    route_id: UUID
    name: str
    channel_ids: list[UUID]
    severities: list[Severity]
    alert_types: list[str]
    subjects: list[str]
    group_seconds: int
    repeat_seconds: int | None
    send_resolved: bool
    enabled: bool
    created_at: Timestamp
    created_by: str

    @classmethod
    def from_route(cls, route: StoredRoute) -> Self:
        return cls.model_validate(route)


class RoutePage(Page[RouteModel]):
    """A part of the list of routes, in the order in which they are asked; the rows stand under both names."""

    routes: list[RouteModel]


class MessageModel(ResponseModel):
    """A message, and what became of it."""

    message_id: UUID
    channel_id: UUID
    route_id: UUID
    title: str
    body: str
    alerts: int = Field(description="How many alerts it tells of.")
    status: MessageStatus
    attempts: int
    created_at: Timestamp
    next_attempt_at: Timestamp | None = Field(description="null once it is delivered or given up.")
    last_outcome: Outcome | None
    last_code: int | None
    done_at: Timestamp | None

    @classmethod
    def from_row(cls, row: MessageRow) -> Self:
        same = {name: getattr(row, name) for name in cls.model_fields}
        status = MessageStatus(row.status)
        waits = {"next_attempt_at": row.next_attempt_at if status is MessageStatus.PENDING else None}
        outcome = {"last_outcome": None if row.last_outcome is None else Outcome(row.last_outcome)}
        return cls(**(same | waits | outcome | {"status": status}))


class MessagePage(Page[MessageModel]):
    """A part of the list of messages, the newest first; the rows stand under both names."""

    messages: list[MessageModel]
