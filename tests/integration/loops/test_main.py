import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from loops.main import run
from settings import Settings
from store.tables.tasks import tasks
from tests.patience import until


async def test_the_loops_process_deletes_what_the_settings_say(
    engine: AsyncEngine, database_url: str, empty_valkey: str
) -> None:
    for task_id, days in (("older", 3), ("younger", 1)):
        at = datetime.now(UTC) - timedelta(days=days)
        row = {"task_id": task_id, "status": "FAILED", "phase": "finished", "created_at": at, "completed_at": at}
        async with engine.begin() as connection:
            await connection.execute(insert(tasks).values(row | {"events_from": at, "checked_at": at}))
    settings = Settings(database_url=database_url, broker_url=f"{empty_valkey}/0", keep_failed_days=2)
    stopping = asyncio.Event()
    running = asyncio.create_task(run(settings, stopping))
    try:
        await older_is_gone(engine)
    finally:
        stopping.set()
        await running
    async with engine.connect() as connection:
        assert (await connection.execute(select(tasks.c.task_id))).scalars().all() == ["younger"]


async def older_is_gone(engine: AsyncEngine) -> None:
    async def is_alone() -> bool:
        async with engine.connect() as connection:
            return (await connection.execute(select(func.count()).select_from(tasks))).scalar_one() == 1

    await until(is_alone, "the older task has gone")
