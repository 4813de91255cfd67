"""How far tasks are and which were run again, many at a time; and why one of them does not run."""

from functools import partial
from typing import Annotated

from fastapi import Query
from pydantic import Field

from api.declarations import needs, shows_own, within_limits
from api.dependencies import ReadConnection, Resources, Sighted, reading
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.explanations import ExplanationAnswer, TaskStates
from api.schemas.replays import ReplayCountModel, ReplayCounts
from domain.degradation import BROKER, automatic
from domain.errors import TaskNotFound
from domain.identities import MAX_ID_BYTES
from domain.scopes import Scope
from services.explanations import Surroundings, explain_task
from store.queries.events import count_replays
from store.queries.tasks.progress import list_states

MAX_STATES = 200

router = api_router("/tasks", tag="tasks")

TaskIds = Annotated[
    list[Annotated[str, Field(max_length=MAX_ID_BYTES)]],
    Query(max_length=MAX_STATES, description="Ids of tasks; repeats."),
]
"""What a request asks of; an empty list stands where none is given, and FastAPI makes each request its own."""


@router.get("/states", summary="Get how far tasks are")
@needs(Scope.READ)
@within_limits
@shows_own
async def get_states(connection: ReadConnection, sight: Sighted, *, ids: TaskIds = []) -> TaskStates:  # noqa: B006
    """Status, place, times and error of up to 200 tasks, for whoever has them on the screen."""
    return TaskStates.of(await list_states(connection, ids, sight=sight))


@router.get("/replays", summary="Get which tasks were replayed")
@needs(Scope.READ)
@within_limits
async def get_replays(connection: ReadConnection, sight: Sighted, *, ids: TaskIds = []) -> ReplayCounts:  # noqa: B006
    """Which of up to 200 tasks were run again already, how often, and when last: for the question before a replay."""
    counts = await count_replays(connection, ids, sight=sight)
    return ReplayCounts(data=[ReplayCountModel.model_validate(count) for count in counts])


@router.get("/{task_id}/explanation", summary="Explain why a task is not running", responses=responses(TaskNotFound))
@needs(Scope.READ)
@within_limits
@shows_own
async def get_explanation(resources: Resources, sight: Sighted, *, task_id: str) -> ExplanationAnswer:
    """What stands on a task's way to a worker, one by one, each with the evidence and with what mends it."""
    failing = resources.probe.breakers.open_ones()
    around = Surroundings(
        marks={**automatic(failing), **resources.marks.current()},
        failing=failing,
        queues=None if BROKER in failing else resources.queues,
        adopts=resources.settings.adopt_queues,
    )
    explanation = await explain_task(partial(reading, resources), task_id, around=around, sight=sight)
    return ExplanationAnswer.from_explanation(task_id, explanation)
