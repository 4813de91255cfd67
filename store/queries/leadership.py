"""Who of several processes does a thing that only one should do: Postgres advisory locks.

The numbers spell what the loops are called, and stay: processes of an older release hold the same locks.
"""

from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

MISSED_ENDS = 0x73776570
DEAD_WORKERS = 0x72657363
SEARCH_INDEX = 0x73726368
ROLLUPS = 0x726F6C6C
ALERTS = 0x616C7274
VANISHED_TASKS = 0x756E7374
RETENTION = 0x7265746E
STUCK_MESSAGES = 0x73747261
PRESENCE = 0x70726573
SEALS = 0x7365616C
NOTIFICATIONS = 0x6E6F7469
"""The lock of those who plan messages, and of those who change channels and routes."""
WEBHOOKS = 0x686F6F73
DISPATCH = 0x64697370
"""The lock that all who dispatch share, while they do."""


async def take(connection: AsyncConnection, lock: int) -> bool:
    """Take this lock until the transaction ends; False if another process has it."""
    taken = await connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock})
    return bool(taken.scalar_one())


async def wait_for(connection: AsyncConnection, lock: int) -> datetime:
    """Wait for this lock, which is held until the transaction ends; answers the time."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return now
