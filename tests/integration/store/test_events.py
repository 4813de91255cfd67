from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.facts import Fact
from domain.states import EventType
from store.queries import events
from store.queries.partitions import make_event_partitions
from tests.facts import NOON, after, from_backend, ours, told

NOW = datetime.now(UTC)
PARTITIONS = "select count(*) from pg_inherits where inhparent = 'events'::regclass"


async def partition_of(connection: AsyncConnection, key: str) -> str:
    found = await connection.execute(
        text("select tableoid::regclass::text from events where event_key = :key"), {"key": key}
    )
    return str(found.scalar_one())


def at(moment: datetime) -> Fact:
    return Fact("t", EventType.SUBMITTED, moment, key=moment.isoformat())


async def test_facts_come_back_as_they_were_told(engine: AsyncEngine) -> None:
    facts = [
        ours(EventType.SUBMITTED, scheduled=False),
        told(EventType.RECEIVED, 2**40, at=1, pid=2**40, retries=1),
        from_backend(EventType.FAILED, at=2, exception="ValueError: ü \N{GRINNING FACE}", runtime=0.5, requeue=None),
    ]
    async with engine.begin() as connection:
        await events.add_facts(connection, [*facts, told(EventType.STARTED, 1, task_id="other")])
        found = await events.get_facts(connection, [facts[0].task_id, "unknown"], since=NOON)
    assert sorted(found.pop(facts[0].task_id), key=lambda fact: fact.at) == facts
    assert found == {}


async def test_a_fact_stored_twice_is_there_once(engine: AsyncEngine) -> None:
    fact = told(EventType.STARTED, 1)
    async with engine.begin() as connection:
        await events.add_facts(connection, [fact, fact])
        await events.add_facts(connection, [fact])
        assert (await events.get_facts(connection, [fact.task_id], since=NOON))[fact.task_id] == [fact]


async def test_facts_before_the_given_time_are_left_out(engine: AsyncEngine) -> None:
    early, late = told(EventType.RECEIVED, 1), told(EventType.STARTED, 2)
    async with engine.begin() as connection:
        await events.add_facts(connection, [early, late])
        assert (await events.get_facts(connection, [late.task_id], since=after(2)))[late.task_id] == [late]


async def test_an_event_goes_to_the_partition_of_its_own_day(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        facts = [at(NOW), at(NOW + timedelta(days=1))]
        await events.add_facts(connection, facts)
        for fact in facts:
            assert await partition_of(connection, fact.key) == f"events_{fact.at:%Y%m%d}"


async def test_events_of_absurd_clocks_fall_into_the_net(engine: AsyncEngine) -> None:
    facts = [at(datetime(1971, 1, 1, tzinfo=UTC)), at(datetime(9999, 12, 31, tzinfo=UTC))]
    async with engine.begin() as connection:
        await events.add_facts(connection, facts)
        for fact in facts:
            assert await partition_of(connection, fact.key) == "events_default"


async def test_partitions_are_made_where_they_are_missing(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        before = (await connection.execute(text(PARTITIONS))).scalar_one()
        assert await make_event_partitions(connection, days=8) == 0
        assert await make_event_partitions(connection, days=30) == 22
        assert await make_event_partitions(connection, days=30) == 0
        assert (await connection.execute(text(PARTITIONS))).scalar_one() == before + 22


async def test_a_day_whose_events_are_in_the_net_does_not_stop_the_others(engine: AsyncEngine) -> None:
    stray = at(NOW + timedelta(days=20))
    async with engine.begin() as connection:
        await events.add_facts(connection, [stray])
        assert await make_event_partitions(connection, days=30) == 21
        assert await partition_of(connection, stray.key) == "events_default"
