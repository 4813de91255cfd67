"""Analytics: what happened over hours and weeks."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query

from api.declarations import caches_answers, needs, whole_fleet
from api.dependencies import ReadConnection
from api.routing import api_router
from api.schemas.analytics import TrendsAnswer
from domain.scopes import Scope
from domain.trends import Interval, Window
from services.trends import read_trends

MAX_HOURS = 2160

router = api_router("/analytics", tag="analytics")


@router.get("/trends", summary="Get execution trends")
@needs(Scope.READ)
@whole_fleet
@caches_answers
async def get_trends(
    connection: ReadConnection,
    hours: Annotated[int, Query(ge=1, le=MAX_HOURS, description="How far back to look.")] = 24,
    *,
    interval: Annotated[Interval, Query(description="Length of the buckets of `series`.")] = Interval.HOURLY,
) -> TrendsAnswer:
    """Completion, waits, durations, peaks and failures of the last hours, from roll-ups: no task is read for it."""
    window = Window.of_last(timedelta(hours=hours), now=datetime.now(UTC))
    trends = await read_trends(connection, window, interval=interval)
    return TrendsAnswer.from_trends(trends, window, interval=interval)
