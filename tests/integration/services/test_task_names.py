import difflib
import re
from datetime import UTC, datetime
from difflib import get_close_matches

import pytest
from sqlalchemy import func, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.sight import Limits
from domain.workers.status import Heartbeat
from services.resident import task_names as task_names_module
from services.resident.task_names import TaskNames
from store.queries import submissions
from store.queries.workers import nodes
from store.tables.tasks import tasks
from store.tables.workers import registered_tasks
from tests.submissions import make_submission


async def register(engine: AsyncEngine, *names: str) -> None:
    async with engine.begin() as connection:
        for name in names:
            told = {"node": "celery@one", "task_name": name, "seen_at": func.now()}
            await connection.execute(insert(registered_tasks).values(told))


async def test_a_name_that_a_worker_knows_is_let_through(engine: AsyncEngine) -> None:
    await register(engine, "celeriac.add")
    assert await TaskNames(engine).find_unknown(["celeriac.add"]) == {}


async def test_a_mistyped_name_is_refused_with_those_that_look_alike(engine: AsyncEngine) -> None:
    await register(engine, "celeriac.add", "celeriac.echo", "process_payment")
    unknown = await TaskNames(engine).find_unknown(["celeriac.ad", "celeriac.echo"])
    assert unknown.keys() == {"celeriac.ad"}
    assert "'celeriac.ad'. Did you mean celeriac.add" in unknown["celeriac.ad"]


async def test_a_name_like_no_other_is_refused_without_a_hint(engine: AsyncEngine) -> None:
    await register(engine, "celeriac.add")
    assert await TaskNames(engine).find_unknown(["zzz"]) == {
        "zzz": f"No worker knows a task named 'zzz'. {task_names_module.SWITCH}"
    }


async def test_before_any_worker_has_reported_every_name_is_let_through(engine: AsyncEngine) -> None:
    assert await TaskNames(engine).find_unknown(["anything"]) == {}


async def test_while_a_worker_is_online_that_has_told_no_names_none_is_refused(
    engine: AsyncEngine,
) -> None:
    await register(engine, "celeriac.add")
    names, now = TaskNames(engine, look_again_seconds=0), datetime.now(UTC)
    assert await names.find_unknown(["billing.pay"]) != {}
    async with engine.begin() as connection:
        await nodes.hear(connection, [Heartbeat("celery@deaf", heard_at=now, at=now)])
    assert await names.find_unknown(["billing.pay"]) == {}


async def test_a_name_under_which_a_task_was_heard_to_run_is_known(engine: AsyncEngine) -> None:
    await register(engine, "celeriac.add")
    async with engine.begin() as connection:
        made = [make_submission(task_name=name) for name in ("billing.pay", "never.received")]
        await submissions.add_submissions(connection, made)
        await connection.execute(update(tasks).where(tasks.c.task_name == "billing.pay").values(node="celery@deaf"))
    unknown = await TaskNames(engine).find_unknown(["billing.pay", "never.received", "never.sent"])
    assert unknown.keys() == {"never.received", "never.sent"}


async def test_a_name_that_has_just_appeared_is_found(engine: AsyncEngine) -> None:
    await register(engine, "celeriac.add")
    names = TaskNames(engine, look_again_seconds=0)
    assert await names.find_unknown(["celeriac.add"]) == {}
    await register(engine, "celeriac.new")
    assert await names.find_unknown(["celeriac.new"]) == {}


async def test_a_flood_of_bad_names_is_no_flood_of_queries(
    engine: AsyncEngine,
) -> None:
    await register(engine, "celeriac.add")
    names = TaskNames(engine, look_again_seconds=60)
    assert await names.find_unknown(["celeriac.add"]) == {}
    await register(engine, "celeriac.new")
    assert await names.find_unknown(["celeriac.new"]) != {}


async def test_a_slip_is_found_among_thousands_of_names_without_looking_at_each(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(engine, *(f"shop{n % 7}.tasks.send_{n:04}" for n in range(2000)))
    compared: list[int] = []

    def note(word: str, possibilities: list[str], **options: int) -> list[str]:
        compared.append(len(possibilities))
        return get_close_matches(word, possibilities, **options)

    monkeypatch.setattr(difflib, "get_close_matches", note)
    slips = {"shop3.tasks.sendd_1011": "shop3.tasks.send_1011", "shoop3.tasks.send_1011": "shop3.tasks.send_1011"}
    unknown = await TaskNames(engine).find_unknown(slips)
    assert all(meant in unknown[slip] for slip, meant in slips.items())
    assert max(compared) <= 4 * task_names_module.NEIGHBOURS


async def test_where_more_names_are_known_than_are_read_none_is_refused(
    engine: AsyncEngine,
) -> None:
    await register(engine, "a", "b", "c")
    assert await TaskNames(engine, max_known=2).find_unknown(["zzz"]) == {}


async def test_no_name_is_suggested_that_lies_outside_of_limits(engine: AsyncEngine) -> None:
    await register(engine, "shop.pay", "shop.pays")
    names = TaskNames(engine)
    for limits, suggested in (
        (Limits(task_names=("shop.*",)), {"shop.pay", "shop.pays"}),
        (Limits(task_names=("shop.pay", "shop.paid")), {"shop.pay"}),
        (Limits(queues=("shop",)), set()),
    ):
        said = (await names.find_unknown(["shop.paid"], limits=limits))["shop.paid"]
        assert {name for name in ("shop.pay", "shop.pays") if re.search(rf"{name}\b", said)} == suggested
