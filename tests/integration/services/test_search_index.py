import asyncio
import random
import string
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.filters import TaskFilter
from domain.identities import Identity
from domain.search_text import index_words, parse_query
from domain.states import EventType
from loops.search_index import ROUND_SECONDS, SearchIndexRound
from services.record import News, record
from services.search_index import index_waiting
from store.queries.submissions import add_submissions
from store.queries.tasks.documents import Slice, list_tasks
from store.tables.search import search_queue, task_search
from store.tables.tasks import tasks
from tests.facts import told
from tests.submissions import make_submission

NASTY = string.ascii_letters[:8] * 3 + string.digits[:3] + " \t\"'\\-_|&!<>():*%$~./@{}[]" + "éßЖ日İ\u0301\u2028𠮷😀ŉ"


async def submit(engine: AsyncEngine, *submissions: Any) -> None:
    async with engine.begin() as connection:
        await add_submissions(connection, submissions)


async def tell(engine: AsyncEngine, **news: Any) -> None:
    async with engine.begin() as connection:
        await record(connection, News(**news))


async def index(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        return await index_waiting(connection)


async def find(engine: AsyncEngine, text: str) -> list[str]:
    async with engine.connect() as connection:
        found = await list_tasks(connection, TaskFilter(search=parse_query(text)), part=Slice(limit=100))
        return [row.task_id for row in found]


async def count_waiting(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(search_queue))).scalar_one()


async def test_a_submission_is_found_once_it_was_indexed(engine: AsyncEngine) -> None:
    submission = make_submission(task_name="process_payment", args='["M\\u00fcller"]', kwargs='{"note": "two\\nlines"}')
    await submit(engine, submission)
    assert await find(engine, "payment") == []
    assert await index(engine) == 1
    for text in ("payment müll", "lines", '"two lines"', submission.task_id, "celery"):
        assert await find(engine, text) == [submission.task_id], text
    assert await index(engine) == 0


async def test_only_what_search_would_notice_is_indexed_again(engine: AsyncEngine) -> None:
    submission = make_submission()
    await submit(engine, submission)
    await index(engine)

    async def waiting_after(event_type: EventType, clock: int, **details: Any) -> int:
        await tell(engine, facts=[told(event_type, clock, task_id=submission.task_id, **details)])
        return await count_waiting(engine)

    assert await waiting_after(EventType.RECEIVED, 1, retries=0) == 1, "its worker is known"
    assert await waiting_after(EventType.STARTED, 2) == 1
    assert await waiting_after(EventType.FAILED, 3, exception="ValueError('card declined')") == 2, "and its error"
    assert await index(engine) == 2
    assert await find(engine, "one card-declined") == [submission.task_id]


async def test_a_task_of_others_is_found_by_what_becomes_known_of_it(engine: AsyncEngine) -> None:
    await tell(engine, facts=[told(EventType.STARTED, 2, task_id="others/1")])
    await index(engine)
    assert await find(engine, "others/1") == ["others/1"]
    identity = Identity("others/1", task_name="mail.send", args_repr="('Zoë\\n',)", queue_name="outgoing")
    await tell(engine, facts=[told(EventType.RECEIVED, 1, task_id="others/1")], identities=[identity])
    await index(engine)
    assert await find(engine, "send zoë outgoing") == ["others/1"]


async def test_a_task_of_which_nothing_but_its_id_is_known_is_found_by_that(engine: AsyncEngine) -> None:
    revoked = told(EventType.REVOKED, 1, task_id="unknown-7", node=None)  # type: ignore[arg-type]
    await tell(engine, facts=[revoked])
    await index(engine)
    assert await find(engine, "unknown-7") == ["unknown-7"]


async def test_arguments_are_searched_up_to_8_kib(engine: AsyncEngine) -> None:
    await submit(engine, make_submission(args=f'["near", "{"x " * 4_000}", "{"x " * 4_000}", "far"]'))
    await index(engine)
    assert len(await find(engine, "near")) == 1
    assert await find(engine, "far") == []


async def test_a_task_that_is_gone_meanwhile_is_passed_over(engine: AsyncEngine) -> None:
    await submit(engine, make_submission())
    async with engine.begin() as connection:
        await connection.execute(delete(tasks))
    assert await index(engine) == 1
    async with engine.connect() as connection:
        assert (await connection.execute(select(task_search))).all() == []


async def test_one_process_at_a_time_indexes_and_a_crash_loses_nothing(engine: AsyncEngine) -> None:
    await submit(engine, make_submission(), make_submission())
    async with engine.connect() as crashing:
        assert await index_waiting(crashing) == 2
        assert await index(engine) == 0
        await crashing.rollback()
    assert await index(engine) == 2


async def test_a_backlog_is_worked_off_without_a_pause(engine: AsyncEngine) -> None:
    await submit(engine, *(make_submission() for _ in range(4)))
    rounds = SearchIndexRound(engine, batch_size=3)
    assert [await rounds.run_once(), await rounds.run_once()] == [0, ROUND_SECONDS]
    assert await count_waiting(engine) == 0


async def test_any_text_can_be_indexed_and_any_text_is_a_query_that_postgres_takes(engine: AsyncEngine) -> None:
    chance = random.Random(3)
    for _ in range(40):
        text = "".join(chance.choices(NASTY, k=chance.randrange(1, 60)))
        task_id = f"task {text}"
        await tell(engine, facts=[told(EventType.STARTED, 1, task_id=task_id)])
        await index(engine)
        for word in index_words([task_id]):
            assert task_id in await find(engine, f'"{word}"'), (text, word)
        await find(engine, text)
        await find(engine, f"-{text} or {text[:1]}")


async def test_indexing_does_not_hold_up_the_other_loops(engine: AsyncEngine) -> None:
    await submit(engine, *(make_submission(args=f'["{"word " * 1_600}"]') for _ in range(300)))
    indexing = asyncio.create_task(index(engine))
    longest = 0.0
    while not indexing.done():
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(0)
        longest = max(longest, asyncio.get_running_loop().time() - before)
    assert await indexing == 300
    assert longest < 0.25, longest
