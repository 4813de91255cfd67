"""Workflows for tests, and a world in which their tasks end: no broker, no worker, only what both would tell."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import UUID, uuid7

from domain.facts import Fact, worker_event_key
from domain.results import StoredResult
from domain.states import EventType
from domain.workflows.dag import Link, build
from domain.workflows.definition import NewWorkflow, Step
from domain.workflows.references import references_in
from domain.workflows.steps import OnFailure
from loops.workflows import WorkflowsRound
from services.record import News, record
from services.workflows.lifecycle import start
from store.queries.outbox import withdraw
from store.queries.workflows import documents
from store.queries.workflows.documents import StepProgress, StoredWorkflow
from store.tables.tasks import outbox
from tests.fakes.gateway import FakeBroker, FakeResultReader
from tests.submissions import make_submission

NODE = "celery@one"


def make_workflow(
    shape: Mapping[str, Iterable[str]],
    *,
    args: Mapping[str, Any] = {},
    on_failure: OnFailure = OnFailure.STOP,
    name: str = "test",
) -> NewWorkflow:
    """Steps by id with what each waits for; `args` by id where they are not `[]`."""
    workflow_id, now = uuid7(), datetime.now(UTC)
    steps, links = [], []
    for step_id, needs in shape.items():
        text = json.dumps(args.get(step_id, []))
        referred = {reference.step_id for reference in references_in(text)}
        submission = make_submission(args=text, created_at=now)
        steps.append(Step(step_id, replace(submission, workflow_id=workflow_id), bool(referred)))
        links.append(Link(step_id, [("depends_on", needed) for needed in (*needs, *referred)]))
    return NewWorkflow(workflow_id, name, on_failure, steps, build(links), now)


@dataclass
class World:
    """One workflow, and what happens to its tasks."""

    engine: AsyncEngine
    workflow_id: UUID
    broker: FakeBroker = field(default_factory=FakeBroker)
    clock: int = 0

    async def steps(self) -> dict[str, StepProgress]:
        async with self.engine.connect() as connection:
            return {row.step_id: row for row in await documents.list_steps(connection, self.workflow_id)}

    async def statuses(self) -> str:
        """`a:COMPLETED b:WAITING`, in the order of the steps."""
        return " ".join(f"{step_id}:{step.status}" for step_id, step in (await self.steps()).items())

    async def workflow(self) -> StoredWorkflow:
        async with self.engine.connect() as connection:
            found = await documents.get_workflow(connection, self.workflow_id)
        assert found is not None
        return found

    async def submitted(self) -> list[str]:
        """Ids of the steps whose tasks are in the outbox, in the order of the steps."""
        async with self.engine.connect() as connection:
            waiting = set((await connection.execute(select(outbox.c.task_id))).scalars())
        return [step_id for step_id, step in (await self.steps()).items() if step.task_id in waiting]

    async def tell(self, step_id: str, *types: EventType, result: Any = None, **details: Any) -> None:
        """What a worker tells of the task of this step."""
        task_id = (await self.steps())[step_id].task_id
        now = datetime.now(UTC)
        facts = []
        for event_type in types:
            self.clock += 1
            key = worker_event_key(event_type, NODE, pid=1, clock=self.clock)
            retries = 0 if event_type is EventType.RECEIVED else None
            facts.append(Fact(task_id, event_type, now, key, NODE, 1, self.clock, retries, details))
        results = [self.stored(task_id, result)] if EventType.SUCCEEDED in types and result is not ... else []
        async with self.engine.begin() as connection:
            await record(connection, News(facts, results=results))

    async def dispatch(self, step_id: str) -> None:
        """The broker has the task of this step."""
        task_id = (await self.steps())[step_id].task_id
        async with self.engine.begin() as connection:
            await withdraw(connection, [task_id])

    async def complete(self, *step_ids: str, result: Any = None) -> None:
        for step_id in step_ids:
            await self.tell(step_id, EventType.RECEIVED, EventType.STARTED, EventType.SUCCEEDED, result=result)

    async def fail(self, *step_ids: str) -> None:
        for step_id in step_ids:
            await self.tell(
                step_id, EventType.RECEIVED, EventType.STARTED, EventType.FAILED, exception="ValueError('no')"
            )

    def stored(self, task_id: str, result: Any) -> StoredResult:
        return StoredResult(task_id, "SUCCESS", result_json=json.dumps(result), date_done=datetime.now(UTC), retries=0)

    async def advance(self) -> None:
        """The loop's rounds, until it has nothing to do."""
        rounds = WorkflowsRound(self.engine, FakeResultReader(self.broker))
        while await rounds.run_once() == 0:
            pass


async def begin(engine: AsyncEngine, new: NewWorkflow) -> World:
    """Store this workflow; its roots are in the outbox."""
    async with engine.begin() as connection:
        await start(connection, new)
    return World(engine, new.workflow_id)
