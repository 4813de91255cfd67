"""What was raised gets the mask before it is stored, where it repeats what a task's arguments hide."""

import json
from typing import Any

from sqlalchemy import Text, cast, literal_column, select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.redaction.rules import Redaction, parse_places
from domain.results import StoredResult
from mirror.writer import Writer
from services.redaction import mask_task
from store.queries.submissions import add_submissions
from store.queries.tasks.documents import get_task
from store.tables.tasks import attempts, events, task_results, tasks
from tests.integration.mirror.messages import Results, message
from tests.submissions import make_submission

SECRET = "hunter22"
RULES = Redaction(parse_places(["shop.pay:/kwargs/pan"]))


def failure(task_id: str, **told: Any) -> list[Any]:
    received: dict[str, Any] = {"name": "shop.pay"} | told
    raised: dict[str, Any] = {"exception": f"ValueError('no {SECRET}')", "traceback": f"Traceback\n  pay('{SECRET}')"}
    return [
        message("task-received", 1, uuid=task_id, **received),
        message("task-started", 2, uuid=task_id),
        message("task-failed", 3, uuid=task_id, **raised),
    ]


async def texts(engine: AsyncEngine, task_id: str) -> str:
    """All that is stored of what the task raised."""
    columns = (
        *(tasks.c.exception, attempts.c.exception, attempts.c.traceback, cast(events.c.details, Text)),
        *(task_results.c.exception_message, task_results.c.traceback),
    )
    async with engine.connect() as connection:
        rows = [
            text
            for column in columns
            for (text,) in await connection.execute(select(column).where(literal_column("task_id") == task_id))
        ]
    return json.dumps(rows)


async def test_what_a_submitted_task_raised_is_stored_with_the_mask(engine: AsyncEngine) -> None:
    kwargs = json.dumps({"pan": SECRET, "note": "no"})
    async with engine.begin() as connection:
        await add_submissions(connection, [make_submission(task_id="a", task_name="shop.pay", kwargs=kwargs)])
        await add_submissions(connection, [make_submission(task_id="b", task_name="shop.other", kwargs=kwargs)])
    result = StoredResult("a", "FAILURE", exception_type="ValueError", exception_message=f"no {SECRET}", retries=0)
    batch = [*failure("a"), *failure("b", name="shop.other")]
    await Writer(engine, Results(result), redaction=RULES).write(batch)
    stored = await texts(engine, "a")
    assert (SECRET in stored, stored.count("no [masked]")) == (False, 4)
    assert await texts(engine, "b") != stored
    assert SECRET in await texts(engine, "b")


async def test_what_anothers_task_raised_is_held_against_what_celery_tells_of_it(engine: AsyncEngine) -> None:
    told = {"args": "(1,)", "kwargs": f"{{'password': '{SECRET}'}}"}
    writer = Writer(engine, Results())
    await writer.write(failure("in one batch", **told))
    first, *others = failure("in two", **told)
    await writer.write([first])
    await writer.write(others)
    for task_id in ("in one batch", "in two"):
        assert SECRET not in await texts(engine, task_id)
        async with engine.connect() as connection:
            task = await get_task(connection, task_id)
        assert task
        assert task.kwargs_repr == told["kwargs"]
        shown = mask_task(task, redaction=RULES)
        assert (shown.args_repr, shown.kwargs_repr) == ("(1,)", "{'password': '[masked]'}")


async def test_a_rule_that_was_added_later_hides_what_one_task_shows(engine: AsyncEngine) -> None:
    kwargs = json.dumps({"pan": SECRET})
    async with engine.begin() as connection:
        await add_submissions(connection, [make_submission(task_id="a", task_name="shop.pay", kwargs=kwargs)])
    await Writer(engine, Results()).write(failure("a"))
    async with engine.connect() as connection:
        task = await get_task(connection, "a")
    assert task
    assert SECRET in str(task)
    assert SECRET not in str(mask_task(task, redaction=RULES))
    assert mask_task(task, redaction=Redaction()) is task
