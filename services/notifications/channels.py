"""What administrators do with channels of notifications: make, change, delete and test them.

A channel's URL comes in here and goes to the store and to whoever sends; no answer, audit row or error holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from domain.at_rest import CannotOpen
from domain.audit import Action, Author, Change
from domain.errors import ChannelExists, ChannelNotFound, InvalidRequest
from domain.notifications.channels import MAX_CHANNELS, parse_url
from domain.notifications.delivery import Attempt, Outcome
from domain.notifications.messages import Text, write_test
from gateway.notifications.sender import Sender
from services.audit import record_change
from services.notifications.names import refuse_taken
from services.transactions import Transact
from store.queries import leadership
from store.queries.notifications import channels
from store.queries.notifications.channels import Channel

AUDITED = ("name", "shown", "enabled")
"""The fields of a channel that the audit shows."""


@dataclass(frozen=True, slots=True)
class ChannelOrder:
    """A channel as somebody wants it."""

    name: str
    url: str = field(repr=False)
    enabled: bool = True


async def check_url(sender: Sender, url: str) -> str:
    """Return what is shown in the place of this URL; raises InvalidRequest, which does not show it, if it is none."""
    try:
        destination = parse_url(url)
    except ValueError as flaw:
        raise InvalidRequest.of_field("url", str(flaw)) from None
    attempt = await sender.check(url)
    if attempt.outcome is not Outcome.DELIVERED:
        raise InvalidRequest.of_field("url", f"cannot be used: {attempt.sentence}")
    return destination.shown


async def create_channel(connection: AsyncConnection, order: ChannelOrder, *, shown: str, author: Author) -> Channel:
    """Store a channel whose URL was checked; raises ChannelExists, or InvalidRequest if there are `MAX_CHANNELS`."""
    now = await leadership.wait_for(connection, leadership.NOTIFICATIONS)
    total, others = await channels.list_channels(connection, limit=MAX_CHANNELS, offset=0)
    if total >= MAX_CHANNELS:
        raise InvalidRequest.of_field("name", f"there are {MAX_CHANNELS} channels; delete one first")
    refuse_taken(order.name, others, refusal=ChannelExists)
    channel_id = uuid7()
    values: dict[str, Any] = {"name": order.name, "shown": shown, "enabled": order.enabled}
    news = values | {"created_by": author.label, "created_at": now, "since": now}
    await channels.add_channel(connection, channel_id, values=news, url=order.url)
    await record_change(connection, Change(Action.CHANNEL_CREATE, str(channel_id), after=values), author=author)
    return await find_channel(connection, str(channel_id))


async def find_channel(connection: AsyncConnection, channel_id: str) -> Channel:
    """Return the channel of this id; raises ChannelNotFound."""
    try:
        found = await channels.get_channel(connection, UUID(channel_id))
    except ValueError:
        found = None
    if found is None:
        raise ChannelNotFound
    return found


async def change_channel(
    connection: AsyncConnection, channel_id: str, *, changes: Mapping[str, Any], shown: str | None, author: Author
) -> Channel:
    """Change these fields; raises ChannelNotFound or ChannelExists. `shown` stands for a new URL, which was checked.

    What waits for a channel is dropped when it is switched off. With a new URL it does not count as failing any more.
    """
    now = await leadership.wait_for(connection, leadership.NOTIFICATIONS)
    before = await find_channel(connection, channel_id)
    values = {name: value for name, value in changes.items() if name in ("name", "enabled")}
    if "name" in values:
        others = (await channels.list_channels(connection, limit=MAX_CHANNELS, offset=0))[1]
        refuse_taken(
            values["name"], [each for each in others if each.channel_id != before.channel_id], refusal=ChannelExists
        )
    values |= _consequences(before, values, shown=shown, now=now)
    if values.get("enabled") is False:
        await channels.drop_waiting(connection, before.channel_id)
    await channels.change_channel(connection, before.channel_id, values=values, url=changes.get("url"))
    after = await find_channel(connection, channel_id)
    told = _shown(after) | ({"url": "changed"} if shown else {})
    change = Change(Action.CHANNEL_CHANGE, str(before.channel_id), before=_shown(before), after=told)
    await record_change(connection, change, author=author)
    return after


def _consequences(
    before: Channel, values: Mapping[str, Any], *, shown: str | None, now: datetime
) -> dict[str, datetime | str | None]:
    """What changes with what somebody changes."""
    others: dict[str, datetime | str | None] = {}
    if shown is not None:
        others |= {"shown": shown, "failing_since": None}
    if values.get("enabled") is True and not before.enabled:
        others |= {"since": now, "failing_since": None}
    return others


async def delete_channel(connection: AsyncConnection, channel_id: str, *, author: Author) -> None:
    """Remove a channel with all that waits for it; raises ChannelNotFound."""
    await leadership.wait_for(connection, leadership.NOTIFICATIONS)
    before = await find_channel(connection, channel_id)
    await channels.delete_channel(connection, before.channel_id)
    change = Change(Action.CHANNEL_DELETE, str(before.channel_id), before=_shown(before))
    await record_change(connection, change, author=author)


async def try_channel(
    transact: Transact, sender: Sender, *, channel_id: str, public_url: str | None, author: Author
) -> Attempt:
    """Send a message that nothing is wrong, whether the channel is switched on or not, and return what became of it.

    No connection is held meanwhile. Raises ChannelNotFound.
    """
    async with transact() as connection:
        channel = await find_channel(connection, channel_id)
    text = write_test(channel.name, public_url)
    attempt = await send_through(transact, sender, channel_id=channel.channel_id, text=text)
    async with transact() as connection:
        await channels.note_attempt(connection, channel.channel_id, attempt=attempt, by_hand=True)
        change = Change(Action.CHANNEL_TEST, str(channel.channel_id), after={"outcome": attempt.outcome.value})
        await record_change(connection, change, author=author)
    return attempt


async def send_through(transact: Transact, sender: Sender, *, channel_id: UUID, text: Text) -> Attempt:
    """Send a text through a channel, and return what became of it. No connection is held meanwhile."""
    try:
        async with transact() as connection:
            url = await channels.get_url(connection, channel_id)
    except CannotOpen:
        return Attempt(Outcome.UNREADABLE)
    return Attempt(Outcome.INVALID) if url is None else await sender.send(url, text)


def _shown(channel: Channel) -> dict[str, object]:
    return {name: getattr(channel, name) for name in AUDITED}
