"""Steps of workflows whose ends the mirror records: it takes the workflow further itself where that is little to do."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from structlog.testing import capture_logs

from domain.results import StoredResult
from loops.workflows import HELD_SECONDS, LONGEST_HELD_SECONDS, WorkflowsRound
from mirror import writer as writer_module
from mirror.writer import Writer
from services.workflows import following
from store.queries.workflows import progress
from store.tables.tasks import tasks
from store.tables.workflows import workflow_wakes
from tests.fakes.gateway import FakeResultReader
from tests.integration.mirror.messages import Results, life
from tests.workflows import World, begin, make_workflow

CHAIN = {"a": (), "b": "a", "c": "b"}


async def end(world: World, *step_ids: str, result: str = "5") -> None:
    """The mirror hears of the whole lives of these steps' tasks."""
    steps = await world.steps()
    ids = [steps[step_id].task_id for step_id in step_ids]
    stored = [StoredResult(task_id, "SUCCESS", result_json=result, retries=0) for task_id in ids]
    writer = Writer(world.engine, Results(*stored), retry_seconds=(0.01,))
    await writer.write([message for task_id in ids for message in life(task_id)])


async def wakes(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(workflow_wakes))).scalar_one())


async def test_the_end_of_a_step_and_the_task_of_the_next_are_one_commit(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow(CHAIN, args={"b": [{"$result": "a"}]}))
    await end(world, "a")
    assert await world.statuses() == "a:COMPLETED b:PENDING c:WAITING"
    assert (await world.submitted(), await wakes(engine)) == (["a", "b"], 0)
    workflow = await world.workflow()
    assert (workflow.status, workflow.unfinished) == ("RUNNING", 2)
    async with engine.connect() as connection:
        ids = (await connection.execute(select(tasks.c.task_id).where(tasks.c.workflow_id == world.workflow_id))).all()
    assert len(ids) == 2


async def test_the_end_of_the_whole_and_what_ends_otherwise_are_left_to_the_loops(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow({"a": (), "b": "a"}))
    await end(world, "a")
    await end(world, "b")
    assert ((await world.workflow()).status, await wakes(engine)) == ("RUNNING", 1)
    await world.advance()
    assert (await world.workflow()).status == "COMPLETED"


async def test_a_workflow_in_other_hands_is_woken_and_not_waited_for(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow(CHAIN))
    async with engine.begin() as holder:
        assert await progress.lock(holder, world.workflow_id)
        async with asyncio.timeout(10):
            await end(world, "a")
            rounds = WorkflowsRound(engine, FakeResultReader(world.broker))
            pauses = [await rounds.run_once() for _ in range(8)]
    assert pauses[:2] == [HELD_SECONDS, 2 * HELD_SECONDS], "nobody tells when it lets go"
    assert pauses[-1] == LONGEST_HELD_SECONDS
    assert (await world.statuses(), await wakes(engine)) == ("a:COMPLETED b:WAITING c:WAITING", 1)
    await world.advance()
    assert await world.statuses() == "a:COMPLETED b:PENDING c:WAITING"


async def test_an_end_that_the_mirror_finds_beside_its_own_may_be_that_of_the_whole(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow({"a": (), "b": ()}))
    async with engine.begin() as holder:
        assert await progress.lock(holder, world.workflow_id)
        await end(world, "a")
    with capture_logs() as logs:
        await end(world, "b")
    assert (await world.workflow()).status == "COMPLETED"
    assert [line["status"] for line in logs if line["event"] == "workflow_ended"] == ["COMPLETED"]


async def test_many_steps_behind_one_are_started_by_the_loops(engine: AsyncEngine) -> None:
    shape: dict[str, Any] = {"a": ()} | {f"s{number}": "a" for number in range(following.LITTLE.steps + 3)}
    world = await begin(engine, make_workflow(shape))
    await end(world, "a")
    assert (await world.statuses()).count("PENDING") == following.LITTLE.steps
    await world.advance()
    assert "WAITING" not in await world.statuses()


async def test_a_large_result_is_put_in_its_place_by_the_loops(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow(CHAIN, args={"b": [{"$result": "a"}]}))
    await end(world, "a", result=json.dumps("x" * (following.LITTLE.result_bytes + 1)))
    assert await world.statuses() == "a:COMPLETED b:WAITING c:WAITING"
    await world.advance()
    assert await world.statuses() == "a:COMPLETED b:PENDING c:WAITING"


async def test_a_cancelled_workflow_goes_on_with_nothing(engine: AsyncEngine) -> None:
    world = await begin(engine, make_workflow(CHAIN))
    async with engine.begin() as connection:
        await progress.request_cancel(connection, world.workflow_id)
    await end(world, "a")
    assert (await world.statuses(), await wakes(engine)) == ("a:COMPLETED b:WAITING c:WAITING", 1)


async def test_an_end_is_stored_even_if_its_workflow_cannot_go_on(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_connection: AsyncConnection, _changes: Any) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(writer_module, "go_on", fail)
    world = await begin(engine, make_workflow(CHAIN))
    await end(world, "a")
    assert (await world.statuses(), await wakes(engine)) == ("a:COMPLETED b:WAITING c:WAITING", 1)
