"""Resilience: marking services as degraded, and how the parts of the system are."""

from collections.abc import Iterable
from datetime import timedelta

from api.authorship import RequestAuthor
from api.declarations import audited_as, needs, whole_fleet
from api.dependencies import ProcessResources, Resources
from api.health.probe import ComponentState
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.resilience import (
    ActiveMark,
    ClearedService,
    ClearRequest,
    Component,
    Degradation,
    DegradationRequest,
    MarkedService,
    Mirror,
    ResilienceSummary,
    SystemHealth,
)
from domain.audit import Action, Change
from domain.degradation import COMPONENTS, Mark, Marks, Strategy, automatic, check_service
from domain.errors import ServiceDegraded
from domain.health import DATABASE, ComponentStatus, Condition, component_status_of, score
from domain.scopes import Scope
from services.audit import record_intent
from services.dispatch import await_rounds

router = api_router("/resilience", tag="resilience")

MARK_DESCRIPTION = """Changes what the API does until the mark ends, by time or by `/clear`. It is in force in every
process when the answer arrives: after half a second, under `queue_only` also after the batch that is being handed over.
A new mark replaces the former one of the same service.

| Marked | What depends on it |
|---|---|
| `database` | every request but health and this API |
| `mirror` | all reads: they show what it has written |
| `broker` | new work, control of workers, reads of `/dashboard`, `/workers` and `/queues` |
| `workers` | as `broker` |
| `result_backend` | new work, `GET /tasks/{task_id}` |
| `queue:<name>` | new work for this queue |
| `task:<name>` | new work of this name |

New work is `POST /tasks`, `/tasks/batch`, `/tasks/{task_id}/replay`, `/workflows`, `/workflows/{workflow_id}/retry` and
`/workflows/{workflow_id}/replay`. Cancels depend on the database alone.

- `fail_fast`: what depends on it is refused at once with 503 `SERVICE_DEGRADED`.
- `return_cached`: reads that depend on it are answered with their last good answer of the last 10 minutes, with the
  headers `Warning: 110` and `Age`. Kept are answers up to 64 KiB of lists of tasks, workers, workflows and alerts, of
  searches, of `GET /tasks/{task_id}`, of queues, task names, the dashboard and analytics; a read without a kept answer
  is refused as by `fail_fast`. Everything but reads goes on. Not for queues and tasks.
- `queue_only`: new work is taken and kept, and handed to the broker only when the mark has ended. Of a component: all
  work; of a queue or task name: its own.

A breaker opens when a component has failed for 3 s. Of the database, reads are then answered as by `return_cached` and
everything else as by `fail_fast`; of the broker, work is kept as by `queue_only`. Both end by themselves."""


@router.post(
    "/degradation/mark",
    summary="Mark a service as degraded",
    description=MARK_DESCRIPTION,
    responses=responses(ServiceDegraded),
)
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.SERVICE_MARK)
async def mark_degraded(resources: Resources, author: RequestAuthor, *, body: DegradationRequest) -> MarkedService:
    """Marks a service as degraded for a time; every process goes by it once this is answered."""
    check_service(body.service_name, body.strategy)
    duration = timedelta(seconds=body.duration_seconds)
    after = {"strategy": body.strategy, "duration_seconds": body.duration_seconds}
    await record_intent(
        resources.engine.begin, Change(Action.SERVICE_MARK, body.service_name, after=after), author=author
    )
    until = await resources.marks.set(body.service_name, body.strategy, duration=duration, author=author)
    if body.strategy is Strategy.QUEUE_ONLY and DATABASE not in resources.probe.breakers.open_ones():
        await await_rounds(resources.engine)
    return MarkedService(service_name=body.service_name, strategy=body.strategy, degraded_until=until)


@router.post("/degradation/clear", summary="End a mark before its time", responses=responses(ServiceDegraded))
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.SERVICE_CLEAR)
async def clear_degradation(resources: Resources, author: RequestAuthor, *, body: ClearRequest) -> ClearedService:
    """Ends a mark; a service that is not marked is fine. What a breaker does ends only when the component is back."""
    check_service(body.service_name)
    await record_intent(resources.engine.begin, Change(Action.SERVICE_CLEAR, body.service_name), author=author)
    return ClearedService(service_name=body.service_name, cleared=await resources.marks.clear(body.service_name))


@router.get("/summary", summary="Get the state of the system's parts")
@needs(Scope.READ)
@whole_fleet
async def get_summary(resources: Resources) -> ResilienceSummary:
    """Answered from what is known, at once, whatever hangs."""
    marks = {**automatic(resources.probe.breakers.open_ones()), **await resources.marks.fresh()}
    components = _components(resources, COMPONENTS, marks=marks)
    others = [name for name in resources.probe.components() if name not in COMPONENTS]
    healthy = sum(component.status is ComponentStatus.HEALTHY for component in components)
    return ResilienceSummary(
        system_health=SystemHealth(
            components_total=len(components), healthy=healthy, unhealthy=len(components) - healthy
        ),
        degradation=_degradation(marks),
        resilience_score=score(healthy=healthy, total=len(components)),
        components=components,
        other_parts=_components(resources, others, marks=marks),
        mirror=_mirror(resources),
    )


def _components(resources: ProcessResources, names: Iterable[str], *, marks: Marks) -> list[Component]:
    components = resources.probe.components()
    return [_component(name, components[name], mark=marks.get(name)) for name in names]


def _component(name: str, state: ComponentState, *, mark: Mark | None) -> Component:
    status = component_status_of(state.condition, marked=mark is not None)
    reason = f"marked {mark.strategy.value}" if mark and status is ComponentStatus.DEGRADED else state.reason
    return Component(name=name, status=status, since=state.since, detail=reason or None)


def _degradation(marks: Marks) -> Degradation:
    active = [ActiveMark.from_mark(marks[name]) for name in sorted(marks)]
    return Degradation(
        degraded_services_count=len(active), services=[mark.service_name for mark in active], marks=active
    )


def _mirror(resources: ProcessResources) -> Mirror:
    is_known = resources.probe.components()[DATABASE].condition is Condition.HEALTHY
    state = resources.checks.mirror if is_known else None
    if state is None:
        return Mirror(lag_seconds=None, gaps_24h=None)
    return Mirror(lag_seconds=state.lag_seconds, gaps_24h=state.gaps_24h)
