"""How the history of a workflow is merged of that of its steps' tasks; the queries stand in for Postgres."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import WorkflowNotFound
from domain.facts import Fact
from domain.states import EventType
from domain.workflows.steps import StepStatus
from services.workflows import timeline as module
from services.workflows.timeline import read_workflow_history
from tests.facts import NOON, after, ours, told

CONNECTION = cast(AsyncConnection, None)
WORKFLOW = uuid4()


class Store:
    """A workflow with its steps, and what was told of their tasks."""

    def __init__(self) -> None:
        self.workflow: Any = object()
        self.steps: list[Any] = []
        self.events: list[tuple[datetime, str]] = []
        self.tasks: dict[str, datetime] = {}
        self.earlier: dict[str, str] = {}
        self.facts: dict[str, list[Fact]] = {}
        self.since: datetime | None = None
        self.asked_names: set[str] = set()

    async def get_workflow(self, _: Any, workflow_id: UUID) -> Any:
        return self.workflow

    async def list_steps(self, _: Any, workflow_id: UUID) -> list[Any]:
        return self.steps

    async def list_events(self, _: Any, workflow_id: UUID) -> list[tuple[datetime, str]]:
        return self.events

    async def list_earlier_tries(self, _: Any, workflow_id: UUID) -> dict[str, str]:
        return dict(self.earlier)

    async def list_tasks(self, _: Any, workflow_id: UUID) -> dict[str, datetime]:
        return self.tasks

    async def get_facts(self, _: Any, task_ids: list[str], *, since: datetime) -> dict[str, list[Fact]]:
        assert task_ids == list(self.tasks)
        self.since = since
        return self.facts

    async def get_worker_ids(self, _: Any, names: set[str]) -> dict[str, UUID]:
        self.asked_names = set(names)
        return {}

    def add_step(self, step_id: str, status: StepStatus, **said: Any) -> None:
        plain = {"task_id": f"task-{step_id}", "created_at": None, "ended_at": None, "error": None}
        self.steps.append(SimpleNamespace(step_id=step_id, status=status, **(plain | said)))

    def add_task(self, step_id: str, *facts: Fact, created_at: datetime = NOON) -> None:
        self.add_step(step_id, StepStatus.COMPLETED, created_at=created_at)
        self.tasks[f"task-{step_id}"] = created_at
        self.facts[f"task-{step_id}"] = list(facts)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    for name in ("documents", "events", "nodes", "retries"):
        monkeypatch.setattr(module, name, store)
    return store


async def lines() -> list[tuple[str, str | None]]:
    """Each happening with its step."""
    history = await read_workflow_history(CONNECTION, WORKFLOW)
    return [(each.event_type, each.step_id) for each in history.happenings]


async def test_a_workflow_that_nobody_knows_is_not_found(store: Store) -> None:
    store.workflow = None
    with pytest.raises(WorkflowNotFound):
        await read_workflow_history(CONNECTION, WORKFLOW)


async def test_a_workflow_without_tasks_has_what_happened_to_itself(store: Store) -> None:
    store.events = [(NOON, "created"), (after(5), "cancelled")]
    store.add_step("waiting", StepStatus.WAITING)
    assert await lines() == [("created", None), ("cancelled", None)]


async def test_steps_that_never_became_a_task_tell_how_they_ended(store: Store) -> None:
    store.events = [(NOON, "created"), (after(9), "failed")]
    store.add_step("a", StepStatus.FAILED, ended_at=after(2), error="The result of step 'x' is absent.")
    store.add_step("b", StepStatus.SKIPPED, ended_at=after(3))
    store.add_step("c", StepStatus.FAILED, ended_at=after(4), created_at=after(1))  # its task tells that itself
    assert await lines() == [("created", None), ("failed", "a"), ("skipped", "b"), ("failed", None)]
    history = await read_workflow_history(CONNECTION, WORKFLOW)
    assert [each.error for each in history.happenings] == [None, "The result of step 'x' is absent.", None, None]


async def test_what_happened_to_tasks_stands_in_its_place_between(store: Store) -> None:
    store.events = [(NOON, "created"), (after(8), "completed")]
    store.add_task("a", ours(EventType.SUBMITTED, at=1), told(EventType.RECEIVED, 2), told(EventType.STARTED, 5))
    store.add_task("b", ours(EventType.SUBMITTED, at=3), told(EventType.RECEIVED, 4, node="celery@two"))
    assert await lines() == [
        ("created", None),
        ("submitted", "a"),
        ("received", "a"),
        ("submitted", "b"),
        ("received", "b"),
        ("started", "a"),
        ("completed", None),
    ]
    assert store.asked_names == {"celery@one", "celery@two"}


async def test_a_clock_that_goes_wrong_does_not_turn_cause_and_effect_around(store: Store) -> None:
    store.events = [(NOON, "created"), (after(8), "completed")]
    late = told(EventType.RECEIVED, 2, at=6)
    early = told(EventType.STARTED, 3, at=-100)
    store.add_task("a", ours(EventType.SUBMITTED, at=1), late, early)
    assert await lines() == [
        ("created", None),
        ("submitted", "a"),
        ("received", "a"),
        ("started", "a"),
        ("completed", None),
    ]


async def test_a_task_that_a_retry_has_replaced_keeps_its_step(store: Store) -> None:
    store.add_task("a", ours(EventType.SUBMITTED))
    store.tasks["old"] = NOON
    store.earlier["old"] = "a"
    store.facts["old"] = [ours(EventType.SUBMITTED, at=-1)]
    history = await read_workflow_history(CONNECTION, WORKFLOW)
    assert [(each.step_id, each.task_id) for each in history.happenings] == [("a", "old"), ("a", "task-a")]


async def test_of_one_that_was_replaced_before_that_was_written_down_the_step_is_not_known(store: Store) -> None:
    store.add_task("a", ours(EventType.SUBMITTED))
    store.tasks["task-of-the-first-try"] = NOON
    store.facts["task-of-the-first-try"] = [ours(EventType.SUBMITTED, at=-1)]
    history = await read_workflow_history(CONNECTION, WORKFLOW)
    assert [(each.step_id, each.task_id) for each in history.happenings] == [
        (None, "task-of-the-first-try"),
        ("a", "task-a"),
    ]


async def test_facts_are_looked_for_from_the_oldest_task_on(store: Store) -> None:
    store.add_task("new", created_at=after(60))
    store.add_task("old", created_at=after(-60))
    await lines()
    assert store.since == after(-60)
