"""Analytics: what happened over hours and weeks."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query

from api.declarations import caches_answers, needs, within_limits
from api.dependencies import ReadConnection, Sighted
from api.routing import api_router
from api.schemas.analytics import Hours, TrendsAnswer
from api.schemas.filters import Name
from domain.errors import InvalidRequest
from domain.scopes import Scope
from domain.trends import Chosen, Interval, Window
from services.trends import read_trends

router = api_router("/analytics", tag="analytics")


@router.get("/trends", summary="Get execution trends")
@needs(Scope.READ)
@within_limits
@caches_answers
async def get_trends(
    connection: ReadConnection,
    sight: Sighted,
    *,
    hours: Hours = 24,
    interval: Annotated[
        Interval, Query(description="Length of the buckets of `series`; `minutely` for up to 24 hours.")
    ] = Interval.HOURLY,
    task_name: Annotated[Name | None, Query(description="Only tasks of this name.")] = None,
    queue_name: Annotated[Name | None, Query(description="Only tasks of this queue.")] = None,
) -> TrendsAnswer:
    """Completion, waits, durations, peaks and failures of the last hours, from roll-ups: no task is read for it."""
    if hours > interval.longest_hours:
        reason = f"with interval={interval} at most {interval.longest_hours}"
        raise InvalidRequest(f"hours: {reason}", errors=(("hours", reason),))
    window = Window.of_last(timedelta(hours=hours), now=datetime.now(UTC))
    chosen = Chosen(task_name, queue_name, sight.limits)
    trends = await read_trends(connection, window, interval=interval, chosen=chosen)
    return TrendsAnswer.from_trends(trends, window, interval=interval)
