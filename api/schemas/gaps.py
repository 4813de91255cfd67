"""Gaps on the wire."""

from typing import Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import ResponseModel
from api.schemas.pages import Page
from api.schemas.types import Timestamp
from store.queries.gaps import Gap


class GapModel(ResponseModel):
    """A stretch of time during which the mirror could not hear a source of events."""

    gap_id: UUID
    source: str = Field(description="What was not heard.", examples=["broker"])
    started_at: Timestamp
    ended_at: Timestamp
    seconds: float = Field(examples=[41.2])

    @classmethod
    def from_gap(cls, gap: Gap) -> Self:
        return cls(
            gap_id=gap.gap_id,
            source=gap.source,
            started_at=gap.started_at,
            ended_at=gap.ended_at,
            seconds=(gap.ended_at - gap.started_at).total_seconds(),
        )


class GapPage(Page[GapModel]):
    """A part of the list of gaps; the rows stand under both names."""

    gaps: list[GapModel]
