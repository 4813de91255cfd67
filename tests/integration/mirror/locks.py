"""Looking at who waits for a lock in the test's own database."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.patience import until

_waiting = text("select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
_terminate = text("select pg_terminate_backend(:pid)")


async def wait_for_a_waiter(engine: AsyncEngine) -> int:
    """The process id of a backend that waits for a lock, once there is one."""

    async def waiting() -> int | None:
        # Each look is a transaction of its own: Postgres shows one and the same picture throughout one.
        async with engine.connect() as connection:
            pid: int | None = (await connection.execute(_waiting)).scalar()
        return pid

    return await until(waiting, "somebody waits for a lock")


async def terminate(engine: AsyncEngine, pid: int) -> None:
    """End the connection of this backend."""
    async with engine.connect() as connection:
        await connection.execute(_terminate, {"pid": pid})
