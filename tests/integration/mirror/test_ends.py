"""What a real worker tells of ends that its tasks did not live to tell, all the way to the timeline."""

import asyncio
from pathlib import Path
from typing import Any

from celery import Celery
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.states import EventType, Status
from services.timeline import TaskHistory, read_task_history
from settings import Settings
from store.queries.tasks.documents import TaskOutline
from store.tables.tasks import attempts, tasks
from tests.integration.mirror.test_hostile import mirroring
from tests.patience import until
from tests.worker_process import celery_worker

APP = """
import os
import signal
import time

from celery import Celery
from celery.exceptions import Reject

app = Celery("stock", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])


@app.task(name="stock.sleep")
def sleep(seconds):
    time.sleep(seconds)


@app.task(name="stock.die")
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="stock.reject", acks_late=True)
def reject():
    raise Reject("never", requeue=False)
"""
RECEIVED, STARTED, FAILED = EventType.RECEIVED, EventType.STARTED, EventType.FAILED


async def test_an_end_that_celery_tells_twice_or_badly_is_shown_once_and_truly(
    engine: AsyncEngine, database_url: str, broker_url: str, result_url: str, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "stock.py").write_text(APP)
    settings = Settings(database_url=database_url, broker_url=broker_url, result_url=result_url, redis_url=redis_url)
    with celery_worker(tmp_path, broker_url, result_url=result_url, app="stock") as worker:
        async with mirroring(settings, engine):
            with Celery(broker=broker_url, set_as_current=False) as app:
                sent: list[tuple[str, dict[str, Any]]] = [
                    ("sleep", {"args": [60], "time_limit": 1}),
                    ("die", {}),
                    ("reject", {}),
                    ("sleep", {"args": [0], "task_id": "last"}),
                ]
                for name, options in sent:
                    await asyncio.to_thread(app.send_task, f"stock.{name}", **{"task_id": name, **options})
            # The only child takes one after another: what was told of the others was told before.
            await _ended(engine, "last")
    found = {task_id: await _history(engine, task_id) for task_id in ("sleep", "die", "reject")}
    for task_id, history in found.items():
        assert [entry.type for entry in history.entries] == [RECEIVED, STARTED, FAILED], task_id
        assert {entry.node for entry in history.entries} == {worker.node}
    exceptions = {task_id: history.entries[-1].details["exception"] for task_id, history in found.items()}
    assert exceptions["sleep"] == "TimeLimitExceeded: 1"
    assert str(exceptions["die"]).startswith("WorkerLostError: Worker exited prematurely: signal 9")
    async with engine.connect() as connection:
        rows = await connection.execute(select(attempts.c.task_id, attempts.c.exception))
        told = {row.task_id: row.exception for row in rows}
    assert {task_id: told[task_id] for task_id in exceptions} == exceptions


async def _ended(engine: AsyncEngine, task_id: str) -> None:
    async def has_ended() -> bool:
        async with engine.connect() as connection:
            status = await connection.execute(select(tasks.c.status).where(tasks.c.task_id == task_id))
            return status.scalar() == Status.COMPLETED

    await until(has_ended)


async def _history(engine: AsyncEngine, task_id: str) -> TaskHistory[TaskOutline]:
    async with engine.connect() as connection:
        return await read_task_history(connection, task_id)
