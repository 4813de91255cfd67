from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bench.drills.wire import wire_to
from store import engine as engine_module
from store.engine import open_engine, stating, tell_lost_connections

KILL = text("select pg_terminate_backend(:pid)")


async def pid_of_a_pooled_connection(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("select pg_backend_pid()"))).scalar_one())


async def test_a_connection_lost_in_use_is_told_and_a_mistake_in_a_statement_is_not(engine: AsyncEngine) -> None:
    told: list[bool] = []
    tell_lost_connections(engine, lambda: told.append(True))
    with pytest.raises(ProgrammingError):
        async with engine.connect() as connection:
            await connection.execute(text("select nothing"))
    assert told == []
    with pytest.raises(OperationalError):
        async with engine.connect() as connection:
            await connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    assert told == [True]


async def test_no_statement_is_compiled_whatever_the_server_would_do(engine: AsyncEngine) -> None:
    async with stating(engine) as connection:
        found = await connection.execute(text("select setting, source from pg_settings where name = 'jit'"))
        assert tuple(found.one()) == ("off", "client")


async def test_an_old_connection_found_dead_before_its_use_is_not_told(engine: AsyncEngine) -> None:
    told: list[bool] = []
    tell_lost_connections(engine, lambda: told.append(True))
    pid = await pid_of_a_pooled_connection(engine)
    other = open_engine(engine.url.render_as_string(hide_password=False), pool_size=1)
    async with other.connect() as connection:
        await connection.execute(KILL, {"pid": pid})
    await other.dispose()
    assert await pid_of_a_pooled_connection(engine) != pid
    assert told == []


async def test_a_connection_that_cannot_be_made_is_told() -> None:
    nowhere = open_engine("postgresql://nobody@127.0.0.1:1/none")
    told: list[bool] = []
    tell_lost_connections(nowhere, lambda: told.append(True))
    with pytest.raises(OperationalError):
        await pid_of_a_pooled_connection(nowhere)
    assert told == [True]
    await nowhere.dispose()


@pytest.mark.timeout(30)
async def test_a_connection_that_carries_nothing_any_more_is_given_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "ANSWER_SECONDS", 0.3)
    with wire_to(database_url) as wire:
        engine = open_engine(wire.through(database_url), pool_size=1)
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))
            assert wire.cut() == 1
            with pytest.raises(OperationalError):
                await connection.execute(text("select 1"))
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))
        assert wire.cut() == 1
        monkeypatch.setattr(engine_module, "TRUSTED_SECONDS", 0)
        async with engine.connect() as connection:  # one that rested is tried before its use, and replaced
            assert (await connection.execute(text("select 1"))).scalar_one() == 1
        await engine.dispose()


@pytest.mark.timeout(30)
async def test_the_locks_of_a_client_that_is_cut_off_are_dropped(
    database_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(engine_module, "IDLE_IN_TRANSACTION_MS", 500)
    with wire_to(database_url) as wire:
        cut_off = open_engine(wire.through(database_url), pool_size=1)
        async with cut_off.connect() as connection:
            await connection.execute(text("lock table tasks"))
            wire.cut()
            with pytest.raises(OperationalError):
                await connection.execute(text("select 1"))
        async with engine.begin() as connection:
            await connection.execute(text("set local lock_timeout = '20s'"))
            await connection.execute(text("lock table tasks"))
        await cut_off.dispose()


async def queue_and_fail(opened: AbstractAsyncContextManager[AsyncConnection], task_id: str) -> None:
    async with opened as connection:
        await connection.execute(text("insert into search_queue values (:task_id)"), {"task_id": task_id})
        raise ZeroDivisionError


async def test_what_is_stated_stands_at_once_and_the_next_to_use_the_connection_has_a_transaction(
    database_url: str,
) -> None:
    engine = open_engine(database_url, pool_size=1)
    try:
        with pytest.raises(ZeroDivisionError):
            await queue_and_fail(stating(engine), "stated")
        with pytest.raises(ZeroDivisionError):
            await queue_and_fail(engine.begin(), "rolled back")
        async with stating(engine) as connection:
            assert (await connection.execute(text("select task_id from search_queue"))).scalars().all() == ["stated"]
    finally:
        await engine.dispose()
