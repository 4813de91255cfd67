"""What people do with deliveries: look into them, send them again, and try an endpoint."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from domain.audit import Action, Author, Change
from domain.errors import DeliveryNotFound, WebhookDisabled
from domain.feed import Place, read_cursor, write_cursor
from domain.webhooks.attempts import DeliveryStatus
from domain.webhooks.bodies import TEST_TYPE, write_test_body
from domain.webhooks.webhook import State, Webhook
from services.audit import record_change
from services.transactions import Transact
from services.webhooks.settings import find_webhook
from store.queries import feed
from store.queries.webhooks import fanout, log, settings
from store.queries.webhooks.fanout import NewDelivery
from store.queries.webhooks.log import AttemptRow, DeliveryRow

MOST_RECOVERED = 10_000
"""How many deliveries one request makes due."""
TEST_SECONDS = 20
"""How long a test is waited for: an attempt takes 15 s at most."""
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Looked:
    """A delivery with its body and all attempts."""

    row: DeliveryRow
    body: str
    attempts: list[AttemptRow]


async def find_delivery(connection: AsyncConnection, webhook_id: str, *, delivery_id: str) -> Looked:
    """Return one delivery; raises WebhookNotFound or DeliveryNotFound."""
    await find_webhook(connection, webhook_id)
    try:
        this = UUID(delivery_id)
    except ValueError:
        raise DeliveryNotFound from None
    found = await log.get_delivery(connection, webhook_id, delivery_id=this)
    if found is None:
        raise DeliveryNotFound
    return Looked(*found, await log.list_attempts(connection, this))


async def retry_delivery(
    connection: AsyncConnection, webhook_id: str, *, delivery_id: str, author: Author
) -> DeliveryRow:
    """Let a delivery be sent once more, whatever became of it; raises WebhookNotFound, DeliveryNotFound or
    WebhookDisabled.
    """
    await _find_enabled(connection, webhook_id)
    found = await find_delivery(connection, webhook_id, delivery_id=delivery_id)
    await log.send_again(connection, found.row.delivery_id)
    change = Change(Action.WEBHOOK_RETRY, webhook_id, after={"delivery_id": delivery_id})
    await record_change(connection, change, author=author)
    return (await find_delivery(connection, webhook_id, delivery_id=delivery_id)).row


async def recover_failed(connection: AsyncConnection, webhook_id: str, *, after: datetime, author: Author) -> int:
    """Let what has failed since then be sent once more, `MOST_RECOVERED` at most; returns how many. Raises
    WebhookNotFound or WebhookDisabled.
    """
    await _find_enabled(connection, webhook_id)
    count = await log.send_failed_again(connection, webhook_id, after=after, most=MOST_RECOVERED)
    await _record_recovery(connection, webhook_id, after=after, author=author, told={"count": count})
    return count


async def recover_missed(connection: AsyncConnection, webhook_id: str, *, after: datetime, author: Author) -> bool:
    """Let the feed be read again from then on, for what never became a delivery; whether there was anything to read.
    What did become one is left as it is. Raises WebhookNotFound or WebhookDisabled.
    """
    await _find_enabled(connection, webhook_id)
    place = await log.place_before(connection, after)
    state = await feed.get_state(connection)
    epoch, stands = read_cursor(await settings.lock_cursor(connection, webhook_id))
    is_back = place is not None and (epoch != state.epoch or place < stands)
    if place is not None and is_back:
        await settings.move_cursor(connection, webhook_id, cursor=write_cursor(state.epoch, place))
    await _record_recovery(connection, webhook_id, after=after, author=author, told={"missed": is_back})
    return is_back


async def try_webhook(
    transact: Transact, webhook_id: str, *, author: Author, public_url: str | None, seconds: float
) -> Looked:
    """Let the loops send a test, as they send everything, and return it with its attempt, whatever that came to; after
    so many seconds as it is then. Raises WebhookNotFound.
    """
    async with transact() as connection:
        webhook = await find_webhook(connection, webhook_id)
        delivery = _test_of(webhook, public_url)
        await fanout.add_deliveries(connection, [delivery])
        change = Change(Action.WEBHOOK_TEST, webhook_id, after={"delivery_id": delivery.delivery_id})
        await record_change(connection, change, author=author)
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        async with transact() as connection:
            looked = await find_delivery(connection, webhook_id, delivery_id=str(delivery.delivery_id))
        is_over = looked.row.status in (DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)
        if is_over or asyncio.get_running_loop().time() >= deadline:
            return looked
        await asyncio.sleep(LOOK_SECONDS)


def _test_of(webhook: Webhook, public_url: str | None) -> NewDelivery:
    event_id = f"evt_test_{secrets.token_hex(12)}"
    body = write_test_body(
        webhook.webhook_id, event_id, at=datetime.now(UTC), form=webhook.format, public_url=public_url
    )
    this = webhook.webhook_id
    return NewDelivery(uuid7(), this, event_id, TEST_TYPE, this, place=Place(0, 0), body=body, is_test=True)


async def _find_enabled(connection: AsyncConnection, webhook_id: str) -> Webhook:
    webhook = await find_webhook(connection, webhook_id)
    if webhook.state is not State.ENABLED:
        raise WebhookDisabled
    return webhook


async def _record_recovery(
    connection: AsyncConnection, webhook_id: str, *, after: datetime, author: Author, told: dict[str, object]
) -> None:
    change = Change(Action.WEBHOOK_RECOVER, webhook_id, after={"since": after, **told})
    await record_change(connection, change, author=author)
