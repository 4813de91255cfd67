import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.schemas.tasks import TaskDetail
from domain.errors import TaskNotFound
from domain.facts import PUBLISHER
from domain.states import EventType
from domain.workers.status import Heartbeat
from services import record as record_module
from services.record import News, record
from services.timeline import TaskHistory, read_task_history
from store.queries import gaps
from store.queries.tasks.documents import MAX_ATTEMPTS, TaskOutline, get_task
from store.queries.workers import nodes
from tests.facts import NODE, NOON, TASK_ID, after, ours, told

LIFE = (
    ours(EventType.SUBMITTED, source=PUBLISHER),
    told(EventType.RECEIVED, 10),
    told(EventType.STARTED, 11),
    told(EventType.SUCCEEDED, 20),
)


async def lived(engine: AsyncEngine, *, deaf: tuple[int, int] | None = None) -> TaskHistory[TaskOutline]:
    """The history of a task that lived for 20 s, during some of which the mirror may have been deaf."""
    async with engine.begin() as connection:
        await record(connection, News(LIFE))
        if deaf:
            await gaps.add_gap(connection, source="broker", started_at=after(deaf[0]), ended_at=after(deaf[1]))
        return await read_task_history(connection, TASK_ID)


async def test_a_task_heard_all_the_while_has_a_complete_history(engine: AsyncEngine) -> None:
    history = await lived(engine)
    assert history.complete
    assert [(entry.type, entry.at) for entry in history.entries] == [(fact.type, fact.at) for fact in LIFE]


@pytest.mark.parametrize(
    ("deaf", "complete"), [((-9, -1), True), ((-9, 1), False), ((15, 99), False), ((21, 99), True)]
)
async def test_a_gap_during_its_life_makes_it_incomplete(
    engine: AsyncEngine, deaf: tuple[int, int], *, complete: bool
) -> None:
    assert (await lived(engine, deaf=deaf)).complete is complete


async def test_its_entries_name_workers_by_their_ids(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await nodes.hear(connection, [Heartbeat(NODE, heard_at=NOON, at=NOON)])
        worker = await nodes.get_worker(connection, node=NODE)
    assert worker is not None
    assert (await lived(engine)).worker_ids == {NODE: worker.worker_id}


async def test_an_unknown_task_has_no_history(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(TaskNotFound):
            await read_task_history(connection, "unknown")


async def test_of_a_task_that_is_tried_for_ever_the_last_events_are_told(engine: AsyncEngine) -> None:
    facts = [ours(EventType.SUBMITTED, source=PUBLISHER)]
    for attempt in range(5):
        clock = 10 + attempt * 3
        facts.append(told(EventType.RECEIVED, clock, retries=attempt))
        facts += [told(EventType.STARTED, clock + 1), told(EventType.RETRIED, clock + 2)]
    async with engine.begin() as connection:
        await record(connection, News(facts))
        history = await read_task_history(connection, TASK_ID, max_facts=6)
    assert (history.truncated, history.complete) == (True, False)
    assert [entry.attempt for entry in history.entries] == [4, 4, 4, 5, 5, 5]
    assert [entry.at for entry in history.entries] == [fact.at for fact in facts[-6:]]


async def test_of_many_attempts_the_latest_are_shown_with_the_task(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of so many attempts most events are such as may end the task, which are kept beyond that bound.
    monkeypatch.setattr(record_module, "MAX_FACTS", record_module.MAX_STORED)
    facts = [told(EventType.RECEIVED, 1 + attempt, retries=attempt) for attempt in range(MAX_ATTEMPTS + 5)]
    async with engine.begin() as connection:
        await record(connection, News(facts))
        task = await get_task(connection, TASK_ID)
    assert task is not None
    assert [attempt["number"] for attempt in task.attempts] == list(range(6, MAX_ATTEMPTS + 6))
    shown = TaskDetail.from_whole(task)
    assert (len(shown.attempts), shown.attempts_truncated) == (MAX_ATTEMPTS, True)
