"""The feed of changes on the wire: which are wanted, one change, and a page of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.pages import DEFAULT_LIMIT, MAX_LIMIT
from api.schemas.types import Text, Timestamp
from domain.feed import MAX_PLACE, Place, Told, Wanted, flaw_of_type, read_cursor, told_data, write_cursor
from domain.states import Status
from services.feed_reading import NOW, Reading

MAX_TYPES = 50
MAX_NAME = 255
GONE = "no longer kept"


def _checked_types(types: Sequence[str]) -> Sequence[str]:
    if len(types) > MAX_TYPES:
        raise ValueError(f"names more than {MAX_TYPES}")
    if flaw := next(filter(None, map(flaw_of_type, types)), None):
        raise ValueError(flaw)
    return types


def _checked_cursor(cursor: str) -> str:
    if cursor != NOW:
        read_cursor(cursor)
    return cursor


Cursor = Annotated[str, Field(max_length=MAX_PLACE), AfterValidator(_checked_cursor)]
Types = Annotated[list[Annotated[str, Field(max_length=MAX_NAME)]], AfterValidator(_checked_types)]


class EventFilters(RequestModel):
    """All that is given must hold."""

    model_config = ConfigDict(strict=False)

    types: Types = Field(
        default=[],
        description="May repeat: names of types, or the beginning of some with a `*` behind it (`task.*`); at most 50.",
    )
    task_name: Annotated[Text, Field(min_length=1, max_length=MAX_NAME)] | None = None
    queue_name: Annotated[Text, Field(min_length=1, max_length=MAX_NAME)] | None = None
    status: Status | None = Field(None, description="The status that a task or workflow has come to.")
    after: Cursor | None = Field(
        None, description="The cursor behind which to go on; `now` for the one behind all that was told yet."
    )

    def wanted(self) -> Wanted:
        """Return the conditions as the domain knows them."""
        return Wanted(tuple(self.types), self.task_name, self.queue_name, self.status)


class EventQuery(EventFilters):
    """Which changes, and how many of them."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Changes in this page.")] = DEFAULT_LIMIT


class EventModel(ResponseModel):
    """What has changed."""

    id: str = Field(description="Its cursor: `after` it come later changes.", examples=["5d0c7a9be012.812345.1000001"])
    type: str = Field(
        description="One of those of `GET /webhooks/event-types`, or the name of an event of your own.",
        examples=["task.failed", "shop.order.paid"],
    )
    timestamp: Timestamp = Field(description="When the transaction began in which it changed.")
    data: dict[str, Any] = Field(
        description="`task_id`, `workflow_id`, `worker_id` or `alert_id`; the names of a task; `status` and the "
        "`previous` one; `sequence`, which counts the changes of this one thing from 1; what else docs/feed.md lists "
        "for the type. At most 4 KiB."
    )

    @classmethod
    def from_change(cls, change: Told, epoch: str) -> Self:
        return cls.model_validate(event_of(change, epoch))


class EventGap(ResponseModel):
    """Changes that are no longer kept."""

    from_: str = Field(alias="from", description="The cursor that was given.")
    to: str = Field(description="The cursor of the last change that is missing.")
    reason: str


class EventPage(ResponseModel):
    """Changes in the order in which they were committed."""

    data: list[EventModel]
    limit: int
    next_cursor: str = Field(description="Go on with it as `after`, also when there is nothing yet.")
    has_more: bool = Field(description="There may be more already. A page may be short, even empty, and this true.")
    complete_since: Timestamp = Field(description="What has changed since then is still kept.")
    gap: EventGap | None = Field(description="What came behind `after` and is no longer kept.")
    reset: bool = Field(description="`after` was a cursor of another database: this page begins with the oldest.")


def event_of(change: Told, epoch: str) -> dict[str, Any]:
    """Return a change as JSON has it."""
    return {
        "id": write_cursor(epoch, change.place),
        "type": change.type,
        "timestamp": change.at,
        "data": told_data(change),
    }


def gap_of(reading: Reading) -> dict[str, str] | None:
    """Return what is missing behind the place where a reading began; None where nothing is."""
    if reading.gap_ends is None:
        return None
    begins, ends = (write_cursor(reading.epoch, place) for place in (reading.begins, reading.gap_ends))
    return {"from": begins, "to": ends, "reason": GONE}


def cursor_at(reading: Reading, place: Place) -> str:
    """Return the cursor of a place in what was read."""
    return write_cursor(reading.epoch, place)


def timestamp_of(at: datetime) -> str:
    """Return a time as `Timestamp` writes it."""
    return at.isoformat().replace("+00:00", "Z")
