"""Alerts reach people by mail and by a webhook, once for each phase, whatever fails on the way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from domain.alerts.conditions import AlertFinding, Judgement, Key
from domain.alerts.rules import DEFAULT_RULES, AlertType
from domain.at_rest import MARK, AtRestKeys
from domain.degradation import BlockedWork
from domain.notifications.delivery import MAX_WAITING, TRIED_FOR, MessageStatus, Outcome
from gateway.notifications.sender import Sender
from loops.notifications import NotificationsRound
from services.alerts import measure, write_changes
from services.notifications.channels import (
    ChannelOrder,
    change_channel,
    check_url,
    create_channel,
    delete_channel,
    try_channel,
)
from services.notifications.routes import RouteOrder, change_route, create_route
from store.engine import open_engine
from store.queries.notifications.channels import Channel, list_channels
from store.queries.notifications.messages import MessageRow, claim_due, forget_old, list_messages
from store.tables.base import metadata
from store.tables.notifications import notification_messages, notification_told
from tests.authors import AUTHOR
from tests.notified import SECRET, HttpReceiver, SmtpReceiver, receiving_http, receiving_mail

URL = "https://celeriac.example.com"
KEYS = AtRestKeys(1, {1: bytes(range(32))})
DEEP, NOBODY = (AlertType.HIGH_QUEUE_DEPTH, "etl"), (AlertType.NO_ACTIVE_WORKERS, "")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine that encrypts."""
    engine = open_engine(database_url, pool_size=5, keys=KEYS)
    yield engine
    await engine.dispose()


@pytest.fixture
def web() -> Iterator[HttpReceiver]:
    with receiving_http() as receiver:
        yield receiver


@pytest.fixture
async def mail() -> AsyncIterator[SmtpReceiver]:
    async with receiving_mail() as receiver:
        yield receiver


class World:
    """Alerts, channels and routes, and the loop over them."""

    def __init__(self, engine: AsyncEngine, sender: Sender) -> None:
        self.engine = engine
        self.sender = sender
        self.round = NotificationsRound(engine, sender, public_url=URL)

    async def channel(self, name: str, url: str) -> Channel:
        shown = await check_url(self.sender, url)
        async with self.engine.begin() as connection:
            return await create_channel(connection, ChannelOrder(name, url), shown=shown, author=AUTHOR)

    async def route(self, *channels: Channel, **changes: Any) -> str:
        ids = tuple(channel.channel_id for channel in channels)
        order = RouteOrder(changes.pop("name", "first"), ids, (), (), (), 0, None, send_resolved=True, enabled=True)
        async with self.engine.begin() as connection:
            route = await create_route(connection, order, author=AUTHOR)
            if changes:
                await change_route(connection, str(route.route_id), changes=changes, author=AUTHOR)
            return str(route.route_id)

    async def raise_alerts(self, *keys: Key) -> None:
        found = [AlertFinding(key, 1, DEFAULT_RULES[key[0]], f"{key[0]} is wrong") for key in keys]
        async with self.engine.begin() as connection:
            await write_changes(connection, Judgement(tuple(found), (), {}, {}))

    async def resolve(self, *keys: Key) -> None:
        async with self.engine.begin() as connection:
            await write_changes(connection, Judgement((), (), dict.fromkeys(keys, 0.0), {}))

    async def run(self) -> None:
        """Rounds until nothing is to be done."""
        while not await self.round.run_once():
            pass

    async def messages(self) -> list[MessageRow]:
        async with self.engine.connect() as connection:
            return (await list_messages(connection, channel_id=None, status=None, limit=100, offset=0))[1]

    async def channels(self) -> dict[str, Channel]:
        async with self.engine.connect() as connection:
            return {each.name: each for each in (await list_channels(connection, limit=100, offset=0))[1]}

    async def make_due(self, **values: object) -> None:
        """Let the time of the next attempt have come."""
        async with self.engine.begin() as connection:
            past = text("now() - interval '1 s'")
            news = {"next_attempt_at": past, **values}
            await connection.execute(update(notification_messages).values(news))


@asynccontextmanager
async def world_of(engine: AsyncEngine, **options: Any) -> AsyncIterator[World]:
    async with Sender(options.pop("allowed", ["127.0.0.0/8"]), **options) as sender:
        yield World(engine, sender)


@pytest.fixture
async def world(engine: AsyncEngine) -> AsyncIterator[World]:
    async with world_of(engine) as world:
        yield world


async def test_each_kind_of_alert_is_told_by_mail_and_by_a_webhook_and_so_is_its_end(
    world: World, web: HttpReceiver, mail: SmtpReceiver
) -> None:
    await world.route(await world.channel("mail", mail.channel), await world.channel("web", web.channel))
    for kind in AlertType:
        await world.raise_alerts((kind, "one"))
        assert await world.round.run_once() == 0
    titles = [f"{DEFAULT_RULES[kind].severity}: {kind} is wrong" for kind in AlertType]
    assert [body["title"] for body in web.bodies] == titles
    assert [message["Subject"] for message in mail.mails] == titles
    content = mail.mails[0].get_content()
    assert content.startswith("- WARNING HIGH_QUEUE_DEPTH one: HIGH_QUEUE_DEPTH is wrong (since ")
    assert content.rstrip().endswith(f"{URL}/api/v1/alerts")
    assert {body["type"] for body in web.bodies} == {"info", "warning", "failure"}

    await world.run()
    assert len(web.bodies) == len(mail.mails) == len(AlertType)
    await world.resolve(*((kind, "one") for kind in AlertType))
    await world.run()
    assert web.bodies[-1]["title"] == mail.mails[-1]["Subject"] == f"Resolved: {len(AlertType)} alerts"
    await world.run()
    assert len(web.bodies) == len(mail.mails) == len(AlertType) + 1
    assert {message.status for message in await world.messages()} == {MessageStatus.DELIVERED}
    assert set(web.paths) == {f"/{SECRET}"}


async def test_alerts_that_come_together_are_one_message_and_two_processes_send_it_once(
    world: World, web: HttpReceiver
) -> None:
    await world.route(await world.channel("web", web.channel))
    await world.raise_alerts(DEEP, NOBODY)
    other = NotificationsRound(world.engine, world.sender, public_url=None)
    await asyncio.gather(*(each.run_once() for each in (world.round, other) * 3))
    await world.run()
    (body,) = web.bodies
    assert body["title"] == "CRITICAL: 2 alerts open"
    assert body["message"].index("NO_ACTIVE_WORKERS") < body["message"].index("HIGH_QUEUE_DEPTH")


async def test_a_channel_that_fails_is_tried_again_is_an_alert_and_is_told_through_others(
    world: World, web: HttpReceiver, mail: SmtpReceiver
) -> None:
    channels = await world.channel("web", web.channel), await world.channel("mail", mail.channel)
    await world.route(*channels)
    web.status = 503
    await world.raise_alerts(DEEP)
    with capture_logs() as logs:
        await world.run()
    told = {line["event"]: line for line in logs}
    assert (told["notification_failed"]["channel"], told["notification_failed"]["code"]) == ("web", 503)
    assert told["notification_sent"]["channel"] == "mail"
    assert len(web.bodies) == len(mail.mails) == 1
    web_channel = (await world.channels())["web"]
    assert (web_channel.last_outcome, web_channel.last_code) == (Outcome.REFUSED, 503)
    assert web_channel.failing_since is not None
    async with world.engine.connect() as connection:
        inputs = (await measure(connection, DEFAULT_RULES, blocked=BlockedWork())).inputs
    assert inputs.failing_channels.keys() == {"web"}
    await try_channel(
        world.engine.begin, world.sender, channel_id=str(web_channel.channel_id), public_url=URL, author=AUTHOR
    )
    assert (await world.channels())["web"].failing_since == web_channel.failing_since, "a test does not hide it either"

    await world.raise_alerts((AlertType.NOTIFICATION_FAILING, "web"))
    await world.run()
    assert [message["Subject"] for message in mail.mails][1:] == ["WARNING: NOTIFICATION_FAILING is wrong"]
    assert len(web.bodies) == 2

    web.status = 204
    await world.make_due()
    await world.run()
    assert [body["title"] for body in web.bodies if "Test" not in body["title"]] == [
        "WARNING: HIGH_QUEUE_DEPTH is wrong"
    ] * 2
    assert (await world.channels())["web"].failing_since is None
    assert [message.attempts for message in await world.messages()] == [1, 1, 2]


async def test_what_a_process_has_leased_and_left_is_sent_by_another(world: World, web: HttpReceiver) -> None:
    await world.route(await world.channel("web", web.channel))
    await world.raise_alerts(DEEP)
    async with world.engine.begin() as connection:
        # As a process does that dies when it has planned and leased.
        assert await world.round.run_once() == 0
        await connection.execute(update(notification_messages).values(status="PENDING"))
    async with world.engine.begin() as connection:
        assert len(await claim_due(connection, most=5, lease=timedelta(minutes=1))) == 1
    await world.run()
    assert len(web.bodies) == 1
    await world.make_due(leased_until=text("now()"))
    await world.run()
    assert len(web.bodies) == 2


async def test_a_message_is_given_up_after_a_day(world: World, web: HttpReceiver) -> None:
    web.status = 500
    await world.route(await world.channel("web", web.channel))
    await world.raise_alerts(DEEP)
    await world.run()
    (message,) = await world.messages()
    assert (message.status, message.attempts) == (MessageStatus.PENDING, 1)
    await world.make_due(created_at=message.created_at - TRIED_FOR)
    await world.run()
    (message,) = await world.messages()
    assert (message.status, message.attempts, message.last_code) == (MessageStatus.FAILED, 2, 500)
    async with world.engine.begin() as connection:
        await forget_old(connection, older_than=timedelta(0))
    assert await world.messages() == []


async def test_a_service_that_says_nothing_is_left_and_holds_up_no_other(
    engine: AsyncEngine, web: HttpReceiver, mail: SmtpReceiver
) -> None:
    async with world_of(engine, seconds=4.0) as world:
        await world.route(
            # Twice the time that the message has: Apprise itself would wait.
            await world.channel("web", f"{web.channel}?rto=60&cto=60"),
            await world.channel("mail", mail.channel),
        )
        web.holds.clear()
        await world.raise_alerts(DEEP)
        await world.run()
        channels = await world.channels()
        assert channels["web"].last_outcome == Outcome.TIMEOUT
        assert channels["mail"].last_outcome == Outcome.DELIVERED
        assert len(mail.mails) == 1


async def test_an_address_that_is_not_allowed_is_not_dialled(engine: AsyncEngine, web: HttpReceiver) -> None:
    async with world_of(engine, allowed=["10.0.0.0/8"]) as world:
        await world.route(await world.channel("web", web.channel))
        await world.raise_alerts(DEEP)
        await world.run()
        assert (await world.channels())["web"].last_outcome == Outcome.NOT_ALLOWED
        assert web.bodies == []


async def test_for_a_channel_with_enough_waiting_alerts_wait_to_be_told_together(
    world: World, web: HttpReceiver
) -> None:
    web.status = 500
    channel = await world.channel("web", web.channel)
    await world.route(channel)
    await world.raise_alerts(*((AlertType.STUCK_TASKS, str(number)) for number in range(MAX_WAITING + 1)))
    await world.run()
    async with world.engine.begin() as connection:
        # One message tells of 50, so that one more waits; now there are 50 that wait.
        await connection.execute(text(FILL), {"waiting": MAX_WAITING})
    await world.raise_alerts(DEEP)
    await world.run()
    assert len(await world.messages()) == MAX_WAITING
    async with world.engine.begin() as connection:
        await change_channel(connection, str(channel.channel_id), changes={"enabled": False}, shown=None, author=AUTHOR)
    assert await world.messages() == []
    async with world.engine.begin() as connection:
        await change_channel(connection, str(channel.channel_id), changes={"enabled": True}, shown=None, author=AUTHOR)
    web.status = 204
    await world.run()
    assert web.bodies[-1]["title"] == "WARNING: HIGH_QUEUE_DEPTH is wrong"


FILL = """
insert into notification_messages (message_id, channel_id, route_id, title, body, kind, alerts, status, next_attempt_at)
select gen_random_uuid(), channel_id, route_id, title, body, kind, alerts, status, now() + interval '1 h'
from (select * from notification_messages limit 1) one,
    generate_series(1, :waiting - (select count(*) from notification_messages))
"""


async def test_what_is_deleted_or_switched_off_tells_nobody(world: World, web: HttpReceiver) -> None:
    channel = await world.channel("web", web.channel)
    await world.route(channel, enabled=False)
    await world.raise_alerts(DEEP)
    await world.run()
    await world.route(channel, name="second")
    async with world.engine.begin() as connection:
        await delete_channel(connection, str(channel.channel_id), author=AUTHOR)
    await world.run()
    assert web.bodies == []
    async with world.engine.connect() as connection:
        assert (await connection.execute(select(notification_told))).all() == []


async def test_the_secret_of_a_channel_is_nowhere(world: World, web: HttpReceiver, mail: SmtpReceiver) -> None:
    web.status = 500
    channels = await world.channel("web", web.channel), await world.channel("mail", mail.channel)
    await world.route(*channels)
    await world.raise_alerts(DEEP)
    with capture_logs() as logs:
        await world.run()
    assert len(logs) == 2
    assert SECRET not in str(logs)
    assert SECRET not in repr(await world.channels())
    async with world.engine.connect() as connection:
        rows = {table.name: str((await connection.execute(select(table))).all()) for table in metadata.sorted_tables}
    assert [name for name, stored in rows.items() if SECRET in stored] == []
    assert rows["notification_channels"].count(MARK) == 2
    assert rows["audit"].count("channel.create") == 2
