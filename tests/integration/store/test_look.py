"""A question that is asked again and again over a connection of its own."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from store.look import Look
from tests.patience import until


async def test_it_answers_with_the_row_of_this_moment_and_outlives_its_connection(
    engine: AsyncEngine, database_url: str
) -> None:
    look = Look(database_url, "select pg_backend_pid(), count(*) from alert_rules")
    pid, count = await look.ask()
    assert (await look.ask(), count) == ((pid, 0), 0)
    async with engine.begin() as connection:
        await connection.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        await connection.execute(text("insert into alert_rules select 'X', 'INFO', 1, 0, 0, 1, 1, true, now()"))

    async def is_gone() -> bool:
        async with engine.connect() as connection:
            found = await connection.execute(text("select from pg_stat_activity where pid = :pid"), {"pid": pid})
            return found.first() is None

    await until(is_gone)
    other_pid, count = await look.ask()
    assert (other_pid != pid, count) == (True, 1)
    await look.close()


async def test_a_question_that_fails_raises_and_the_next_one_is_asked_anew(database_url: str) -> None:
    look = Look(database_url, "select 1 / (count(*) - count(*)) from alert_rules")
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await look.ask()
    await look.close()
