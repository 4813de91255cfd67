"""What stands beside a list of tasks on the wire: facets, histogram, suggestions."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field

from api.schemas.base import ResponseModel
from api.schemas.filters import TaskFilters
from api.schemas.types import Timestamp
from domain.trends import Sums
from domain.workers.status import hostname
from services.facets import Histogram, Suggested
from store.queries.tasks.facets import Facets

FacetField = Literal["status", "phase", "queue_name", "task_name", "worker", "priority"]
USUAL_FIELDS: list[FacetField] = ["status", "phase", "queue_name", "task_name", "worker"]
MOST_FIELDS = 6
MAX_BUCKETS = 200


def _split(value: object) -> object:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list):
        return [part for text in texts for part in (text.split(",") if isinstance(text, str) else [text])]
    return texts


class FacetsQuery(TaskFilters):
    """The tasks that are counted, and by which of their fields."""

    model_config = ConfigDict(strict=False)

    fields: Annotated[
        list[FacetField],
        BeforeValidator(_split),
        Field(max_length=MOST_FIELDS, description="By commas, or repeated."),
    ] = USUAL_FIELDS


class HistogramQuery(TaskFilters):
    """The tasks that are counted, and in how many buckets."""

    model_config = ConfigDict(strict=False)

    buckets: Annotated[int, Field(ge=1, le=MAX_BUCKETS, description="At most so many and one more.")] = 60


class FacetValue(ResponseModel):
    """A value, and how many of the tasks have it."""

    value: str | None = Field(description="null: not known.", examples=["FAILED"])
    count: int = Field(examples=[1204])


class FacetsAnswer(ResponseModel):
    """How many of the tasks that match have which value."""

    total: int = Field(description="Tasks that were counted.", examples=[10000])
    is_exact: bool = Field(description="false: more match, and only the newest 10,000 were counted.")
    facets: dict[FacetField, list[FacetValue]] = Field(description="The 50 most frequent values of each field.")

    @classmethod
    def from_facets(cls, found: Facets) -> Self:
        return cls.model_validate(
            {
                "total": found.total,
                "is_exact": found.is_exact,
                "facets": {
                    field: [FacetValue(value=_shown(field, value), count=count) for value, count in values]
                    for field, values in found.values.items()
                },
            }
        )


def _shown(field: str, value: str | None) -> str | None:
    return hostname(value) if field == "worker" and value is not None else value


class HistogramBucket(ResponseModel):
    """Some minutes, hours or days."""

    bucket: Timestamp = Field(description="Its start, UTC.")
    submitted: int = Field(description="Tasks made in it.")
    completed: int = Field(description="From roll-ups: ended in it. Else of those made in it; so are the two below.")
    failed: int
    cancelled: int

    @classmethod
    def of(cls, start: Timestamp, sums: Sums) -> Self:
        return cls(
            bucket=start,
            submitted=sums.submitted,
            completed=sums.completed,
            failed=sums.failed,
            cancelled=sums.cancelled,
        )


class HistogramAnswer(ResponseModel):
    """When the tasks that match were made."""

    since: Timestamp
    until: Timestamp
    bucket_seconds: int = Field(examples=[1800])
    source: Literal["rollups", "tasks"] = Field(
        description="`rollups` for filters of name, queue and time of creation alone: those counted that retention has "
        "deleted, and every bucket whole. `tasks` for any other."
    )
    total: int = Field(description="Tasks that were counted.")
    is_exact: bool = Field(description="false: more match, and only the newest 10,000 were counted.")
    counted_since: Timestamp | None = Field(description="Before it nothing was counted; null where all was.")
    data: list[HistogramBucket] = Field(description="Every bucket, oldest first.")

    @classmethod
    def from_histogram(cls, found: Histogram) -> Self:
        return cls(
            since=found.since,
            until=found.until,
            bucket_seconds=int(found.step.total_seconds()),
            source="rollups" if found.is_from_rollups else "tasks",
            total=found.total,
            is_exact=found.is_exact,
            counted_since=found.counted_since,
            data=[HistogramBucket.of(start, sums) for start, sums in found.sums.items()],
        )


class Suggestions(ResponseModel):
    """What a few letters may mean."""

    field: Suggested
    data: list[str] = Field(
        description="Those first that begin with them, then those that contain them; of each the most frequent first.",
        examples=[["process_payment", "refund_payment"]],
    )
