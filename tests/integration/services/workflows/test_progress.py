"""Workflows on a real database: what the ends of tasks bring about."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.states import EventType
from domain.workflows.steps import OnFailure
from services.record import News, record
from services.workflows.progress import FEW
from store.engine import libpq_url
from store.listener import AWAITED
from store.queries.tasks.documents import get_task
from store.tables.tasks import outbox, task_results, tasks
from store.tables.workflows import workflow_wakes
from tests.facts import told
from tests.workflows import World, begin, make_workflow

DIAMOND = {"a": (), "b": "a", "c": "a", "d": "bc"}


async def arguments(world: World, step_id: str) -> Any:
    """What the task of a step was submitted with."""
    async with world.engine.connect() as connection:
        task = await get_task(connection, (await world.steps())[step_id].task_id)
    assert task is not None
    return task.args


async def test_a_diamond_goes_on_as_its_steps_end(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow(DIAMOND))
    assert (await world.submitted(), (await world.workflow()).status) == (["a"], "PENDING")
    await world.tell("a", EventType.RECEIVED, EventType.STARTED)
    await world.advance()
    assert (await world.statuses(), (await world.workflow()).status) == (
        "a:RUNNING b:WAITING c:WAITING d:WAITING",
        "RUNNING",
    )
    await world.tell("a", EventType.SUCCEEDED)
    await world.advance()
    assert await world.submitted() == ["a", "b", "c"]
    await world.complete("c")
    await world.advance()
    assert await world.statuses() == "a:COMPLETED b:PENDING c:COMPLETED d:WAITING"
    await world.complete("b")
    await world.advance()
    await world.complete("d")
    await world.advance()
    workflow = await world.workflow()
    assert (workflow.status, workflow.unfinished) == ("COMPLETED", 0)
    assert workflow.started_at
    assert workflow.completed_at
    assert workflow.created_at <= workflow.started_at <= workflow.completed_at


async def test_a_step_is_an_ordinary_task_of_its_workflow(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow({"a": (), "b": "a"}, args={"b": [1]}))
    await world.complete("a")
    await world.advance()
    async with engine.connect() as connection:
        task = await get_task(connection, (await world.steps())["b"].task_id)
    assert task is not None
    assert (task.workflow_id, task.args, task.status) == (world.workflow_id, [1], "PENDING")


async def test_taking_it_further_again_and_again_changes_nothing(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow(DIAMOND))
    await world.complete("a")
    for _ in range(3):
        async with engine.begin() as connection:
            await connection.execute(workflow_wakes.insert().values(workflow_id=world.workflow_id))
        await world.advance()
    async with engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(tasks))).scalar_one() == 3
    assert (await world.workflow()).unfinished == 3


async def test_many_loops_at_once_start_each_step_once(engine: AsyncEngine) -> None:
    shape: dict[str, Any] = (
        {"root": ()} | {f"s{n}": ["root"] for n in range(30)} | {"end": [f"s{n}" for n in range(30)]}
    )
    world = await begin(engine, make_workflow(shape))
    await world.complete("root")
    await asyncio.gather(*(world.advance() for _ in range(4)))
    await asyncio.gather(world.complete(*(f"s{n}" for n in range(30))), world.advance(), world.advance())
    await world.advance()
    await world.complete("end")
    await world.advance()
    async with engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(tasks))).scalar_one() == 32
    assert (await world.workflow()).status == "COMPLETED"


async def test_stop_skips_what_has_not_started_and_lets_run_what_has(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow({"a": (), "b": (), "after_a": "a", "after_b": "b"}))
    await world.dispatch("b")
    await world.fail("a")
    await world.advance()
    assert await world.statuses() == "a:FAILED b:PENDING after_a:SKIPPED after_b:SKIPPED"
    assert (await world.workflow()).status == "RUNNING"
    await world.complete("b")
    await world.advance()
    assert (await world.workflow()).status == "FAILED"
    assert (await world.steps())["a"].error == "ValueError('no')"


async def test_stop_takes_back_what_has_not_left_for_the_broker(engine: AsyncEngine) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    world = await begin(engine, _scheduled(make_workflow({"a": (), "b": ()}), later))
    await world.fail("a")
    await world.advance()
    assert await world.statuses() == "a:FAILED b:CANCELLED"
    assert ((await world.workflow()).status, await world.submitted()) == ("FAILED", ["a"])


async def test_continue_goes_on_with_what_does_not_need_the_failed_step(engine: AsyncEngine) -> None:
    shape = {"a": (), "b": (), "c": "a", "d": "c", "e": "b", "f": "de"}
    world = await begin(engine, make_workflow(shape, on_failure=OnFailure.CONTINUE))
    await world.fail("a")
    await world.advance()
    await world.complete("b")
    await world.advance()
    await world.complete("e")
    await world.advance()
    assert await world.statuses() == "a:FAILED b:COMPLETED c:SKIPPED d:SKIPPED e:COMPLETED f:SKIPPED"
    assert (await world.workflow()).status == "FAILED"


async def test_a_step_whose_task_somebody_cancels_counts_as_failed(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow({"a": (), "b": "a"}))
    await world.tell("a", EventType.RECEIVED, EventType.REVOKED)
    await world.advance()
    assert await world.statuses() == "a:CANCELLED b:SKIPPED"
    assert (await world.workflow()).status == "FAILED"


async def test_a_success_that_is_heard_late_corrects_the_step_and_the_workflow(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow({"a": ()}))
    await world.fail("a")
    await world.advance()
    assert (await world.workflow()).status == "FAILED"
    await world.tell("a", EventType.SUCCEEDED)
    await world.advance()
    assert (await world.statuses(), (await world.workflow()).status) == ("a:COMPLETED", "COMPLETED")


async def test_results_take_the_place_of_references(engine: AsyncEngine) -> None:
    part = {"$result": "a", "pointer": "/rows/1"}
    world = await begin(engine, make_workflow({"a": (), "b": ()}, args={"b": [part, {"all": {"$result": "a"}}]}))
    await world.complete("a", result={"rows": [1, {"x": 2}]})
    await world.advance()
    assert await arguments(world, "b") == [{"x": 2}, {"all": {"rows": [1, {"x": 2}]}}]


async def test_a_reference_to_something_absent_fails_that_step(engine: AsyncEngine) -> None:
    args = {"b": [{"$result": "a", "pointer": "/rows"}]}
    world = await begin(
        engine, make_workflow({"a": (), "b": (), "c": "b", "d": "a"}, args=args, on_failure=OnFailure.CONTINUE)
    )
    await world.complete("a", result={})
    await world.advance()
    assert await world.statuses() == "a:COMPLETED b:FAILED c:SKIPPED d:PENDING"
    assert (await world.steps())["b"].error == "The result of step 'a' at '/rows' is absent: there is no 'rows'."


async def test_arguments_that_grow_above_1_mib_fail_the_step(engine: AsyncEngine) -> None:
    whole = {"$result": "a"}
    world = await begin(engine, make_workflow({"a": (), "b": ()}, args={"b": [whole, whole]}))
    await world.complete("a", result="x" * 600_000)
    await world.advance()
    assert "1 MiB together" in str((await world.steps())["b"].error)
    assert (await world.workflow()).status == "FAILED"


async def test_a_result_that_postgres_does_not_have_is_fetched(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow({"a": (), "b": ()}, args={"b": [{"$result": "a"}]}))
    await world.complete("a", result=...)
    await world.advance()
    assert await world.statuses() == "a:COMPLETED b:WAITING"
    meta = {"status": "SUCCESS", "result": 7}
    world.broker.metas[(await world.steps())["a"].task_id] = json.dumps(meta).encode()
    await make_due(world)
    await world.advance()
    assert await arguments(world, "b") == [7]


async def test_a_part_of_a_result_above_1_mib_is_fetched_from_the_backend(engine: AsyncEngine) -> None:
    args = {"b": [{"$result": "a", "pointer": "/n"}]}
    world = await begin(engine, make_workflow({"a": (), "b": ()}, args=args))
    task_id = (await world.steps())["a"].task_id
    meta = {"status": "SUCCESS", "result": {"n": 7, "rest": "x" * 2_000_000}}
    world.broker.metas[task_id] = json.dumps(meta).encode()
    await world.complete("a")
    async with engine.begin() as connection:
        await connection.execute(update(task_results).values(truncated=True, result=None))
    await world.advance()
    assert await arguments(world, "b") == [7]


async def test_a_result_that_nobody_keeps_fails_the_step_once_the_sweep_has_given_up(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow({"a": (), "b": ()}, args={"b": [{"$result": "a"}]}))
    await world.complete("a", result=...)
    async with engine.begin() as connection:
        await connection.execute(update(tasks).values(result_pending=False))
    await world.advance()
    assert (await world.steps())["b"].error == "The result of step 'a' is not known any more."


async def test_while_the_backend_is_away_the_step_waits(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow({"a": (), "b": ()}, args={"b": [{"$result": "a"}]}))
    await world.complete("a", result=...)
    async with engine.begin() as connection:
        await connection.execute(update(tasks).values(result_pending=False))
    world.broker.available = False
    await world.advance()
    assert await world.statuses() == "a:COMPLETED b:WAITING"
    async with engine.connect() as connection:
        due_at = (await connection.execute(select(func.min(workflow_wakes.c.due_at)))).scalar_one()
    assert due_at > datetime.now(UTC)


async def test_a_workflow_that_cannot_be_taken_further_does_not_hold_up_another(engine: AsyncEngine) -> None:
    stuck = await begin(engine, make_workflow({"a": (), "b": "a"}))
    await stuck.complete("a")
    world = await begin(engine, make_workflow({"a": (), "b": "a"}))
    await world.complete("a")
    async with engine.begin() as connection:  # a task of this id is there already
        task_id = (await stuck.steps())["b"].task_id
        await record(connection, News([told(EventType.STARTED, 1, task_id=task_id)]))
    await world.advance()
    assert await world.submitted() == ["a", "b"]
    assert await stuck.statuses() == "a:COMPLETED b:WAITING"
    async with engine.begin() as connection:
        await connection.execute(delete(tasks).where(tasks.c.task_id == task_id))
    await make_due(stuck)
    await stuck.advance()
    assert await stuck.submitted() == ["a", "b"]


async def make_due(world: World) -> None:
    """As if the time had passed."""
    async with world.engine.begin() as connection:
        await connection.execute(update(workflow_wakes).values(due_at=func.now() - timedelta(seconds=1)))


async def test_a_scheduled_step_waits_in_the_outbox_for_its_time(engine: AsyncEngine) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    new = make_workflow({"a": ()})
    world = await begin(engine, _scheduled(new, later))
    async with engine.connect() as connection:
        assert (await connection.execute(select(outbox.c.due_at))).scalar_one() == later
    assert await world.submitted() == ["a"]


def _scheduled(new: Any, at: datetime) -> Any:

    steps = [replace(step, submission=replace(step.submission, scheduled_at=at)) for step in new.steps]
    return replace(new, steps=steps)


async def test_mirrors_hurry_only_where_few_steps_start_together(engine: AsyncEngine, database_url: str) -> None:
    many = [str(number) for number in range(2 * FEW)]
    world = await begin(engine, make_workflow({"a": (), **dict.fromkeys(many, "a"), "z": many}))
    async with await psycopg.AsyncConnection.connect(libpq_url(database_url), autocommit=True) as connection:
        await connection.execute(f"LISTEN {AWAITED}")
        await world.complete("a")
        await world.advance()
        await world.complete(*many)
        await connection.execute(f"NOTIFY {AWAITED}, 'many have started'")
        await world.advance()
        await connection.execute(f"NOTIFY {AWAITED}, 'one has started'")
        heard = [notice.payload async for notice in connection.notifies(timeout=30, stop_after=3)]
    assert heard == ["many have started", "", "one has started"]
