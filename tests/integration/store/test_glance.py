"""One look tells for each loop whether it has something to do, as the loop's own question does."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.alerts.conditions import AlertFinding
from domain.alerts.rules import DEFAULT_RULES, AlertType
from domain.audit import Action, Change
from domain.feed import Place
from domain.webhooks.endpoints import Egress
from domain.webhooks.subscriptions import Subscription
from domain.workers.status import Heartbeat, worker_id_of
from services.audit import record_change
from services.webhooks.settings import Order, create_webhook
from store.queries import alerts, outbox, submissions
from store.queries.glance import Glance, Waiting, glance_statement, read_glance
from store.queries.outbox import NotedRefusal
from store.queries.webhooks import fanout
from store.queries.webhooks.fanout import NewDelivery
from store.queries.workers import descriptions, nodes, signs, wishes
from store.queries.workers.descriptions import Description
from store.tables.alerts import alerts as alert_rows
from store.tables.audit import audit, audit_seals
from store.tables.notifications import notification_channels, notification_routes
from store.tables.rollups import rollup_deltas
from store.tables.search import search_queue
from store.tables.tasks import attempts, tasks
from store.tables.webhooks import webhook_deliveries, webhooks
from store.tables.workers import workers
from store.tables.workflows import workflow_wakes
from tests.authors import AUTHOR
from tests.submissions import make_submission

NODE = "celery@a"
MINUTE = timedelta(minutes=1)
STATEMENT = glance_statement(max_age=MINUTE, watched_age=MINUTE, most_strangers=1)
LATER = timedelta(hours=1)
ALL = Subscription(("*",))


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that is never committed; `now()` stands still in it."""
    async with engine.connect() as connection:
        yield connection


async def look(connection: AsyncConnection) -> Glance:
    return read_glance((await connection.exec_driver_sql(STATEMENT, execution_options={"no_parameters": True})).one())


async def waiting(connection: AsyncConnection) -> set[Waiting]:
    return set((await look(connection)).waiting)


async def submit(connection: AsyncConnection) -> str:
    """A task that waits in the outbox, its word and its count taken care of."""
    submission = make_submission()
    await submissions.add_submissions(connection, [submission])
    await connection.execute(delete(search_queue))
    await connection.execute(delete(rollup_deltas))
    return submission.task_id


async def hear(connection: AsyncConnection, node: str = NODE, *, pid: int = 1) -> None:
    now = datetime.now(UTC) - timedelta(seconds=1)
    await nodes.hear(connection, [Heartbeat(node, heard_at=now, at=now, pid=pid)])


async def describe(connection: AsyncConnection, **told: object) -> None:
    """A node that has said what it is, and was told to send events."""
    usual = {"pool": "prefork", "concurrency": 2, "prefetch_count": 1, "queues": ["celery"], "plugin": "1.0"}
    description = Description(node=NODE, pid=1, registered=["celeriac.add"], **(usual | told))  # type: ignore[arg-type]
    await descriptions.save_description(connection, description)
    await signs.note_events_asked(connection, [NODE], sending={})


async def test_where_nothing_happens_nothing_waits(connection: AsyncConnection) -> None:
    assert await waiting(connection) == set()


async def test_words_and_counts_of_what_was_submitted_wait(connection: AsyncConnection) -> None:
    await submissions.add_submissions(connection, [make_submission()])
    assert await waiting(connection) == {Waiting.DUE, Waiting.WORDS, Waiting.COUNTS}


async def test_a_task_waits_once_it_is_due_and_apart_once_it_was_refused(connection: AsyncConnection) -> None:
    task_id = await submit(connection)
    assert await waiting(connection) == {Waiting.DUE}
    for ago, expected in ((-LATER, set()), (LATER, {Waiting.REFUSED_DUE})):
        await outbox.note_refusals(connection, [NotedRefusal(task_id, 1, "", -ago, is_parked=False)])
        assert await waiting(connection) == expected


async def test_a_workflow_waits_once_its_wake_is_due(connection: AsyncConnection) -> None:
    now = datetime.now(UTC)
    for due_at, expected in ((now + LATER, set()), (now - LATER, {Waiting.WORKFLOWS})):
        await connection.execute(insert(workflow_wakes).values(workflow_id=uuid4(), due_at=due_at))
        assert await waiting(connection) == expected


async def test_a_cancel_of_what_was_dispatched_waits(connection: AsyncConnection) -> None:
    task_id = await submit(connection)
    await outbox.delete_dispatched(connection, [task_id])
    now = datetime.now(UTC)
    await connection.execute(update(tasks).where(tasks.c.task_id == task_id).values(cancel_requested_at=now))
    assert await waiting(connection) == set()
    await connection.execute(update(tasks).where(tasks.c.task_id == task_id).values(dispatched_at=now))
    assert await waiting(connection) == {Waiting.CANCELS}


async def test_a_node_waits_until_it_has_said_what_it_is_and_was_told_to_send_events(
    connection: AsyncConnection,
) -> None:
    await hear(connection)
    assert await waiting(connection) == {Waiting.UNDESCRIBED_NODES}
    await descriptions.save_description(
        connection,
        Description(
            node=NODE, pid=1, pool=None, concurrency=1, prefetch_count=1, queues=[], registered=[], plugin=None
        ),
    )
    assert await waiting(connection) == {Waiting.UNASKED_OF_EVENTS}
    await describe(connection)
    assert await waiting(connection) == set()


async def test_too_many_strangers_wait(connection: AsyncConnection) -> None:
    long_ago = datetime.now(UTC) - LATER
    for number, expected in ((1, set()), (2, {Waiting.UNDESCRIBED_NODES})):
        await nodes.hear(connection, [Heartbeat(f"celery@{number}", heard_at=long_ago, at=long_ago)])
        assert await waiting(connection) == expected


async def test_a_queue_that_nobody_consumes_waits(connection: AsyncConnection) -> None:
    await hear(connection)
    await describe(connection, queues=["other"])
    task_id = await submit(connection)
    await outbox.delete_dispatched(connection, [task_id])
    await connection.execute(update(tasks).values(task_name="celeriac.add", phase="queued"))
    assert await waiting(connection) == {Waiting.UNSERVED_QUEUES}


async def test_a_worker_that_is_not_as_wanted_waits_and_one_that_is_to_go(connection: AsyncConnection) -> None:
    await hear(connection)
    await describe(connection, is_paused=False)
    worker_id = worker_id_of(NODE)
    await wishes.want_pause(connection, worker_id)
    assert await waiting(connection) == {Waiting.DIVERGED_WORKERS}
    await describe(connection, is_paused=True)
    assert await waiting(connection) == set()
    await wishes.want_drain(connection, worker_id, deadline_at=None)
    assert await waiting(connection) == {Waiting.DIVERGED_WORKERS}


@pytest.mark.parametrize("ended", [False, True])
async def test_what_a_silent_worker_held_waits_also_where_another_run_has_ended_it(
    connection: AsyncConnection, *, ended: bool
) -> None:
    await hear(connection)
    await describe(connection)
    task_id = await submit(connection)
    await outbox.delete_dispatched(connection, [task_id])
    now = datetime.now(UTC)
    held = {"task_id": task_id, "number": 1, "retries": 0, "delivery": 0, "state": "STARTED", "node": NODE}
    await connection.execute(insert(attempts).values(**held, started_at=now - MINUTE))
    ending = {"status": "COMPLETED", "phase": "finished", "completed_at": now, "attempt_count": 2}
    await connection.execute(update(tasks).values(**ending if ended else {"status": "RUNNING", "phase": "running"}))
    assert await waiting(connection) == set()
    await connection.execute(update(workers).values(last_heartbeat_at=now - MINUTE))
    assert await waiting(connection) == {Waiting.ORPHANS}


async def test_it_tells_when_nodes_have_come_or_said_what_they_are(connection: AsyncConnection) -> None:
    told = [(await look(connection)).consumers_told]
    await hear(connection)
    told.append((await look(connection)).consumers_told)
    await describe(connection)
    told.append((await look(connection)).consumers_told)
    assert [online for online, _ in told] == [0, 1, 1]
    assert len({described_at for _, described_at in told}) == 2


async def test_audit_rows_wait_until_they_are_sealed(connection: AsyncConnection) -> None:
    change = Change(Action.RULES_CHANGE, "HIGH_QUEUE_DEPTH", before={}, after={})
    await record_change(connection, change, author=AUTHOR)
    assert await waiting(connection) == {Waiting.UNSEALED_ROWS}
    seal = {"kind": "rows", "begins_xact": 0, "begins_id": UUID(int=0), "ends_id": UUID(int=0), "row_ids": []}
    for number, ends, expected in ((1, 2**62, set()), (2, 1, {Waiting.UNSEALED_ROWS})):
        told = {"digests": b"", "previous_hash": bytes([number]), "seal_hash": b"", "at": datetime.now(UTC)}
        await connection.execute(insert(audit_seals).values(seal_no=number, ends_xact=ends, **seal, **told))
        assert await waiting(connection) == expected


async def test_an_alert_waits_where_somebody_is_to_be_told_of_it(connection: AsyncConnection) -> None:
    rule = DEFAULT_RULES[AlertType.STUCK_TASKS]
    await alerts.save(connection, [AlertFinding((rule.type, "report"), 1, rule, "")])
    made = {"enabled": True, "created_by": "anybody"}
    channel = {"channel_id": uuid4(), "name": "mail", "shown": "mail", "url": "mail", **made}
    lists: dict[str, list[str]] = {name: [] for name in ("channel_ids", "severities", "alert_types", "subjects")}
    route = {"route_id": uuid4(), "name": "all", "group_seconds": 0, "send_resolved": True, **lists, **made}
    for statement, expected in (
        (insert(notification_channels).values(channel), set()),
        (insert(notification_routes).values(route), {Waiting.ALERTS_TO_TELL}),
        (delete(alert_rows), set()),
    ):
        await connection.execute(statement)
        assert await waiting(connection) == expected


async def test_webhooks_wait_for_changes_and_their_deliveries_until_they_are_leased(
    connection: AsyncConnection,
) -> None:
    webhook = await create_webhook(connection, Order("https://example.com/", ALL), author=AUTHOR, egress=Egress())
    await connection.execute(delete(audit))
    assert await waiting(connection) == {Waiting.FOLLOWERS}
    place, delivery_id = Place(1, 1), uuid4()
    delivery = NewDelivery(delivery_id, webhook.webhook_id, "event", "task.failed", "task", place, "{}")
    await fanout.add_deliveries(connection, [delivery])
    assert await waiting(connection) == {Waiting.FOLLOWERS, Waiting.DELIVERIES}
    for changed, expected in (
        ({"leased_until": datetime.now(UTC) + LATER}, set()),
        ({"leased_until": None, "is_test": True}, {Waiting.DELIVERIES}),
        ({"status": "DELIVERED"}, set()),
    ):
        await connection.execute(update(webhook_deliveries).values(changed))
        assert await waiting(connection) == expected | {Waiting.FOLLOWERS}
    await connection.execute(update(webhooks).values(state="DISABLED"))
    assert await waiting(connection) == set()
