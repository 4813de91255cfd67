"""What marks hold back. The marks themselves are in `resilience.py`, which answers when the database does not."""

from api.declarations import needs, within_limits
from api.dependencies import Resources, Sighted, reading
from api.routing import api_router
from api.schemas.held import HeldAnswer
from domain.degradation import automatic, blocked_by
from domain.scopes import Scope
from store.queries.held import list_held

router = api_router("/resilience", tag="queues")


@router.get("/held", summary="Get what marks hold back")
@needs(Scope.READ)
@within_limits
async def get_held(resources: Resources, sight: Sighted) -> HeldAnswer:
    """Tasks that are due and are not handed to the broker because of a mark `queue_only`, by queue and name."""
    marks = {**automatic(resources.probe.breakers.open_ones()), **resources.marks.current()}
    blocked = blocked_by(marks)
    if not blocked:
        return HeldAnswer.of([], {}, is_exact=True)
    async with reading(resources) as connection:
        held, is_exact = await list_held(connection, blocked, sight=sight)
    return HeldAnswer.of(held, marks, is_exact=is_exact, tells_all=not sight.is_bounded)
