import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from domain.clocks import AHEAD_SECONDS
from domain.workers.status import (
    MUTE_SILENCE,
    REGISTRATION_GRACE,
    SILENCE,
    Heartbeat,
    WorkerStatus,
    is_awaited,
    is_online,
    worker_status_of,
)
from store.queries import submissions
from store.queries.mirror import get_state
from store.queries.tasks import names
from store.queries.workers import descriptions, nodes, signs, strangers
from store.queries.workers.descriptions import Description
from store.queries.workers.lives import MOST_LIVES
from store.tables.tasks import tasks
from store.tables.workers import registered_tasks
from store.tables.workers import workers as table
from tests.submissions import make_submission

NODE = "celery@one"
SECOND = timedelta(seconds=1)
AGES = {
    "last_heartbeat_at": (None, timedelta(0), SILENCE - SECOND, SILENCE + SECOND),
    "last_event_at": (None, timedelta(0), 5 * SECOND),
    "goodbye_at": (None, timedelta(0), 5 * SECOND, 9 * SECOND),
    "registered_at": (None, REGISTRATION_GRACE / 2, REGISTRATION_GRACE + SECOND),
}
"""How long ago each may have been, in every combination."""
WISHES: tuple[dict[str, object], ...] = (
    {},
    {"want_paused": False, "is_paused": False},
    {"want_paused": True},
    {"is_paused": True},
    {"drain_started_at": func.now()},
    {"drain_started_at": func.now(), "drain_finished_at": func.now()},
)


def beat(ago: float = 0, *, node: str = NODE, **told: object) -> Heartbeat:
    """Heard, and told by its node's clock, so many seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    usual: dict[str, object] = {"pid": 1, "active": 0, "processed": 0, "load_average": (0.5, 0.25), "software": "x"}
    return Heartbeat(node=node, heard_at=at, at=at, **(usual | told))  # type: ignore[arg-type]


def description(node: str = NODE, **told: object) -> Description:
    usual: dict[str, object] = {
        "pid": 1,
        "pool": "prefork",
        "concurrency": 2,
        "prefetch_count": 2,
        "queues": ["celery"],
        "registered": ["celeriac.add"],
        "plugin": "1.0",
    }
    return Description(node=node, **(usual | told))  # type: ignore[arg-type]


async def rows(connection: AsyncConnection) -> list[dict[str, Any]]:
    """All that was heard, but for the ids, when a node was first seen, and which life was heard beside another."""
    left_out = ("worker_id", "first_seen_at", "other_life_at")
    wanted = [column for column in table.c if column.name not in left_out]
    return [dict(row) for row in (await connection.execute(select(*wanted).order_by(table.c.node))).mappings()]


async def test_a_node_never_heard_before_gets_an_id_and_keeps_it(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await nodes.hear(connection, [beat(5)])
        first = await nodes.get_worker(connection, node=NODE)
        await nodes.hear(connection, [beat(0, processed=7)])
        (worker,) = (await nodes.list_workers(connection, limit=10, offset=0))[1]
        assert first is not None
        assert worker.worker_id == first.worker_id
        assert await nodes.get_worker(connection, worker_id=worker.worker_id) == worker
        assert await nodes.get_worker(connection, node="celery@nowhere") is None
        assert await nodes.get_worker_ids(connection, [NODE, "celery@nowhere"]) == {NODE: worker.worker_id}


async def test_the_order_in_which_signs_of_life_are_stored_does_not_matter(engine: AsyncEngine) -> None:
    now = datetime.now(UTC)
    beats = [
        beat(9, online_at=now - 9 * SECOND, processed=1),
        beat(5, processed=4, active=1, pid=None),
        beat(3, goodbye_at=now - 3 * SECOND, pid=2),
    ]
    found = []
    for order in itertools.permutations(beats):
        async with engine.begin() as connection:
            await connection.execute(delete(table))
            for heartbeat in order:
                await nodes.hear(connection, [heartbeat])
            found.append(await rows(connection))
    assert found == [found[0]] * len(found)
    (newest,) = found[0]
    assert (newest["pid"], newest["processed"], newest["last_event_at"]) == (2, 0, beats[2].at)
    assert (newest["online_at"], newest["goodbye_at"]) == (beats[0].online_at, beats[2].goodbye_at)


@pytest.mark.parametrize(
    ("second", "is_other"), [({"pid": 2}, True), ({"clock": 5}, True), ({"clock": 2_000}, False), ({}, False)]
)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_another_process_of_the_name_is_noticed_by_its_pid_or_its_clock(
    engine: AsyncEngine, second: dict[str, int], order: tuple[int, ...], *, is_other: bool
) -> None:
    told: dict[str, Any] = {"pid": 1, "clock": 1_001} | second
    beats = [beat(3, pid=1, clock=1_000), beat(1, **told)]
    async with engine.begin() as connection:
        for index in order:
            await nodes.hear(connection, [beats[index]])
        worker = await nodes.get_worker(connection, node=NODE)
    assert worker is not None
    late_and_of_an_older_clock = order == (1, 0) and second == {"clock": 5}
    assert (worker.other_life_at == beats[0].heard_at) is (is_other and not late_and_of_an_older_clock)


async def test_a_late_sign_of_life_neither_revives_nor_ages_a_node(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        last = beat(0, processed=9)
        await nodes.hear(connection, [replace(last, goodbye_at=last.at)])
        gone = await rows(connection)
        await nodes.hear(connection, [beat(4, processed=5)])
        assert await rows(connection) == gone
        assert (await get_state(connection)).online_count == 0


async def test_sql_judges_every_worker_as_the_rules_do(engine: AsyncEngine) -> None:
    expected: dict[str, tuple[bool, WorkerStatus]] = {}
    async with engine.begin() as connection:
        now: datetime = (await connection.execute(select(func.now()))).scalar_one()
        for ago, wishes in itertools.product(itertools.product(*AGES.values()), WISHES):
            node = f"celery@{len(expected)}"
            times: dict[str, Any] = {
                name: None if age is None else now - age for name, age in zip(AGES, ago, strict=True)
            }
            await connection.execute(insert(table).values(worker_id=uuid7(), node=node, **times, **wishes))
            registered = times.pop("registered_at")
            online = is_online(**times, now=now)
            heard = times["last_heartbeat_at"] is not None
            awaited = is_awaited(registered_at=registered, ever_heard=heard, now=now)
            expected[node] = (
                online,
                worker_status_of(
                    present=online or awaited,
                    paused=bool(wishes.get("want_paused") or wishes.get("is_paused")),
                    draining="drain_started_at" in wishes and "drain_finished_at" not in wishes,
                ),
            )
        total, found = await nodes.list_workers(connection, limit=1000, offset=0)
        assert total == len(expected) == len(found)
        assert {worker.node: (worker.online, worker.status) for worker in found} == expected
        assert (await get_state(connection)).online_count == sum(online for online, _ in expected.values())
        for wanted in WorkerStatus:
            total, found = await nodes.list_workers(connection, limit=1000, offset=0, status=wanted)
            assert {worker.node for worker in found} == {node for node, (_, is_) in expected.items() if is_ is wanted}
            assert total == len(found)
            if wanted is WorkerStatus.ACTIVE:
                assert await nodes.count_workers(connection) == (len(expected), total)


async def test_sql_judges_every_sign_of_life_as_the_rules_do(engine: AsyncEngine) -> None:
    heartbeats = (None, timedelta(0), SILENCE + SECOND, 99 * SECOND, 700 * SECOND)
    seen = (None, timedelta(0), SILENCE + SECOND, MUTE_SILENCE - SECOND, MUTE_SILENCE + SECOND)
    goodbyes = (None, timedelta(0), 99 * SECOND)
    expected: dict[str, bool] = {}
    async with engine.begin() as connection:
        now: datetime = (await connection.execute(select(func.now()))).scalar_one()
        for heard, last, goodbye, every in itertools.product(heartbeats, seen, goodbyes, (None, 2.0, 40.0, 1e9)):
            node = f"celery@{len(expected)}"
            ages = {"last_heartbeat_at": heard, "last_event_at": heard, "seen_at": last, "goodbye_at": goodbye}
            times = {name: None if age is None else now - age for name, age in ages.items()}
            row = {"worker_id": uuid7(), "node": node, "heartbeat_seconds": every, **times}
            await connection.execute(insert(table).values(row))
            expected[node] = is_online(**times, heartbeat_seconds=every, now=now)
        _, found = await nodes.list_workers(connection, limit=1000, offset=0)
        assert {worker.node: worker.online for worker in found} == expected
        assert 0 < sum(expected.values()) < len(expected)


async def test_old_workers_are_forgotten_unless_somebody_wants_them(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for node in ("new", "old", "held", "registered", "mute"):
            await nodes.hear(connection, [beat(100 if node != "new" else 0, node=node)])
            await descriptions.save_description(connection, description(node))
        await connection.execute(update(table).where(table.c.node == "held").values(want_paused=True))
        await connection.execute(update(table).where(table.c.node == "registered").values(registered_at=func.now()))
        await signs.see(connection, {"mute": datetime.now(UTC)})
        assert await strangers.forget_old(connection, kept_for=timedelta(seconds=50), most=10) == 1
        _, found = await nodes.list_workers(connection, limit=10, offset=0)
        assert [worker.node for worker in found] == ["held", "mute", "new", "registered"]
        known = select(registered_tasks.c.node).distinct().order_by(registered_tasks.c.node)
        assert list((await connection.execute(known)).scalars()) == ["held", "mute", "new", "registered"]


async def test_workers_are_listed_by_name_in_pages_with_their_running_tasks(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await nodes.hear(connection, [beat(node=f"celery@{letter}") for letter in "cab"])
        await submissions.add_submissions(connection, [make_submission() for _ in range(3)])
        await connection.execute(update(tasks).values(status="RUNNING", node="celery@b"))
        total, page = await nodes.list_workers(connection, limit=2, offset=1)
        _, beyond = await nodes.list_workers(connection, limit=2, offset=2**40)
    assert (total, beyond) == (3, [])
    assert [(worker.node, worker.running) for worker in page] == [("celery@b", 3), ("celery@c", 0)]


async def test_a_node_needs_a_description_when_it_is_new_restarted_or_described_long_ago(engine: AsyncEngine) -> None:
    async def undescribed(connection: AsyncConnection, *, max_age: timedelta = timedelta(seconds=60)) -> list[str]:
        return await descriptions.list_undescribed(connection, max_age=max_age)

    async with engine.begin() as connection:
        await nodes.hear(connection, [beat(2, online_at=datetime.now(UTC) - 2 * SECOND), beat(99, node="celery@gone")])
        assert await undescribed(connection) == [NODE]
        await descriptions.save_description(connection, description())
        assert await undescribed(connection) == []
    async with engine.begin() as connection:
        assert await undescribed(connection, max_age=timedelta(0)) == [NODE]
        await nodes.hear(connection, [beat(0, pid=2)])
        assert await undescribed(connection) == [NODE]
        await descriptions.save_description(connection, description(pid=2))
        assert await undescribed(connection) == []
        await nodes.hear(connection, [beat(-1, pid=2, online_at=datetime.now(UTC) + SECOND)])
        assert await undescribed(connection) == [NODE]


async def test_a_description_replaces_the_one_before(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await nodes.hear(connection, [beat()])
        await descriptions.save_description(connection, description(registered=["a", "b", "a"]))
        await descriptions.save_description(
            connection, description(registered=["b", "c"], queues=["math"], concurrency=4)
        )
        names = (await connection.execute(select(registered_tasks.c.task_name).order_by("task_name"))).scalars().all()
        worker = await nodes.get_worker(connection, node=NODE)
        assert names == ["b", "c"]
        assert worker is not None
        assert (worker.queues, worker.concurrency, worker.pool, worker.plugin) == (["math"], 4, "prefork", "1.0")
        await descriptions.save_description(connection, description(registered=[]))
        assert (await connection.execute(select(registered_tasks))).all() == []


async def test_task_names_are_known_as_long_as_any_worker_told_them_lately(engine: AsyncEngine) -> None:
    old = datetime.now(UTC) - timedelta(days=8)
    async with engine.begin() as connection:
        for node, name, seen_at in (("a", "add", old), ("b", "add", func.now()), ("a", "sub", old)):
            await connection.execute(insert(registered_tasks).values(node=node, task_name=name, seen_at=seen_at))
        assert await names.list_known_task_names(connection, max_age=timedelta(days=7), limit=10) == ["add"]


async def test_consumers_are_the_online_nodes_that_were_described(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await nodes.hear(connection, [beat(), beat(node="celery@new"), beat(99, node="celery@gone")])
        for node in (NODE, "celery@gone"):
            await descriptions.save_description(connection, description(node, queues=["math", "celery"]))
        assert await nodes.list_consumers(connection) == [(NODE, ["math", "celery"])]


async def test_a_time_of_the_future_that_is_stored_gives_way_to_what_is_heard(engine: AsyncEngine) -> None:
    """A goodbye of tomorrow, or our own clock that was ahead for an hour, must not hold for as long."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    times = dict.fromkeys(("last_heartbeat_at", "last_event_at", "online_at", "goodbye_at"), tomorrow)
    async with engine.begin() as connection:
        await nodes.hear(connection, [beat(0)])
        await connection.execute(update(table).values(**times))
    async with engine.begin() as connection:
        await nodes.hear(connection, [beat(0, processed=8)])
        (row,) = await rows(connection)
        soon = datetime.now(UTC) + timedelta(seconds=AHEAD_SECONDS)
        assert all(row[name] <= soon for name in times)
        # As it will be in AHEAD_SECONDS.
        await nodes.hear(connection, [replace(beat(0), at=soon + SECOND)])
        assert (await get_state(connection)).online_count == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_starts_and_goodbyes_of_a_name_are_kept_in_whatever_order_they_come(
    engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    one, two, now = (datetime.now(UTC) - timedelta(seconds=ago) for ago in (60, 30, 0))
    told = [
        beat(60, online_at=one),
        beat(40, goodbye_at=two - timedelta(seconds=10)),
        beat(30, pid=2, online_at=two),
        beat(0, pid=3, online_at=now),
    ]
    async with engine.begin() as connection:
        for index in (*order, *order):
            await nodes.hear(connection, [told[index]])
        row = await nodes.get_worker(connection, node=NODE)
    assert row is not None
    assert (sorted(row.starts or ()), row.goodbyes) == ([one, two, now], [two - timedelta(seconds=10)])


async def test_of_many_lives_the_latest_are_kept(engine: AsyncEngine) -> None:
    began = datetime.now(UTC) - timedelta(hours=1)
    starts = [began + timedelta(seconds=number) for number in range(MOST_LIVES + 5)]
    async with engine.begin() as connection:
        for start in starts:
            await nodes.hear(connection, [beat(online_at=start)])
        row = await nodes.get_worker(connection, node=NODE)
    assert row is not None
    assert sorted(row.starts or ()) == starts[5:]
