"""Deliveries of webhooks on the wire, and what is asked about them; events of somebody's own."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.filters import MAX_NAME
from api.schemas.pages import DEFAULT_LIMIT, MAX_LIMIT
from api.schemas.types import JsonObject, Moment, Text, Timestamp, time_of
from domain.feed import MAX_OWN_DATA, MAX_SUBJECT, flaw_of_own_type
from domain.webhooks.attempts import DeliveryStatus
from services.webhooks.deliveries import Looked
from store.queries.webhooks.log import AttemptRow, DeliveryRow, DeliveryWanted


class DeliveryQuery(RequestModel):
    """Which deliveries, and how many of them."""

    model_config = ConfigDict(strict=False)

    status: DeliveryStatus | None = None
    event_type: Annotated[Text, Field(max_length=MAX_NAME)] | None = None
    after: Moment | None = Field(None, description="Made since then: RFC 3339, or relative as `-6h`.")
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Rows in this page.")] = DEFAULT_LIMIT
    cursor: UUID | None = Field(None, description="`next_cursor` of the page before.")

    def wanted(self) -> DeliveryWanted:
        """Return the conditions as of now."""
        after = time_of(self.after, datetime.now(UTC)) if self.after is not None else None
        return DeliveryWanted(self.status, self.event_type, after, behind=self.cursor)


class DeliveryModel(ResponseModel):
    """One change that a webhook is to be told."""

    delivery_id: UUID
    event_id: str = Field(description="The `webhook-id`.", examples=["evt_5d0c7a9be012_812345_1000001"])
    type: str = Field(examples=["task.failed"])
    subject_id: str = Field(description="What changed, e.g. the id of a task.")
    status: DeliveryStatus
    attempts: int
    created_at: Timestamp
    next_attempt_at: Timestamp | None
    done_at: Timestamp | None = Field(description="When the last attempt was over.")
    last_status_code: int | None
    last_error: str | None = Field(examples=["timeout"])
    is_test: bool

    @classmethod
    def from_row(cls, row: DeliveryRow) -> Self:
        return cls.model_validate(row)


class DeliveryPage(ResponseModel):
    """Deliveries of one webhook, the newest first."""

    data: list[DeliveryModel]
    limit: int
    next_cursor: UUID | None = Field(description="Null: there are no more.")


class AttemptModel(ResponseModel):
    """What one attempt came to."""

    attempt_no: int
    at: Timestamp
    duration_ms: int
    status_code: int | None
    error: str | None
    answer: str = Field(description="The first 4,096 characters of what was answered.")

    @classmethod
    def from_row(cls, row: AttemptRow) -> Self:
        return cls.model_validate(row)


class LookedDelivery(DeliveryModel):
    """A delivery with its body as it was sent, and every attempt."""

    body: str
    tries: list[AttemptModel] = Field(description="The attempts, the first one first.")

    @classmethod
    def from_looked(cls, looked: Looked) -> Self:
        shown = DeliveryModel.from_row(looked.row).model_dump()
        return cls(**shown, body=looked.body, tries=[AttemptModel.from_row(row) for row in looked.attempts])


class Recoverable(StrEnum):
    """What is recovered."""

    FAILED = "FAILED"
    MISSED = "MISSED"


class RecoveryOrder(RequestModel):
    """The body of `POST /webhooks/{webhook_id}/recover`."""

    after: Moment = Field(description="Since when: RFC 3339, or relative as `-6h`.", examples=["-6h"])
    status: Annotated[Recoverable, Field(strict=False)] = Field(
        Recoverable.FAILED, description="FAILED: send these once more. MISSED: what never became a delivery."
    )

    def since(self) -> datetime:
        """Return the time as of now."""
        return time_of(self.after, datetime.now(UTC))


class Recovery(ResponseModel):
    """What a recovery has set in motion; it is sent as all deliveries are."""

    webhook_id: str
    status: Recoverable
    count: int | None = Field(description="How many deliveries are sent once more; null where the feed is read again.")
    has_more: bool = Field(description="There were more than one request makes due: ask again.")


def _checked_own_type(name: str) -> str:
    if flaw := flaw_of_own_type(name):
        raise ValueError(flaw)
    return name


class OwnEvent(RequestModel):
    """The body of `POST /events`: something that has happened in an application of yours."""

    type: Annotated[Text, AfterValidator(_checked_own_type)] = Field(
        description="Words with dots between them, which begin with none of ours.", examples=["shop.order.paid"]
    )
    subject: Annotated[Text, Field(min_length=1, max_length=MAX_SUBJECT)] = Field(
        description="What it happened to.", examples=["order-17"]
    )
    data: JsonObject = Field(
        default={}, description=f"At most {MAX_OWN_DATA:,} bytes as JSON.", examples=[{"amount": 12}]
    )

    def flaw(self) -> str | None:
        """Return what is wrong with its data; None where nothing is."""
        size = len(json.dumps(self.data, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
        return f"has more than {MAX_OWN_DATA:,} bytes as JSON" if size > MAX_OWN_DATA else None


class TakenEvent(ResponseModel):
    """An event that is in the feed once this answer arrives."""

    type: str
    subject: str
