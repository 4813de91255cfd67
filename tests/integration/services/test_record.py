import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.facts import PUBLISHER, Fact
from domain.identities import Identity
from domain.results import StoredResult, ToldResult
from domain.states import EventType
from services import record as record_module
from services.record import News, record
from services.timeline import read_task_history
from store.listener import FINISHED, Listener
from store.queries import submissions
from store.queries.tasks.documents import WholeTask, get_task
from store.tables.tasks import attempts, events, task_results, tasks
from tests.facts import NODE, TASK_ID, after, ours, told
from tests.patience import PATIENCE_SECONDS
from tests.submissions import make_submission

RECEIVED, STARTED, RETRIED = EventType.RECEIVED, EventType.STARTED, EventType.RETRIED
SUCCEEDED, FAILED, REVOKED = EventType.SUCCEEDED, EventType.FAILED, EventType.REVOKED
SENT = ours(EventType.SUBMITTED, source=PUBLISHER)
RUN = (told(RECEIVED, 1), told(STARTED, 2), told(SUCCEEDED, 3))
SUCCESS = StoredResult(TASK_ID, "SUCCESS", result_json="5", date_done=after(3), retries=0, worker=NODE)
FAILURE = StoredResult(
    TASK_ID, "FAILURE", exception_type="ValueError", exception_message="no", date_done=after(3), retries=0, worker=NODE
)


async def tell(engine: AsyncEngine, *facts: Fact, **news: Any) -> frozenset[str]:
    """Record in a transaction of its own; returns what ended by it."""
    async with engine.begin() as connection:
        return await record(connection, News(facts, **news))


async def read(engine: AsyncEngine, task_id: str = TASK_ID) -> WholeTask:
    async with engine.connect() as connection:
        task = await get_task(connection, task_id)
    assert task is not None
    return task


async def everything(engine: AsyncEngine) -> list[list[tuple[object, ...]]]:
    """All rows that facts become, without the times at which we wrote them."""
    ours_alone = {"checked_at", "recorded_at", "stored_at"}
    async with engine.connect() as connection:
        found = []
        for table in (tasks, attempts, task_results, events):
            columns = [column for column in table.c if column.name not in ours_alone and column.name != "details"]
            rows = await connection.execute(select(*columns).order_by(*table.primary_key.columns))
            found.append([tuple(row) for row in rows])
    return found


async def test_a_task_that_others_submitted_appears(engine: AsyncEngine) -> None:
    identity = Identity(TASK_ID, task_name="add", queue_name="math", args_repr="(2, 3)", root_id="root")
    assert await tell(engine, *RUN, SENT, identities=[identity]) == {TASK_ID}
    task = await read(engine)
    assert (task.status, task.phase, task.node) == ("COMPLETED", "finished", NODE)
    assert (task.task_name, task.queue_name, task.args_repr, task.args) == ("add", "math", "(2, 3)", None)
    assert (task.created_at, task.submitted_here, task.duration_seconds) == (after(0), False, 1)


async def test_what_is_learned_of_a_task_later_fills_in_what_was_missing(engine: AsyncEngine) -> None:
    await tell(engine, told(STARTED, 2))
    await tell(engine, identities=[Identity(TASK_ID, task_name="add")])
    await tell(engine, SENT, identities=[Identity(TASK_ID, task_name="other", queue_name="math")])
    task = await read(engine)
    assert (task.task_name, task.queue_name, task.created_at) == ("add", "math", after(0))


async def test_a_task_of_ours_is_what_its_submission_said(engine: AsyncEngine) -> None:
    submission = make_submission()
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, [submission])
    facts = [told(STARTED, 2, task_id=submission.task_id)]
    await tell(engine, *facts, identities=[Identity(submission.task_id, "other", "repr", "repr", "other")])
    task = await read(engine, submission.task_id)
    assert (task.task_name, task.queue_name, task.args_repr) == ("celeriac.add", "celery", None)
    assert (task.created_at, task.events_from) == (submission.created_at, after(2))


async def test_the_same_news_twice_changes_nothing(engine: AsyncEngine) -> None:
    assert await tell(engine, *RUN, results=[SUCCESS]) == {TASK_ID}
    before = await everything(engine)
    assert await tell(engine, *RUN, *RUN, results=[SUCCESS]) == frozenset()
    assert await everything(engine) == before


async def test_facts_one_by_one_in_any_order_give_the_same_rows(engine: AsyncEngine) -> None:
    await tell(engine, SENT, *RUN)
    together = await everything(engine)
    async with engine.begin() as connection:
        for table in (tasks, attempts, events):
            await connection.execute(table.delete())
    for fact in (RUN[2], SENT, RUN[0], RUN[1]):
        await tell(engine, fact)
    assert await everything(engine) == together


def lives(count: int) -> list[Fact]:
    """Of so many tasks, each of which was retried once."""
    kinds = [(RECEIVED, 0), (STARTED, None), (RETRIED, None), (RECEIVED, 1), (STARTED, None), (SUCCEEDED, None)]
    return [
        told(kind, clock, retries=retries, task_id=f"task-{nth:02}")
        for nth in range(count)
        for clock, (kind, retries) in enumerate(kinds, start=1)
    ]


async def test_two_recorders_of_the_same_facts_in_opposite_order_agree_and_never_block_each_other(
    engine: AsyncEngine,
) -> None:
    facts = lives(20)
    identities = [Identity(fact.task_id, task_name="add") for fact in facts[::6]]

    async def tell_in_parts(given: Sequence[Fact], known: Sequence[Identity]) -> None:
        for start in range(0, len(given), 30):
            await tell(engine, *given[start : start + 30], identities=known)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(tell_in_parts(facts, identities), tell_in_parts(facts[::-1], identities[::-1]))
    both = await everything(engine)
    async with engine.begin() as connection:
        for table in (tasks, attempts, events):
            await connection.execute(table.delete())
    await tell(engine, *facts, identities=identities)
    assert await everything(engine) == both
    assert len(both[0]) == 20


async def test_a_result_commits_together_with_the_end(engine: AsyncEngine) -> None:
    await tell(engine, *RUN, results=[SUCCESS])
    task = await read(engine)
    assert (task.status, task.result, task.result_pending) == ("COMPLETED", 5, False)


async def test_an_end_without_its_result_says_so_until_the_result_comes(engine: AsyncEngine) -> None:
    await tell(engine, *RUN)
    assert (await read(engine)).result_pending is True
    assert await tell(engine, results=[SUCCESS]) == frozenset()
    task = await read(engine)
    assert (task.result_pending, task.result, task.reconstructed) == (False, 5, False)
    await tell(engine, told(SUCCEEDED, 4))
    assert (await read(engine)).result_pending is False


async def test_a_cancelled_task_waits_for_no_result(engine: AsyncEngine) -> None:
    await tell(engine, told(RECEIVED, 1), told(REVOKED, 2))
    assert (await read(engine)).result_pending is False


async def test_an_end_that_only_the_backend_tells_is_reconstructed(engine: AsyncEngine) -> None:
    await tell(engine, *RUN[:2])
    assert await tell(engine, results=[SUCCESS]) == {TASK_ID}
    task = await read(engine)
    assert (task.status, task.reconstructed, task.completed_at) == ("COMPLETED", True, after(3))
    await tell(engine, RUN[2])
    assert (await read(engine)).reconstructed is False


async def test_a_reconstructed_end_without_a_time_is_told_once(engine: AsyncEngine) -> None:
    await tell(engine, *RUN)
    failure = StoredResult(TASK_ID, "FAILURE", exception_type="ValueError", exception_message="no", retries=0)
    for _ in range(3):
        await tell(engine, results=[failure])
    async with engine.connect() as connection:
        told_by_backend = select(func.count()).select_from(events).where(events.c.event_key.like("backend:%"))
        assert (await connection.execute(told_by_backend)).scalar_one() == 1


async def test_a_result_of_an_unknown_task_is_nobodys(engine: AsyncEngine) -> None:
    assert await tell(engine, results=[SUCCESS]) == frozenset()
    assert await everything(engine) == [[], [], [], []]


async def test_a_state_that_proves_no_end_changes_nothing(engine: AsyncEngine) -> None:
    await tell(engine, *RUN[:2], results=[StoredResult(TASK_ID, "REVOKED")])
    assert (await read(engine)).status == "RUNNING"


async def test_the_backend_knows_the_error_better_than_the_event(engine: AsyncEngine) -> None:
    failed = told(FAILED, 3, exception="ExceptionWithTraceback()")
    await tell(engine, *RUN[:2], failed)
    assert (await read(engine)).error == "ExceptionWithTraceback()"
    await tell(engine, results=[FAILURE])
    assert (await read(engine)).error == "ValueError: no"
    await tell(engine, told(FAILED, 4, exception="ExceptionWithTraceback()"))
    assert (await read(engine)).error == "ValueError: no"


async def test_a_success_after_a_failure_has_no_error_and_its_own_result(engine: AsyncEngine) -> None:
    await tell(engine, *RUN[:2], told(FAILED, 3), results=[FAILURE])
    again = [told(RECEIVED, 5), told(STARTED, 6), told(SUCCEEDED, 7)]
    await tell(engine, *again)
    assert (await read(engine)).error is None
    await tell(engine, results=[replace(SUCCESS, date_done=after(7))])
    task = await read(engine)
    assert (task.status, task.error, task.result, task.traceback) == ("COMPLETED", None, 5, None)


async def test_a_failure_told_late_does_not_take_the_place_of_a_success(engine: AsyncEngine) -> None:
    await tell(engine, *RUN, results=[SUCCESS])
    await tell(engine, results=[FAILURE])
    task = await read(engine)
    assert (task.status, task.error, task.result) == ("COMPLETED", None, 5)


async def test_attempts_that_turn_out_to_be_one_are_written_as_one(engine: AsyncEngine) -> None:
    elsewhere = StoredResult(TASK_ID, "SUCCESS", result_json="5", date_done=after(9), retries=1)
    await tell(engine, told(STARTED, 2), results=[elsewhere])
    assert len((await read(engine)).attempts) == 2
    await tell(engine, told(RECEIVED, 1, retries=1))
    (attempt,) = (await read(engine)).attempts
    assert (attempt["number"], attempt["retries"], attempt["state"]) == (1, 1, "SUCCEEDED")
    times = [datetime.fromisoformat(attempt[name]) for name in ("received_at", "started_at", "finished_at")]
    assert times == [after(1), after(2), after(9)]


async def test_an_event_from_a_clock_that_is_behind_is_still_found_later(engine: AsyncEngine) -> None:
    await tell(engine, SENT)
    await tell(engine, told(STARTED, 1, at=-3600))
    await tell(engine, told(SUCCEEDED, 2, at=-3590))
    task = await read(engine)
    assert (task.duration_seconds, task.events_from) == (10, after(-3600))
    assert task.started_at
    assert task.started_at + timedelta(seconds=10) == task.completed_at


async def test_who_waits_for_an_end_is_woken_when_it_is_committed(engine: AsyncEngine, database_url: str) -> None:
    async with Listener(database_url, FINISHED) as listener:
        assert await listener.wait(5)
        await tell(engine, *RUN[:2])
        assert not await listener.wait(0.05)
        await tell(engine, RUN[2])
        assert await listener.wait(5)


async def test_no_news_touch_nothing(engine: AsyncEngine) -> None:
    assert await tell(engine) == frozenset()


TODAY = (told(RECEIVED, 4, at=500), told(STARTED, 5, at=501), told(FAILED, 6, at=502, exception="OSError('fire')"))


async def test_the_result_of_yesterday_is_not_that_of_today(engine: AsyncEngine) -> None:
    await tell(engine, *RUN, results=[SUCCESS])
    await tell(engine, TODAY[0])
    task = await read(engine)
    assert (task.status, task.phase, task.result) == ("PENDING", "reserved", None)
    # Redis keeps the first success: whoever asks for today's gets yesterday's.
    await tell(engine, *TODAY[1:], results=[SUCCESS])
    task = await read(engine)
    assert (task.status, task.error, task.result) == ("FAILED", "OSError('fire')", None)
    assert (task.result_pending, task.completed_at) == (False, after(502))
    assert [attempt["state"] for attempt in task.attempts] == ["SUCCEEDED", "FAILED"]


@pytest.mark.parametrize("unreadable", [None, "is pickled"])
async def test_what_was_told_of_the_result_of_yesterday_is_not_that_of_today(
    engine: AsyncEngine, unreadable: str | None
) -> None:
    await tell(engine, *RUN, told_results=[ToldResult(TASK_ID, "'five'", unreadable)])
    before = await read(engine)
    assert (before.result_repr, before.unreadable, before.result_pending) == (
        "'five'",
        unreadable,
        not unreadable,
    )
    await tell(engine, *TODAY)
    task = await read(engine)
    assert (task.status, task.result_repr, task.unreadable) == ("FAILED", None, None)
    assert task.result_pending is True, "of today's run the backend may yet tell more than its event"


async def test_what_takes_the_place_of_a_task_is_not_its_parent(engine: AsyncEngine) -> None:
    await tell(engine, told(RECEIVED, 1), identities=[Identity(TASK_ID, "plan", root_id=TASK_ID)])
    await tell(engine, told(RECEIVED, 3), identities=[Identity(TASK_ID, "link", root_id=TASK_ID, parent_id="a link")])
    async with engine.connect() as connection:
        found = (await connection.execute(select(tasks.c.task_name, tasks.c.root_id, tasks.c.parent_id))).one()
    assert tuple(found) == ("plan", TASK_ID, None)


def requeued(times: int, *, begin: int = 1) -> list[Fact]:
    """Runs that were rejected and put back, of three events each."""
    kinds = (RECEIVED, STARTED, EventType.REJECTED)
    return [told(kinds[nth % 3], begin + nth) for nth in range(3 * times)]


async def count_kept(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(events))).scalar_one()


async def test_of_a_task_that_comes_back_for_ever_only_so_much_is_kept_and_its_end_is_known_all_the_same(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "MAX_FACTS", 12)
    await tell(engine, *requeued(3))
    for nth in range(3, 40, 4):
        await tell(engine, *requeued(4, begin=1 + 3 * nth))
    assert await count_kept(engine) == 12
    async with engine.connect() as connection:
        history = await read_task_history(connection, TASK_ID)
    assert (history.task.fact_count, history.left_out, history.complete) == (129, 117, False)
    await tell(engine, told(SUCCEEDED, 500))
    assert (await read(engine)).status == "COMPLETED"


async def test_a_flood_of_ends_of_one_task_is_kept_up_to_a_bound(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "MAX_FACTS", 12)
    monkeypatch.setattr(record_module, "MAX_STORED", 20)
    for nth in range(1, 90, 30):
        await tell(engine, *(told(REVOKED, clock) for clock in range(nth, nth + 30)))
        await tell(engine, *(told(FAILED, clock) for clock in range(nth + 100, nth + 130)))
    assert await count_kept(engine) == 20
    assert (await read(engine)).fact_count == 180


async def test_a_success_of_our_own_task_stays_and_a_flood_of_other_ends_is_not_kept(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "MAX_FACTS", 12)
    submission = make_submission()
    async with engine.begin() as connection:
        await submissions.add_submissions(connection, [submission])
    for kinds in ((SUCCEEDED, FAILED), (REVOKED, FAILED)):
        for nth in range(1, 60, 20):
            ends = [told(kind, nth + clock, task_id=submission.task_id) for clock in range(20) for kind in kinds]
            await tell(engine, *ends)
    task = await read(engine, submission.task_id)
    first_telling, its_submission = 40, 1
    assert (task.status, await count_kept(engine)) == ("COMPLETED", first_telling + its_submission)
    assert task.fact_count > 100


async def test_of_an_id_that_is_used_for_ever_the_latest_use_is_always_known(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "MAX_FACTS", 12)
    for nth in range(10):
        end = FAILED if nth % 2 else SUCCEEDED
        facts = [
            told(kind, 3 * nth + clock, at=100 * nth + clock) for clock, kind in enumerate((RECEIVED, STARTED, end))
        ]
        await tell(engine, *facts)
        task = await read(engine)
        assert (task.status, task.completed_at) == ("FAILED" if nth % 2 else "COMPLETED", after(100 * nth + 2))
        assert len(task.attempts) == task.attempt_count <= 4
