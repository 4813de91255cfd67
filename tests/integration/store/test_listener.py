import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from store.listener import OUTBOX, Listener
from store.queries import outbox
from store.queries.tasks import writing
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
async def listener(database_url: str) -> AsyncIterator[Listener]:
    async with Listener(database_url, OUTBOX, reconnect_seconds=0.05) as listening:
        assert await listening.wait(PATIENCE_SECONDS), "it is set once when the connection stands"
        yield listening


async def test_a_notification_of_the_channel_wakes(engine: AsyncEngine, listener: Listener) -> None:
    async with engine.begin() as connection:
        await outbox.notify(connection)
    assert await listener.wait(PATIENCE_SECONDS)


async def test_several_notifications_wake_once(engine: AsyncEngine, listener: Listener) -> None:
    async with engine.begin() as connection:
        await outbox.notify(connection)
        await outbox.notify(connection)
    assert await listener.wait(PATIENCE_SECONDS)
    assert not await listener.wait(0.05)


async def test_a_notification_that_is_rolled_back_wakes_nobody(engine: AsyncEngine, listener: Listener) -> None:
    async with engine.connect() as connection:
        await outbox.notify(connection)
        await connection.rollback()
    assert not await listener.wait(0.05)


async def test_another_channel_wakes_nobody(engine: AsyncEngine, listener: Listener) -> None:
    async with engine.begin() as connection:
        await writing.notify_finished(connection)
    assert not await listener.wait(0.05)


async def test_it_reconnects_and_wakes_once_for_what_was_missed(engine: AsyncEngine, listener: Listener) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where application_name = :name"),
            {"name": f"{OUTBOX} listener"},
        )
    assert await listener.wait(PATIENCE_SECONDS), "it is set again when the new connection stands"
    async with engine.begin() as connection:
        await outbox.notify(connection)
    assert await listener.wait(PATIENCE_SECONDS)


async def test_it_waits_for_a_database_that_is_not_there_yet(postgres_server: str, database_url: str) -> None:
    name = database_url.rsplit("/", 1)[1] + "_late"
    async with Listener(f"{database_url}_late", OUTBOX, reconnect_seconds=0.05) as listening:
        assert not await listening.wait(0.2)
        async with await psycopg.AsyncConnection.connect(postgres_server, autocommit=True) as admin:
            await admin.execute(f"create database {name}")
        try:
            assert await listening.wait(PATIENCE_SECONDS)
        finally:
            await listening.__aexit__(None, None, None)
            async with await psycopg.AsyncConnection.connect(postgres_server, autocommit=True) as admin:
                await admin.execute(f"drop database {name} with (force)")


async def test_leaving_while_it_cannot_connect_takes_no_time(database_url: str) -> None:
    async with asyncio.timeout(2), Listener(f"{database_url}_nowhere", OUTBOX) as listening:
        assert not await listening.wait(0.05)
