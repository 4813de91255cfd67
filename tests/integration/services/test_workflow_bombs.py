"""Workflows whose few bytes stand for many: what they may cost, and that they cost nobody else anything."""

import json
import threading
import tracemalloc
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.workflows.references import fill
from domain.workflows.steps import OnFailure
from loops.workflows import WorkflowsRound
from services.workflows import progress, results
from services.workflows.lifecycle import retry
from store.tables.tasks import task_results, tasks
from store.tables.workflows import workflow_submissions
from tests.authors import AUTHOR
from tests.fakes.gateway import FakeResultReader
from tests.workflows import World, begin, make_workflow

LARGE = "x" * 900_000
MIB = 1024 * 1024


def fan(width: int, *arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """One step, and so many that refer to its result."""
    names = [f"s{n}" for n in range(width)]
    return {"a": ()} | dict.fromkeys(names, ()), {name: list(arguments) for name in names}


async def begin_fan(engine: AsyncEngine, width: int, *arguments: Any, result: Any) -> World:
    shape, args = fan(width, *arguments)
    world = await begin(engine, make_workflow(shape, args=args, on_failure=OnFailure.CONTINUE))
    await world.complete("a", result=result)
    return world


async def peak_of(world: World) -> int:
    """Bytes that Python holds at most while the workflow is taken as far as it goes."""
    tracemalloc.start()
    try:
        await world.advance()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("references", [150, 600, 1000])
async def test_one_step_that_multiplies_a_result_fails_and_fills_nothing(engine: AsyncEngine, references: int) -> None:
    world = await begin_fan(engine, 1, *[{"$result": "a"}] * references, result=LARGE)
    assert await peak_of(world) < 16 * MIB
    assert "1 MiB together" in str((await world.steps())["s0"].error)
    assert (await world.workflow()).status == "FAILED"


async def test_many_steps_that_refer_to_one_large_result_are_filled_a_few_at_a_time(engine: AsyncEngine) -> None:
    world = await begin_fan(engine, 60, {"$result": "a"}, result=LARGE)
    assert await peak_of(world) < 48 * MIB
    assert len(await world.submitted()) == 61


async def test_parts_of_many_results_are_looked_up_a_few_at_a_time(engine: AsyncEngine) -> None:
    sources = {f"a{n}": () for n in range(24)}
    part = {name: [{"$result": name, "pointer": "/0"} for name in sources] for name in ("b", "c", "d")}
    world = await begin(engine, make_workflow(sources | dict.fromkeys(part, ()), args=part))
    await world.complete(*sources, result=[1, LARGE])
    assert await peak_of(world) < 64 * MIB
    assert set(part) <= set(await world.submitted())


async def test_others_have_their_turn_between_the_turns_of_a_large_one(engine: AsyncEngine) -> None:
    large = await begin_fan(engine, 30, {"$result": "a"}, result=LARGE)
    small = await begin(engine, make_workflow({"a": (), "b": "a"}))
    await small.complete("a")
    rounds = WorkflowsRound(engine, FakeResultReader(large.broker))
    assert await rounds.run_once() == 0
    assert 0 < (await large.statuses()).count("PENDING") < 30
    assert await rounds.run_once() == 0
    assert await small.statuses() == "a:COMPLETED b:PENDING"
    assert (await large.statuses()).count("PENDING") < 30
    await large.advance()
    assert (await large.statuses()).count("PENDING") == 30


async def test_a_turn_ends_behind_a_number_of_small_steps_too(engine: AsyncEngine) -> None:
    world = await begin_fan(engine, progress.STEPS_OF_A_TURN + 1, {"$result": "a"}, result=1)
    rounds = WorkflowsRound(engine, FakeResultReader(world.broker))
    await rounds.run_once()
    assert (await world.statuses()).count("WAITING") == 1
    await world.advance()
    assert (await world.statuses()).count("WAITING") == 0


async def test_nothing_is_parsed_or_filled_in_the_thread_of_the_loops(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[threading.Thread] = []

    def fill_and_note(arguments: str, values: Any) -> str:
        used.append(threading.current_thread())
        return fill(arguments, values)

    monkeypatch.setattr(results, "fill", fill_and_note)
    world = await begin_fan(engine, 2, {"$result": "a", "pointer": "/0"}, result=[1, 2])
    await world.advance()
    assert len(used) == 4
    assert threading.main_thread() not in used


async def test_all_steps_together_have_a_bound_and_a_retry_begins_to_count_anew(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "MAX_FILLED_BYTES", 2 * MIB)
    world = await begin_fan(engine, 3, {"$result": "a"}, result=LARGE)
    await world.advance()
    assert await world.statuses() == "a:COMPLETED s0:PENDING s1:PENDING s2:FAILED"
    assert "above 256 MiB" in str((await world.steps())["s2"].error)
    await world.complete("s0", "s1")
    await world.advance()
    assert (await world.workflow()).status == "FAILED"
    async with engine.begin() as connection:
        await retry(connection, world.workflow_id, author=AUTHOR)
    await world.advance()
    assert await world.statuses() == "a:COMPLETED s0:COMPLETED s1:COMPLETED s2:PENDING"


async def test_a_bomb_that_an_older_version_has_stored_ends_with_its_reason(engine: AsyncEngine) -> None:
    whole = {"$result": "a"}
    shape = {"a": (), "many": (), "deep": ()}
    new = make_workflow(shape, args={"many": [whole], "deep": [whole]}, on_failure=OnFailure.CONTINUE)
    world = await begin(engine, new)
    bombs = {1: [whole] * 1001, 2: [whole | {"pointer": "/0" * 100}]}
    async with engine.begin() as connection:
        for position, args in bombs.items():
            changed = update(workflow_submissions).where(workflow_submissions.c.position == position)
            await connection.execute(changed.values(args=args))
    await world.complete("a", result=1)
    await world.advance()
    steps = await world.steps()
    assert "more than 1,000 times" in str(steps["many"].error)
    assert "cannot be followed" in str(steps["deep"].error)
    assert (await world.workflow()).status == "FAILED"


async def test_a_bomb_of_a_result_that_only_the_backend_has_ends_too(engine: AsyncEngine) -> None:
    parts = [{"$result": "a", "pointer": "/0"}] * 200
    world = await begin_fan(engine, 2, *parts, result=...)
    task_id = (await world.steps())["a"].task_id
    world.broker.metas[task_id] = json.dumps({"status": "SUCCESS", "result": ["y" * 500_000, LARGE]}).encode()
    async with engine.begin() as connection:
        await connection.execute(update(tasks).values(result_pending=False))
        await connection.execute(update(task_results).values(truncated=True, result=None))
    assert await peak_of(world) < 32 * MIB
    assert "1 MiB together" in str((await world.steps())["s0"].error)
    assert await world.statuses() == "a:COMPLETED s0:FAILED s1:FAILED"
