"""Planning messages of what the alerts are, and delivering what is planned.

A message is planned once, in one transaction with what it tells, and sent at least once: whoever sends leases it first,
and a lease that is over is anybody's.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notifications.delivery import MAX_WAITING, TRIED_FOR, Attempt, Outcome, wait_after
from domain.notifications.messages import write_message
from domain.notifications.routes import LOOKED_BACK, plan_messages
from gateway.notifications.sender import SEND_SECONDS, Sender
from services.notifications.channels import send_through
from services.transactions import Transact
from store.queries import leadership
from store.queries.notifications import channels, messages, routes
from store.queries.notifications.messages import Claimed

LEASE = timedelta(seconds=4 * SEND_SECONDS)
"""Far longer than a message takes, with its turn."""

log = structlog.get_logger(__name__)


async def plan(connection: AsyncConnection, *, public_url: str | None) -> int:
    """Store the messages that are due, and return how many; 0 if another process does it just now."""
    if not await leadership.take(connection, leadership.NOTIFICATIONS):
        return 0
    enabled = await channels.list_enabled(connection)
    leading = await routes.list_enabled_routes(connection)
    if not enabled or not leading:
        return 0
    waiting = await messages.count_waiting(connection)
    free = {channel_id: seen for channel_id, seen in enabled.items() if waiting.get(channel_id, 0) < MAX_WAITING}
    alerts = await messages.list_seen(connection, back=LOOKED_BACK)
    told = await messages.list_told(connection, [alert.alert_id for alert in alerts])
    now = await leadership.wait_for(connection, leadership.NOTIFICATIONS)
    planned = plan_messages(leading, free, alerts=alerts, told=told, now=now)
    await messages.add_messages(connection, [(each, write_message(each.notices, public_url)) for each in planned])
    return len(planned)


async def deliver(transact: Transact, sender: Sender, *, claimed: Claimed, now: datetime) -> Attempt:
    """Send a message that is leased, and keep what became of it."""
    attempt = await send_through(transact, sender, channel_id=claimed.channel_id, text=claimed.text)
    again = wait_after(claimed.attempts)
    gives_up = now + again - claimed.created_at > TRIED_FOR
    async with transact() as connection:
        await messages.settle(connection, claimed, attempt=attempt, again_after=None if gives_up else again)
        await channels.note_attempt(connection, claimed.channel_id, attempt=attempt)
    _tell(claimed, attempt, gives_up=gives_up)
    return attempt


def _tell(claimed: Claimed, attempt: Attempt, *, gives_up: bool) -> None:
    channel, message_id, number = claimed.channel, str(claimed.message_id), claimed.attempts
    if attempt.outcome is Outcome.DELIVERED:
        log.info("notification_sent", channel=channel, message_id=message_id, attempt=number)
        return
    log.warning(
        "notification_failed",
        channel=channel,
        message_id=message_id,
        attempt=number,
        outcome=attempt.outcome.value,
        code=attempt.code,
        given_up=gives_up,
    )
