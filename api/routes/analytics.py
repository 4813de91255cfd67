"""Analytics: what happened over hours and weeks."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query

from api.declarations import caches_answers, needs, within_limits
from api.dependencies import ReadConnection, Sighted
from api.routing import api_router
from api.schemas.analytics import Hours, TrendsAnswer
from api.schemas.failures import DurationsAnswer, FailuresAnswer
from api.schemas.filters import Name
from domain.errors import InvalidRequest
from domain.heat import heat_map
from domain.scopes import Scope
from domain.trends import Chosen, Interval, Window
from services.failures import LONGEST_HOURLY, read_failures
from services.trends import read_trends
from store.queries.trends import count_durations_by_interval

OneName = Annotated[Name | None, Query(description="Only tasks of this name.")]
OneQueue = Annotated[Name | None, Query(description="Only tasks of this queue.")]

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
    task_name: OneName = None,
    queue_name: OneQueue = None,
) -> TrendsAnswer:
    """Completion, waits, durations, peaks and failures of the last hours, from roll-ups: no task is read for it."""
    if hours > interval.longest_hours:
        raise InvalidRequest.of_field("hours", f"with interval={interval} at most {interval.longest_hours}")
    window = Window.of_last(timedelta(hours=hours), now=datetime.now(UTC))
    chosen = Chosen(task_name, queue_name, sight.limits)
    trends = await read_trends(connection, window, interval=interval, chosen=chosen)
    return TrendsAnswer.from_trends(trends, window, interval=interval)


@router.get("/failures", summary="Get failures in groups")
@needs(Scope.READ)
@within_limits
@caches_answers
async def get_failures(connection: ReadConnection, sight: Sighted, *, hours: Hours = 24) -> FailuresAnswer:
    """Failures of the last hours by class of the exception and task name, from roll-ups, with some tasks of each."""
    window, interval = Window.of_last(timedelta(hours=hours), now=datetime.now(UTC)), _interval_of(hours)
    groups = await read_failures(connection, window, interval=interval, sight=sight)
    return FailuresAnswer.of(groups, window, interval=interval)


@router.get("/durations", summary="Get durations over time")
@needs(Scope.READ)
@within_limits
@caches_answers
async def get_durations(
    connection: ReadConnection,
    sight: Sighted,
    *,
    hours: Hours = 24,
    task_name: OneName = None,
    queue_name: OneQueue = None,
) -> DurationsAnswer:
    """How many runs took how long, by the hour or the day, from roll-ups: the cells of a heat map."""
    window, interval = Window.of_last(timedelta(hours=hours), now=datetime.now(UTC)), _interval_of(hours)
    chosen = Chosen(task_name, queue_name, sight.limits)
    found = await count_durations_by_interval(connection, window, interval=interval, chosen=chosen)
    return DurationsAnswer.of(heat_map(found, window, interval=interval), window, interval=interval)


def _interval_of(hours: int) -> Interval:
    return Interval.HOURLY if hours <= LONGEST_HOURLY else Interval.DAILY
