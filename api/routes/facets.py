"""What stands beside a list of tasks: facets, histogram, and suggestions for its filters."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query

from api.declarations import needs, within_limits
from api.dependencies import ReadConnection, SearchConnection, Sighted
from api.routing import api_router
from api.schemas.facets import FacetsAnswer, FacetsQuery, HistogramAnswer, HistogramQuery, Suggestions
from api.schemas.filters import Name
from domain.scopes import Scope
from services.facets import Suggested, read_histogram, suggest
from store.queries.tasks.facets import count_facets

MAX_SUGGESTIONS = 100

router = api_router("/search", tag="search")


@router.get("/facets", summary="Count the values of matching tasks")
@needs(Scope.READ)
@within_limits
async def get_facets(
    connection: SearchConnection, sight: Sighted, *, query: Annotated[FacetsQuery, Query()]
) -> FacetsAnswer:
    """How many of the tasks that match have which status, phase, queue, name and worker: of the newest 10,000."""
    filters = replace(query.as_filter(), sight=sight)
    return FacetsAnswer.from_facets(await count_facets(connection, filters, fields=list(dict.fromkeys(query.fields))))


@router.get("/histogram", summary="Count matching tasks over time")
@needs(Scope.READ)
@within_limits
async def get_histogram(
    connection: SearchConnection, sight: Sighted, *, query: Annotated[HistogramQuery, Query()]
) -> HistogramAnswer:
    """When the tasks that match were made: between `created_after` and `created_before`, else in the last 24 hours, and
    in 90 days at most.
    """
    filters = replace(query.as_filter(), sight=sight)
    found = await read_histogram(connection, filters, buckets=query.buckets, now=datetime.now(UTC))
    return HistogramAnswer.from_histogram(found)


@router.get("/suggestions", summary="Suggest names")
@needs(Scope.READ)
@within_limits
async def get_suggestions(
    connection: ReadConnection,
    sight: Sighted,
    *,
    field: Annotated[Suggested, Query(description="What is looked for.")] = Suggested.TASK_NAME,
    prefix: Annotated[Name, Query(description="The letters that it begins with, or contains.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_SUGGESTIONS)] = 20,
) -> Suggestions:
    """Names, queues, workers and classes of errors of the last 7 days. Workers are told to keys without limits only."""
    found = await suggest(connection, field, prefix=prefix, limit=limit, now=datetime.now(UTC), sight=sight)
    return Suggestions(field=field, data=found)
