"""The mirror: when it could not hear."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query, Response

from api.declarations import caches_answers, needs, within_limits
from api.dependencies import ReadConnection
from api.routing import api_router
from api.schemas.gaps import GapModel, GapPage
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from api.schemas.types import Moment, time_of
from domain.scopes import Scope
from store.queries.gaps import list_gaps

router = api_router("/mirror", tag="mirror")


@router.get("/gaps", summary="List gaps", response_model=GapPage)
@needs(Scope.READ)
@within_limits
@caches_answers
async def get_gaps(
    connection: ReadConnection,
    after: Annotated[Moment, Query(description="Only what ended since: a time, or -24h for 24 hours ago.")] = "-24h",
    *,
    before: Annotated[Moment | None, Query(description="Only what began before.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    rows: RowsShown = Rows.BOTH,
) -> GapPage | Response:
    """Stretches of time in which events were not heard, newest first. What happened then may be missing."""
    now = datetime.now(UTC)
    until = time_of(before, now) if before is not None else now
    total, page = await list_gaps(connection, after=time_of(after, now), before=until, limit=limit, offset=offset)
    models = [GapModel.from_gap(gap) for gap in page]
    return GapPage(total=total, limit=limit, offset=offset, data=models, gaps=models).with_rows(rows)
