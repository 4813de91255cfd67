from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from domain.alerts.conditions import AlertFinding, AlertInputs, Parked
from domain.alerts.rules import DEFAULT_RULES, AlertType
from domain.audit import Action, Author, Change
from domain.degradation import BlockedWork
from domain.workers.status import worker_id_of
from services.audit import record_change
from store.queries import alerts, for_alerts, gaps, outbox
from store.queries.outbox import NotedRefusal
from store.tables.tasks import gaps as gaps_table
from tests.stored import add_task, add_undispatched, add_worker, ago

HOUR = timedelta(hours=1)
NOTHING_HELD = BlockedWork()


async def measured(
    connection: AsyncConnection, *, window: timedelta = HOUR, blocked: BlockedWork = NOTHING_HELD
) -> for_alerts.Measured:
    return await for_alerts.measure(connection, failures=window, silences=window, gaps=window, blocked=blocked)


async def inputs(connection: AsyncConnection, *, window: timedelta = HOUR) -> AlertInputs:
    return (await measured(connection, window=window)).inputs


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.begin() as connection:
        yield connection


async def test_an_empty_database_has_nothing_to_tell(connection: AsyncConnection) -> None:
    assert await measured(connection) == for_alerts.Measured(
        AlertInputs(waiting=None, without_events=[]), consumed=[], open_alerts=frozenset()
    )


async def test_due_tasks_are_counted_by_queue_and_scheduled_ones_are_not(connection: AsyncConnection) -> None:
    for _ in range(3):
        await add_undispatched(connection, queue_name="etl")
    await add_undispatched(connection, queue_name="celery")
    await add_undispatched(connection, queue_name="later", due_at=ago(-3600))
    assert (await inputs(connection)).due == {"etl": 3, "celery": 1}


async def test_the_oldest_due_task_tells_how_long_dispatch_has_stood_still(connection: AsyncConnection) -> None:
    await add_undispatched(connection, queue_name="etl", due_at=ago(20))
    await add_undispatched(connection, queue_name="etl", due_at=ago(40))
    assert (await inputs(connection)).oldest_due == pytest.approx(40, abs=2)


async def test_tasks_that_an_operator_holds_back_do_not_count_as_stood_still(connection: AsyncConnection) -> None:
    await add_undispatched(connection, queue_name="etl", due_at=ago(40))
    await add_undispatched(connection, queue_name="celery", due_at=ago(20))
    etl_held, all_held = BlockedWork(queue_names=frozenset({"etl"})), BlockedWork(everything=True)
    assert (await measured(connection, blocked=etl_held)).inputs.oldest_due == pytest.approx(20, abs=2)
    assert (await measured(connection, blocked=all_held)).inputs.oldest_due is None


async def test_a_task_that_the_broker_gives_back_again_and_again_is_waiting_since_the_first_time(
    connection: AsyncConnection,
) -> None:
    task_id = await add_undispatched(connection, queue_name="nowhere", due_at=ago(50), postponed_at=ago(45))
    await add_undispatched(connection, queue_name="etl", due_at=ago(50))
    await outbox.postpone(connection, [task_id], by=timedelta(seconds=1))
    assert (await inputs(connection)).refused == {"nowhere": pytest.approx(45, abs=2)}


async def test_a_first_refusal_is_noted_when_it_happens(connection: AsyncConnection) -> None:
    task_id = await add_undispatched(connection, queue_name="nowhere", due_at=ago(50))
    await outbox.postpone(connection, [task_id], by=timedelta(seconds=1))
    assert (await inputs(connection)).refused == {"nowhere": pytest.approx(0, abs=2)}


async def test_every_queue_tells_the_oldest_dispatch_that_nobody_received(connection: AsyncConnection) -> None:
    for queue, seconds in (("b", 10), ("a", 30), ("a", 90), ("c", 5), ("b", 70)):
        await add_task(connection, queue_name=queue, dispatched_at=ago(seconds))
    await add_task(connection, queue_name="received", dispatched_at=ago(900), attempt_count=1)
    await add_task(connection, queue_name="reserved", dispatched_at=ago(900), phase="reserved", attempt_count=1)
    await add_task(connection, queue_name="not-ours", dispatched_at=ago(900), submitted_here=False)
    await add_task(connection, queue_name="done", dispatched_at=ago(900), phase="finished", status="CANCELLED")
    waits = (await inputs(connection)).not_picked_up
    assert waits == {"a": pytest.approx(90, abs=2), "b": pytest.approx(70, abs=2), "c": pytest.approx(5, abs=2)}


async def test_waits_are_read_from_the_index_whatever_the_backlog(connection: AsyncConnection) -> None:
    await connection.execute(
        text(
            "insert into tasks (task_id, status, phase, queue_name, created_at, dispatched_at, events_from,"
            " checked_at, submitted_here) select n::text, 'PENDING', 'queued', 'q' || n % 3, now(), now(), now(),"
            " now(), true from generate_series(1, 20000) n"
        )
    )
    await connection.execute(text("analyze tasks"))
    question = str(
        for_alerts._not_picked_up.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    )
    plan = "\n".join(row[0] for row in await connection.exec_driver_sql(f"explain (analyze, buffers) {question}"))
    assert "tasks_unreceived" in plan
    assert "Seq Scan" not in plan
    assert set((await inputs(connection)).not_picked_up) == {"q0", "q1", "q2"}


async def test_the_longest_run_of_each_name_counts_unless_its_own_timeout_allows_it(
    connection: AsyncConnection,
) -> None:
    running = {"status": "RUNNING", "phase": "running", "attempt_count": 1}
    await add_task(connection, task_name="report", started_at=ago(100), **running)
    await add_task(connection, task_name="report", started_at=ago(300), **running)
    await add_task(connection, task_name="backup", started_at=ago(5000), timeout_seconds=86_400, **running)
    await add_task(connection, task_name="overdue", started_at=ago(500), timeout_seconds=60, **running)
    await add_task(connection, task_name="done", started_at=ago(500), status="COMPLETED", phase="finished")
    found = (await inputs(connection)).running
    assert found == {"report": pytest.approx(300, abs=2), "overdue": pytest.approx(500, abs=2)}


async def test_failures_are_counted_among_what_completed_or_failed_within_the_window(
    connection: AsyncConnection,
) -> None:
    for status, seconds in (("FAILED", 5), ("COMPLETED", 5), ("COMPLETED", 50), ("FAILED", 500), ("CANCELLED", 5)):
        await add_task(connection, status=status, phase="finished", completed_at=ago(seconds))
    found = await inputs(connection, window=timedelta(seconds=100))
    assert (found.failed, found.finished) == (1, 3)


async def test_only_workers_that_went_silent_without_a_goodbye_are_told(connection: AsyncConnection) -> None:
    await add_worker(connection, "celery@alive")
    await add_worker(connection, "celery@killed", silent=100)
    await add_worker(connection, "other@killed", silent=50)
    await add_worker(connection, "celery@left", silent=100, goodbye_at=ago(99))
    await add_worker(connection, "celery@gone-for-good", silent=90_000)
    await add_worker(connection, "celery@never-heard", last_heartbeat_at=None, last_event_at=None)
    await add_worker(connection, "celery@forged", silent=100, described_at=None)
    await add_worker(connection, "celery@forged-drain", silent=100, described_at=None, drain_started_at=ago(9))
    await add_worker(connection, "celery@registered", silent=30, described_at=None, registered_at=ago(200))
    found = (await inputs(connection, window=timedelta(days=1))).silent_workers
    assert found == {
        "killed": pytest.approx(100, abs=2),
        "other@killed": pytest.approx(50, abs=2),
        "registered": pytest.approx(30, abs=2),
        "forged-drain": pytest.approx(100, abs=2),
    }


async def test_of_gaps_only_what_lies_within_the_window_counts(connection: AsyncConnection) -> None:
    await gaps.add_gap(connection, source="broker", started_at=ago(100), ended_at=ago(90))
    await gaps.add_gap(connection, source="broker", started_at=ago(5000), ended_at=ago(3590))
    await gaps.add_gap(connection, source="broker", started_at=ago(9000), ended_at=ago(8000))
    assert (await inputs(connection)).missed == {"broker": pytest.approx(20, abs=2)}


async def test_unserved_queues_are_unknown_until_every_online_worker_has_told_its_own(
    connection: AsyncConnection,
) -> None:
    await add_worker(connection, "celery@one", queues=["celery", "etl"])
    await add_worker(connection, "celery@gone", silent=60, queues=["old"])
    for queue in ("etl", "old"):
        await add_task(connection, queue_name=queue, dispatched_at=ago(9))
    found = await measured(connection)
    assert (found.inputs.unserved, found.inputs.online_workers) == ({"old"}, 1)
    assert found.consumed == ["celery", "etl", "old"]
    await add_worker(connection, "celery@new")
    assert (await inputs(connection)).unserved == frozenset()


async def test_what_the_broker_refuses_for_good_is_told_with_its_first_task(connection: AsyncConnection) -> None:
    task_id = await add_undispatched(connection, queue_name="etl", due_at=ago(50))
    await outbox.note_refusals(connection, [NotedRefusal(task_id, 9, "no such queue", HOUR, is_parked=True)])
    assert (await inputs(connection)).parked == {"etl": Parked(task_id, "no such queue", 1)}


async def test_open_alerts_are_told_by_type_and_subject(connection: AsyncConnection) -> None:
    rule = DEFAULT_RULES[AlertType.STUCK_TASKS]
    await alerts.save(connection, [AlertFinding((rule.type, "report"), 1, rule, "")])
    assert (await measured(connection)).open_alerts == {(rule.type, "report")}
    await alerts.resolve(connection, {(rule.type, "report"): 0.0})
    assert (await measured(connection)).open_alerts == frozenset()


async def test_workers_that_people_hold_back_are_told_with_who_did_it(connection: AsyncConnection) -> None:
    ops = Author("api_key", "k7Qm2ZpX4rT1", "ops")
    await add_worker(connection, "celery@here", queues=["etl", "mail"], want_paused=True)
    await add_worker(connection, "celery@busy", queues=["mail"])
    drained: dict[str, Any] = {"queues": ["etl"], "drain_started_at": ago(70), "drain_finished_at": ago(60)}
    await add_worker(connection, "celery@gone", silent=60, **drained)
    await add_worker(connection, "celery@back", **drained)
    for node, action in (("celery@here", Action.WORKER_PAUSE), ("celery@gone", Action.WORKER_DRAIN)):
        await record_change(connection, Change(action, str(worker_id_of(node))), author=ops)
    found = await inputs(connection)
    assert found.stopped == set(), "one that was drained is back"
    here, gone = found.held
    assert (here.name, here.is_drained, here.by, here.queues) == ("here", False, "ops", {"etl", "mail"})
    assert (gone.name, gone.is_drained, gone.by, gone.left_last) == ("gone", True, "ops", True)
    assert here.at is not None
    await add_worker(connection, "celery@killed", silent=20)
    assert [worker.left_last for worker in (await inputs(connection)).held] == [False, False]


async def test_queues_whose_workers_all_are_held_back_are_told(connection: AsyncConnection) -> None:
    await add_worker(connection, "celery@one", queues=["etl", "mail"], want_paused=True)
    await add_worker(connection, "celery@two", queues=["etl"], is_paused=True)
    await add_worker(connection, "celery@three", queues=["mail"])
    found = await inputs(connection)
    assert found.stopped == {"etl"}
    assert {(worker.name, worker.at, worker.by) for worker in found.held} == {("one", None, None), ("two", None, None)}


RESTARTED: dict[str, Any] = {"starts": [20, 600], "goodbyes": [700], "other_life_at": 22}


async def add_restarted(connection: AsyncConnection, *, silent: float = 0, **seconds: Any) -> None:
    """A worker whose times lie so many seconds back."""
    times = {name: [ago(each) for each in of] if isinstance(of, list) else ago(of) for name, of in seconds.items()}
    await add_worker(connection, "celery@one", silent=silent, **times)


@pytest.mark.parametrize(
    ("given", "is_told"),
    [
        ({}, True),
        ({"goodbyes": []}, True),
        ({"goodbyes": [23]}, False),
        ({"other_life_at": 0}, False),
        ({"other_life_at": 90, "starts": [88, 600]}, False),
        ({"starts": [500, 600]}, False),
        ({"starts": [20]}, False),
        ({"silent": 16}, False),
    ],
    ids=["killed", "no-goodbye-ever", "goodbye", "perhaps-a-twin", "long-ago", "twin", "first-life", "gone"],
)
async def test_a_worker_that_was_killed_and_is_back_is_told_for_a_while(
    connection: AsyncConnection, given: dict[str, Any], is_told: bool
) -> None:
    await add_restarted(connection, **(RESTARTED | given))
    assert (await inputs(connection)).vanished_workers.keys() == ({"one"} if is_told else set())


async def test_of_a_time_in_which_goodbyes_were_not_heard_nothing_is_said(connection: AsyncConnection) -> None:
    await add_restarted(connection, **RESTARTED)
    await connection.execute(
        insert(gaps_table).values(gap_id=uuid7(), source="b", started_at=ago(25), ended_at=ago(19))
    )
    assert (await inputs(connection)).vanished_workers == {}
