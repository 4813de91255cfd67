"""Webhooks from the feed to a receiver: each change once as a row, at least once on the wire, whoever dies or lies."""

import asyncio
import os
import random
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.embedded.files import is_free
from domain.at_rest import is_marked, parse_keys
from domain.feed import Change, ChangeType, Place, Told, task_data, type_of_task_change
from domain.filters import TaskFilter
from domain.redaction.rules import Redaction
from domain.states import Phase, Status
from domain.webhooks.circuit import OPENS_AFTER
from domain.webhooks.endpoints import Egress
from domain.webhooks.subscriptions import Subscription
from domain.webhooks.webhook import Ordering, State, Webhook
from gateway.guarded_http import GuardedHttp
from gateway.webhook_sender import WebhookSender
from loops.webhooks import FanOutRound, WebhooksRound
from services.feed import tell
from services.webhooks import settings
from services.webhooks.fanout import fan_out
from services.webhooks.settings import Order
from store.engine import open_engine
from store.queries.tasks.filters import conditions
from store.tables.tasks import tasks
from store.tables.webhooks import webhook_attempts, webhook_deliveries, webhooks
from tests.authors import AUTHOR
from tests.patience import until
from tests.receivers import answering, hang, receiving
from tests.stored import add_task

EGRESS = Egress(allow_http=True, networks=(ip_network("127.0.0.1/32"),))
ALL = Subscription(("*",))


class NoListener:
    async def wait(self, timeout_seconds: float) -> bool:
        raise AssertionError("rounds are run by hand")


async def make(engine: AsyncEngine, url: str, *, subscription: Subscription = ALL, **given: Any) -> Webhook:
    async with engine.begin() as connection:
        order = Order(url, subscription, **given)
        return await settings.create_webhook(connection, order, author=AUTHOR, egress=EGRESS)


async def change(engine: AsyncEngine, *subjects: str, kind: str = "task.failed", **given: Any) -> None:
    for subject in subjects:
        async with engine.begin() as connection:
            await tell(connection, [Change(kind, subject, **({"status": "FAILED"} | given))])


async def make_deliveries(engine: AsyncEngine) -> None:
    await FanOutRound(engine, NoListener(), redaction=Redaction()).run_once()


async def rows_of(engine: AsyncEngine) -> list[Any]:
    async with engine.connect() as connection:
        rows = await connection.execute(select(webhook_deliveries).order_by(webhook_deliveries.c.delivery_id))
        return list(rows)


async def read_webhook(engine: AsyncEngine, webhook: Webhook) -> Webhook:
    async with engine.connect() as connection:
        return await settings.find_webhook(connection, webhook.webhook_id)


async def set_all(engine: AsyncEngine, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(webhook_deliveries).values(values))


@dataclass
class Delivering:
    """The loop that sends, round by round."""

    engine: AsyncEngine
    round: WebhooksRound

    async def until_idle(self) -> None:
        """Run rounds until nothing is due and nothing is on its way."""
        while True:
            await self.round.run_once()
            if not self.round.is_busy:
                return
            await self.round.wait(5)


@asynccontextmanager
async def delivering(engine: AsyncEngine) -> AsyncIterator[Delivering]:
    async with GuardedHttp(EGRESS.networks) as http:
        sending_round = WebhooksRound(engine, WebhookSender(http, EGRESS))
        yield Delivering(engine, sending_round)
        await sending_round.close()


async def deliver(engine: AsyncEngine) -> None:
    await make_deliveries(engine)
    async with delivering(engine) as loop:
        await loop.until_idle()


async def test_a_change_is_delivered_signed_and_recorded(engine: AsyncEngine) -> None:
    await change(engine, "before")
    async with receiving(answering(200, body="thanks")) as receiver:
        webhook = await make(engine, receiver.url, headers={"X-Team": "etl"})
        await change(engine, "one", task_name="shop.pay", queue_name="etl", data={"attempt": 1})
        await deliver(engine)
        await deliver(engine)  # what was delivered is not delivered again
    (received,) = receiver.received
    assert received.verified(webhook.secret)["data"] == {
        "task_id": "one",
        "task_name": "shop.pay",
        "queue_name": "etl",
        "status": "FAILED",
        "attempt": 1,
    }
    assert received.headers["x-team"] == "etl"
    (row,) = await rows_of(engine)
    assert (row.status, row.attempts, row.leased_until, row.next_attempt_at) == ("DELIVERED", 1, None, None)
    assert received.headers["webhook-id"] == row.event_id
    async with engine.connect() as connection:
        (attempt,) = (await connection.execute(select(webhook_attempts))).all()
    assert (attempt.attempt_no, attempt.status_code, attempt.error, attempt.answer) == (1, 200, None, "thanks")


async def test_only_what_is_wanted_becomes_a_delivery(engine: AsyncEngine) -> None:
    wanted = Subscription(("task.*", "shop.*"), TaskFilter(statuses=(Status.FAILED,), queue_name="etl"))
    await make(engine, "https://example.com/", subscription=wanted)
    await change(engine, "one", queue_name="etl")
    await change(engine, "two", queue_name="other")
    await change(engine, "three", queue_name="etl", kind="workflow.failed")
    await make_deliveries(engine)
    assert [row.subject_id for row in await rows_of(engine)] == ["one"]


async def test_fan_outs_side_by_side_make_each_delivery_once(engine: AsyncEngine) -> None:
    for _ in range(3):
        await make(engine, "https://example.com/")
    await change(engine, *map(str, range(40)))

    async def follow() -> None:
        for _ in range(30):
            async with engine.begin() as connection:
                await fan_out(connection, redaction=Redaction(), public_url=None, limit=3)

    await asyncio.gather(follow(), follow(), follow())
    async with engine.connect() as connection:
        counts = select(func.count()).select_from(webhook_deliveries).group_by(webhook_deliveries.c.webhook_id)
        assert (await connection.execute(counts)).scalars().all() == [40, 40, 40]


async def test_a_fan_out_that_dies_before_its_commit_leaves_nothing_and_loses_nothing(engine: AsyncEngine) -> None:
    await make(engine, "https://example.com/")
    await change(engine, "one")
    async with engine.connect() as connection:
        assert (await fan_out(connection, redaction=Redaction(), public_url=None)).made == 1
    assert await rows_of(engine) == []
    await make_deliveries(engine)
    assert len(await rows_of(engine)) == 1


async def test_a_process_that_dies_while_it_sends_has_its_delivery_sent_again_under_the_same_id(
    engine: AsyncEngine,
) -> None:
    async with receiving(hang) as receiver:
        await make(engine, receiver.url)
        await change(engine, "one")
        await make_deliveries(engine)
        async with delivering(engine) as dead:
            await dead.round.run_once()
            await until(lambda: len(receiver.received) == 1, "the delivery has arrived")
            receiver.reply = answering(200)
            async with delivering(engine) as other:
                await other.until_idle()
                assert len(receiver.received) == 1  # the lease still holds
                await set_all(engine, leased_until=datetime.now(UTC) - timedelta(seconds=1))
                await other.until_idle()
    assert len(set(receiver.ids())) == 1
    assert len(receiver.received) == 2
    assert [row.status for row in await rows_of(engine)] == ["DELIVERED"]


async def test_a_loop_that_is_stopped_gives_back_what_it_was_sending(engine: AsyncEngine) -> None:
    async with receiving(hang) as receiver:
        await make(engine, receiver.url)
        await change(engine, "one")
        await make_deliveries(engine)
        async with delivering(engine) as loop:
            await loop.round.run_once()
    (row,) = await rows_of(engine)
    assert (row.status, row.attempts, row.leased_until) == ("PENDING", 0, None)


async def test_what_fails_is_tried_again_later_until_it_has_failed_for_good(engine: AsyncEngine) -> None:
    async with receiving(answering(500, body="\x00 no")) as receiver:
        webhook = await make(engine, receiver.url)
        await change(engine, "one")
        await deliver(engine)
        (row,) = await rows_of(engine)
        assert (row.status, row.attempts, row.last_status_code) == ("PENDING", 1, 500)
        assert 3.9 < (row.next_attempt_at - row.done_at).total_seconds() < 6.1
        await set_all(engine, attempts=9, next_attempt_at=datetime.now(UTC))
        await deliver(engine)
    (row,) = await rows_of(engine)
    assert (row.status, row.attempts, row.last_error) == ("FAILED", 10, "status 500")
    assert (await read_webhook(engine, webhook)).circuit.failures == 2


async def test_a_dead_endpoint_is_left_alone_and_spends_no_attempts(engine: AsyncEngine) -> None:
    async with receiving(answering(500)) as receiver:
        webhook = await make(engine, receiver.url)
        await change(engine, *map(str, range(OPENS_AFTER + 20)))
        await deliver(engine)
        sent = len(receiver.received)
        assert OPENS_AFTER <= sent < OPENS_AFTER + webhook.max_in_flight
        await deliver(engine)
        assert len(receiver.received) == sent
        assert sum(row.attempts for row in await rows_of(engine)) == sent
        async with engine.begin() as connection:
            await connection.execute(update(webhooks).values(held_until=datetime.now(UTC)))
        receiver.reply = answering(200)
        await deliver(engine)
    assert sum(row.status == "DELIVERED" for row in await rows_of(engine)) == 30 - sent
    assert (await read_webhook(engine, webhook)).circuit.failures == 0


async def test_an_endpoint_that_is_gone_is_disabled_told_of_and_dropped(engine: AsyncEngine) -> None:
    async with receiving(answering(410)) as receiver:
        webhook = await make(engine, receiver.url, max_in_flight=1)
        other = await make(engine, "https://example.com/", subscription=Subscription(("webhook.disabled",)))
        await change(engine, "one", "two")
        await deliver(engine)
        assert len(receiver.received) == 1
    after = await read_webhook(engine, webhook)
    assert (after.state, after.disabled_because) == (State.DISABLED, "gone")
    await deliver(engine)
    rows = {row.webhook_id: row for row in await rows_of(engine)}
    assert rows[other.webhook_id].type == ChangeType.WEBHOOK_DISABLED
    assert {row.status for row in await rows_of(engine) if row.webhook_id == webhook.webhook_id} == {"DROPPED"}


async def test_five_days_of_nothing_but_failures_disable_it(engine: AsyncEngine) -> None:
    async with receiving(answering(500)) as receiver:
        webhook = await make(engine, receiver.url)
        long_ago = datetime.now(UTC) - timedelta(days=5)
        async with engine.begin() as connection:
            await connection.execute(update(webhooks).values(failures=1, failing_since=long_ago))
        await change(engine, "one")
        await deliver(engine)
    after = await read_webhook(engine, webhook)
    assert (after.state, after.disabled_because) == (State.DISABLED, "failing")


async def test_changes_of_one_subject_come_one_after_another_where_that_is_asked_for(engine: AsyncEngine) -> None:
    failing = {"again"}

    async def refuse_the_first(writer: asyncio.StreamWriter) -> None:
        await answering(500 if failing and failing.pop() else 200)(writer)

    async with receiving(refuse_the_first) as receiver:
        await make(engine, receiver.url, ordering=Ordering.SUBJECT)
        await change(engine, "one", data={"n": 1})
        await change(engine, "one", data={"n": 2})
        await deliver(engine)
        assert [row.attempts for row in await rows_of(engine)] == [1, 0]
        await set_all(engine, next_attempt_at=datetime.now(UTC))
        await deliver(engine)
    assert [b'"n":1' in each.body for each in receiver.received] == [True, True, False]


async def test_no_more_are_on_their_way_than_an_endpoint_takes(engine: AsyncEngine) -> None:
    async with receiving(hang) as receiver:
        await make(engine, receiver.url, max_in_flight=3)
        await change(engine, *"abcdef")
        await make_deliveries(engine)
        async with delivering(engine) as loop, delivering(engine) as other:
            await loop.round.run_once()
            await other.round.run_once()
            await until(lambda: len(receiver.received) == 3, "three have arrived")
            assert sum(row.leased_until is not None for row in await rows_of(engine)) == 3


async def test_a_rate_is_kept_by_all_processes_together(engine: AsyncEngine) -> None:
    async with receiving() as receiver:
        await make(engine, receiver.url, rate_per_second=2, max_in_flight=50)
        await change(engine, *"abcdef")
        await make_deliveries(engine)
        async with delivering(engine) as loop, delivering(engine) as other:
            await loop.round.run_once()
            await other.round.run_once()
            assert sum(row.leased_until is not None for row in await rows_of(engine)) <= 3


async def test_a_rotated_secret_signs_beside_the_old_one(engine: AsyncEngine) -> None:
    async with receiving() as receiver:
        old = await make(engine, receiver.url)
        async with engine.begin() as connection:
            new = await settings.rotate_secret(connection, old.webhook_id, overlap=timedelta(hours=1), author=AUTHOR)
        await change(engine, "one")
        await deliver(engine)
    (received,) = receiver.received
    assert received.verified(old.secret) == received.verified(new.secret)


async def test_what_nobody_is_told_any_more_is_removed(engine: AsyncEngine) -> None:
    webhook = await make(engine, "https://example.com/")
    await make(engine, "https://example.com/")
    await change(engine, "one")
    await make_deliveries(engine)
    async with engine.begin() as connection:
        await settings.delete_webhook(connection, webhook.webhook_id, author=AUTHOR)
        await connection.execute(
            update(webhooks)
            .where(webhooks.c.webhook_id != webhook.webhook_id)
            .values(held_until=datetime(2100, 1, 1, tzinfo=UTC))
        )
    async with delivering(engine) as loop:
        await loop.until_idle()
        assert [row.webhook_id for row in await rows_of(engine)] != [webhook.webhook_id]
        assert len(await rows_of(engine)) == 1
        await set_all(engine, created_at=datetime.now(UTC) - timedelta(days=31))
    async with delivering(engine) as loop:
        await loop.until_idle()
    assert await rows_of(engine) == []


async def test_secrets_headers_and_bodies_are_stored_encrypted_and_sent_as_they_are(database_url: str) -> None:
    sealed = open_engine(database_url, pool_size=3, keys=parse_keys([f"1:{b64encode(bytes(range(32))).decode()}"]))
    async with receiving(answering(200, body="thanks")) as receiver:
        webhook = await make(sealed, receiver.url, headers={"Authorization": "t0p"})
        await change(sealed, "one")
        await deliver(sealed)
    assert receiver.received[0].verified(webhook.secret)["data"]["task_id"] == "one"
    assert receiver.received[0].headers["authorization"] == "t0p"
    async with sealed.connect() as connection:
        (row,) = await connection.execute(select(webhooks.c.secret, webhooks.c.headers))
        (body,) = (await connection.execute(select(webhook_deliveries.c.body))).scalars()
        (answer,) = (await connection.execute(select(webhook_attempts.c.answer))).scalars()
    assert all(is_marked(text) for text in (*row, body, answer))
    await sealed.dispose()


async def test_the_receiver_of_the_documentation_takes_what_is_signed_and_nothing_else(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
    (tmp_path / "receiver.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    webhook = await make(engine, f"http://127.0.0.1:{port}/")
    environment = os.environ | {"WEBHOOK_SECRET": webhook.secret, "PORT": str(port)}
    receiver = await asyncio.create_subprocess_exec(
        sys.executable, tmp_path / "receiver.py", env=environment, stdout=PIPE, stderr=DEVNULL
    )
    try:
        await until(lambda: not is_free("127.0.0.1", port), "the receiver listens")
        await change(engine, "one")
        await deliver(engine)
        assert receiver.stdout is not None
        said = (await receiver.stdout.readline()).decode()
        (row,) = await rows_of(engine)
        assert said.startswith(f"{row.event_id} task.failed")
        async with engine.begin() as connection:
            await settings.rotate_secret(connection, webhook.webhook_id, overlap=timedelta(0), author=AUTHOR)
        await change(engine, "two")
        await deliver(engine)
        assert [row.last_status_code for row in await rows_of(engine)] == [204, 401]
    finally:
        receiver.terminate()
        await receiver.wait()


async def test_what_a_webhook_is_told_of_tasks_is_what_a_search_by_the_same_filter_finds(engine: AsyncEngine) -> None:
    chance = random.Random(17)
    errors = ("CardDeclined('no funds')", "Timeout('late')", None)
    rows = [
        {
            "task_id": f"task-{number}",
            "status": chance.choice(("COMPLETED", "FAILED", "CANCELLED")),
            "phase": "finished",
            "task_name": chance.choice(("shop.pay", "shop.ship")),
            "queue_name": chance.choice(("etl", "celery")),
            "exception": chance.choice(errors),
            "duration_seconds": chance.choice((None, 0.5, 1.0, 2.5)),
        }
        for number in range(80)
    ]
    async with engine.begin() as connection:
        for row in rows:
            await add_task(connection, **row)
    told = [change_of(number, row) for number, row in enumerate(rows)]
    found_any = 0
    async with engine.connect() as connection:
        for _ in range(60):
            wanted = TaskFilter(
                statuses=tuple(chance.sample((Status.FAILED, Status.COMPLETED), chance.randint(0, 2))),
                task_id=chance.choice((None, None, "task-3")),
                task_name=chance.choice((None, "shop.pay")),
                queue_name=chance.choice((None, "etl")),
                error=chance.choice((None, "NO FUNDS", "late")),
                min_duration=chance.choice((None, 1.0)),
                max_duration=chance.choice((None, 1.0)),
            )
            found = select(tasks.c.task_id).where(*conditions(wanted))
            ids = set((await connection.execute(found)).scalars())
            assert {each.subject_id for each in told if Subscription(("*",), wanted).matches(each)} == ids
            found_any += bool(ids)
    assert found_any > 10


def change_of(number: int, row: dict[str, Any]) -> Told:
    """The change that tells of this end."""
    names = {name: row[name] for name in ("task_name", "queue_name", "status")}
    status = Status(row["status"])
    data = task_data(attempt=1, error=row["exception"], duration_seconds=row["duration_seconds"], status=status)
    kind = type_of_task_change(status, Phase.FINISHED)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Told(Place(1, number), at, kind, row["task_id"], previous="RUNNING", data=data, **names)
