"""The graph of a workflow on the wire: nodes, edges, where its time went, and the drawing of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import ResponseModel
from domain.submissions import due_at
from domain.workflows.critical_path import LeadsTo, critical_path, idle_times
from domain.workflows.dag import first_edges, invert
from domain.workflows.graph_layout import Box, draw
from domain.workflows.pauses import Pause
from domain.workflows.steps import StepStatus
from store.queries.workflows.documents import StepProgress


class Node(ResponseModel):
    """A step of the workflow, as it is drawn."""

    id: str
    task_id: str
    task_name: str
    status: StepStatus
    duration_seconds: float | None
    critical: bool = Field(description="It is on the critical path.")


class Edge(ResponseModel):
    """`target` waits for `source`."""

    source: str
    target: str


class WorkflowGraph(ResponseModel):
    """The steps of a workflow and what they wait for."""

    workflow_id: UUID
    nodes: list[Node]
    edges: list[Edge] = Field(description="At most 20,000.")
    edges_truncated: bool = Field(description="There are more edges than are shown and drawn, from before the bound.")
    critical_path: list[str] = Field(
        description="The chain of steps that took longest, with what they waited, on the way to what "
        "`critical_path_leads_to` says; before anything has run, the one with most steps. No step of it comes after "
        "one that failed."
    )
    critical_path_leads_to: LeadsTo = Field(
        description="`failure`: to the step that failed first, once nothing is on its way any more. `now`: to what "
        "runs or waits for a worker. `end`: to the end of what ran. `nothing_yet`: nothing has run."
    )
    critical_path_seconds: float = Field(description="The time that its steps have run, without what they waited.")
    critical_path_waited_seconds: float = Field(
        description="The time that its steps have waited, each since it was due and the last step that it needs had "
        "ended: for a worker, and for its last try."
    )
    critical_path_retry_pause_seconds: float = Field(
        description="The time, on its way, in which the workflow had ended and nobody had retried it yet; its steps "
        "neither ran nor waited."
    )
    mermaid: str = Field(description="The graph as a Mermaid flowchart.", examples=["flowchart LR\n..."])

    @classmethod
    def from_steps(cls, workflow_id: UUID, steps: Sequence[StepProgress], *, pauses: Sequence[Pause]) -> Self:
        ids = [step.step_id for step in steps]
        parents = invert([step.children for step in steps])
        now = datetime.now(UTC)
        seconds = {step.position: spent for step in steps if (spent := _seconds(step, now)) is not None}
        statuses = [StepStatus(step.status) for step in steps]
        ended_at = {step.position: at for step in steps if (at := step.completed_at or step.ended_at) is not None}
        became = [(step, step.created_at) for step in steps if step.created_at is not None]
        idle = idle_times(
            parents,
            seconds=seconds,
            asked_at={step.position: created_at for step, created_at in became},
            due_at={step.position: due for step, at in became if (due := due_at(at, step.scheduled_at)) > at},
            pauses=pauses,
            ended_at=ended_at | {step.position: now for step in steps if step.status in _OPEN},
        )
        took = seconds | {position: seconds.get(position, 0.0) + one.waited for position, one in idle.items()}
        path = critical_path(parents, statuses, seconds=took, ended_at=ended_at)
        on_path = set(path.positions)
        edges_of = first_edges(parents)
        return cls(
            workflow_id=workflow_id,
            nodes=[_node(step, seconds.get(step.position), critical=step.position in on_path) for step in steps],
            edges=[
                Edge(source=ids[parent], target=ids[child]) for child, those in enumerate(edges_of) for parent in those
            ],
            edges_truncated=edges_of != parents,
            critical_path=[ids[position] for position in path.positions],
            critical_path_leads_to=path.leads_to,
            critical_path_seconds=sum(seconds.get(position, 0.0) for position in path.positions),
            critical_path_waited_seconds=sum(idle[position].waited for position in path.positions if position in idle),
            critical_path_retry_pause_seconds=sum(
                idle[position].paused for position in path.positions if position in idle
            ),
            mermaid=draw(list(map(Box, ids, statuses)), edges_of),
        )


_OPEN = (StepStatus.RUNNING, StepStatus.PENDING)


def _seconds(step: StepProgress, now: datetime) -> float | None:
    """How long its task has run: to its end, or until now."""
    if step.duration_seconds is not None:
        return step.duration_seconds
    if step.started_at is not None and step.status == StepStatus.RUNNING:
        return max(0.0, (now - step.started_at).total_seconds())
    return None


def _node(step: StepProgress, seconds: float | None, *, critical: bool) -> Node:
    return Node(
        id=step.step_id,
        task_id=step.task_id,
        task_name=step.task_name,
        status=StepStatus(step.status),
        duration_seconds=seconds,
        critical=critical,
    )
