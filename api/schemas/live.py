"""What open pages are told, on the wire: which topics, the pulse, and a hint."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.types import Timestamp
from domain.alerts.rules import Severity
from domain.health import Health
from domain.live import MAX_ID, MAX_TOPICS, Topics, read_topics
from domain.workers.figures import RATE_WINDOW
from domain.workers.status import WorkerStatus
from services.live import FleetReading


def _checked(topics: Sequence[str]) -> Sequence[str]:
    read_topics(topics)
    return topics


_MAX_LIST = MAX_TOPICS * (MAX_ID + 10)


class LiveQuery(RequestModel):
    """What somebody wants to be told of."""

    model_config = ConfigDict(strict=False)

    topics: Annotated[
        list[Annotated[str, Field(max_length=_MAX_LIST)]], Field(max_length=MAX_TOPICS), AfterValidator(_checked)
    ] = Field(
        default=["pulse"],
        description="`pulse`, `tasks`, `workers`, `alerts`, `queues`, `workflows`, `task:ID` and `workflow:ID`, with "
        f"commas in between; may repeat. At most {MAX_TOPICS}.",
        examples=[["pulse,tasks,workers"]],
    )

    def wanted(self) -> Topics:
        """Return them as the domain knows them."""
        return read_topics(self.topics)


class Pulse(ResponseModel):
    """How the whole is at this moment. What cannot be read now is null."""

    at: Timestamp
    waiting: int | None = Field(description="Messages in the queues of the broker; null while it does not answer.")
    due: int | None = Field(description="Due and not yet handed to the broker.")
    held: int | None = Field(
        description="The part of `due` that marks hold back, of the 10,000 that are due longest; see /resilience/held."
    )
    held_by: list[str] = Field(
        description="The services whose marks hold back, those of breakers among them.", examples=[["queue:mail"]]
    )
    running: int | None
    done_per_s: float | None = Field(description="Completed a second, over the last minute.")
    failed_per_s: float | None = Field(description="Failed a second, as above.")
    mean_wait: float | None = Field(
        description="Seconds from due to start, of what has started in this minute and the one before; null if nothing."
    )
    workers: dict[str, int] | None = Field(description="Counted by status: `active`, `paused`, `draining`, `offline`.")
    alerts: dict[str, int] | None = Field(description="Open ones, counted by severity.")
    health: Health
    marks: int = Field(description="How many services are marked as degraded.")
    mirror_lag: float | None = Field(
        description="Seconds since the newest sign of life of a worker that is online; null while none is."
    )
    build: str = Field(description="Another one than before: the page should be loaded anew.")

    @classmethod
    def of(
        cls,
        reading: FleetReading | None,
        *,
        at: datetime,
        waiting: int | None,
        held_by: list[str],
        health: Health,
        marks: int,
        build: str,
    ) -> Self:
        return cls(
            at=at,
            waiting=waiting,
            due=reading and reading.due,
            held=reading and reading.held,
            held_by=held_by,
            running=reading and reading.running,
            done_per_s=_per_second(reading.ends.completed) if reading else None,
            failed_per_s=_per_second(reading.ends.failed) if reading else None,
            mean_wait=_rounded(reading.mean_wait_seconds) if reading else None,
            workers=reading and {each.value.lower(): reading.workers.get(each.value, 0) for each in WorkerStatus},
            alerts=reading and {each.value: reading.alerts.get(each.value, 0) for each in Severity},
            health=health,
            marks=marks,
            mirror_lag=_rounded(reading.mirror_lag_seconds) if reading else None,
            build=build,
        )


class Hint(ResponseModel):
    """Something of a topic has changed: ask for it again."""

    topic: str
    version: int = Field(description="Greater than that of every hint before, of this topic and process.")


def _per_second(count: int) -> float:
    return round(count / RATE_WINDOW.total_seconds(), 4)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
