"""What administrators do with webhooks: make, change, rotate and delete them.

The secret of a webhook is in the answer to whoever made or rotated it and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import Action, Author, Change
from domain.errors import UrlNotAllowed, WebhookLimit, WebhookNotFound
from domain.feed import write_cursor
from domain.webhooks.bodies import BodyFormat, Payload
from domain.webhooks.circuit import Circuit
from domain.webhooks.endpoints import MAX_WEBHOOKS, Egress, parse_endpoint, shown_url
from domain.webhooks.subscriptions import Subscription
from domain.webhooks.webhook import USUAL_IN_FLIGHT, Because, Ordering, State, Webhook
from services.audit import record_change
from services.drawing import draw_id, draw_webhook_secret
from store.queries import feed
from store.queries.webhooks import settings

AUDITED = (
    *("description", "payload", "format", "ordering", "rate_per_second", "max_in_flight", "state"),
    *("previous_expires_at", "disabled_because"),
)
"""The fields of a webhook that the audit shows as they are."""


@dataclass(frozen=True, slots=True)
class Order:
    """A webhook as somebody wants it."""

    url: str
    subscription: Subscription
    description: str = ""
    payload: Payload = Payload.THIN
    format: BodyFormat = BodyFormat.STANDARD
    ordering: Ordering = Ordering.NONE
    rate_per_second: int | None = None
    max_in_flight: int = USUAL_IN_FLIGHT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_enabled: bool = True


async def create_webhook(connection: AsyncConnection, order: Order, *, author: Author, egress: Egress) -> Webhook:
    """Store a webhook that is told what changes from now on; raises UrlNotAllowed or WebhookLimit."""
    url = _checked_url(order.url, egress)
    now = await settings.lock_changes(connection)
    if await settings.count_webhooks(connection) >= MAX_WEBHOOKS:
        raise WebhookLimit(f"There are {MAX_WEBHOOKS} webhooks; delete one first.")
    webhook = Webhook(
        webhook_id=draw_id(),
        url=url,
        subscription=order.subscription,
        secret=draw_webhook_secret(),
        created_at=now,
        created_by=author.label,
        description=order.description,
        payload=order.payload,
        format=order.format,
        ordering=order.ordering,
        rate_per_second=order.rate_per_second,
        max_in_flight=order.max_in_flight,
        headers=order.headers,
    )
    if not order.is_enabled:
        webhook = _disabled(webhook, now)
    await settings.add_webhook(connection, webhook, cursor=await _cursor_of_now(connection))
    await record_change(
        connection, Change(Action.WEBHOOK_CREATE, webhook.webhook_id, after=_shown(webhook)), author=author
    )
    return webhook


async def find_webhook(connection: AsyncConnection, webhook_id: str, *, lock: bool = False) -> Webhook:
    """Return the webhook of this id; raises WebhookNotFound."""
    webhook = await settings.get_webhook(connection, webhook_id, lock=lock)
    if webhook is None:
        raise WebhookNotFound
    return webhook


async def change_webhook(
    connection: AsyncConnection,
    webhook_id: str,
    *,
    changes: Mapping[str, Any],
    author: Author,
    egress: Egress,
) -> Webhook:
    """Change these fields of `Order`, and of a subscription `types` and `filter`; raises WebhookNotFound or
    UrlNotAllowed. One that is enabled again is told what changes from then on, and what is PENDING goes on.
    """
    now = await settings.lock_changes(connection)
    before = await find_webhook(connection, webhook_id, lock=True)
    columns = dict(changes)
    is_enabled = columns.pop("is_enabled", before.state is State.ENABLED)
    parts = {name: columns.pop(name) for name in ("types", "filter") if name in columns}
    if "url" in columns:
        columns["url"] = _checked_url(columns["url"], egress)
    after = replace(before, **columns, subscription=replace(before.subscription, **parts))
    if is_enabled and before.state is not State.ENABLED:
        after = replace(after, state=State.ENABLED, disabled_at=None, disabled_because=None, circuit=Circuit())
        await settings.move_cursor(connection, webhook_id, cursor=await _cursor_of_now(connection))
    elif not is_enabled and before.state is State.ENABLED:
        after = _disabled(after, now)
    await settings.save_webhook(connection, after)
    await _record(connection, Action.WEBHOOK_CHANGE, before=before, after=after, author=author)
    return after


async def rotate_secret(connection: AsyncConnection, webhook_id: str, *, overlap: timedelta, author: Author) -> Webhook:
    """Give a webhook another secret, beside which the one that it has signs for so long; raises WebhookNotFound."""
    now = await settings.lock_changes(connection)
    before = await find_webhook(connection, webhook_id, lock=True)
    after = replace(
        before,
        secret=draw_webhook_secret(),
        previous_secret=before.secret if overlap else None,
        previous_expires_at=now + overlap if overlap else None,
    )
    await settings.save_webhook(connection, after)
    await _record(connection, Action.WEBHOOK_ROTATE, before=before, after=after, author=author)
    return after


async def delete_webhook(connection: AsyncConnection, webhook_id: str, *, author: Author) -> None:
    """End a webhook: it is told nothing more, and its deliveries are removed. Raises WebhookNotFound."""
    await settings.lock_changes(connection)
    before = await find_webhook(connection, webhook_id, lock=True)
    await settings.save_webhook(connection, replace(before, state=State.DELETED, secret="", previous_secret=None))
    await settings.forget_cursor(connection, webhook_id)
    await record_change(connection, Change(Action.WEBHOOK_DELETE, webhook_id, before=_shown(before)), author=author)


def _disabled(webhook: Webhook, now: datetime) -> Webhook:
    return replace(webhook, state=State.DISABLED, disabled_at=now, disabled_because=Because.ASKED)


async def _cursor_of_now(connection: AsyncConnection) -> str:
    """The cursor behind all that can be told now: what this very transaction waits for is told as well."""
    state = await feed.get_state(connection)
    return write_cursor(state.epoch, await feed.get_head(connection))


def _checked_url(url: str, egress: Egress) -> str:
    try:
        return parse_endpoint(url, egress).url
    except ValueError as flaw:
        raise UrlNotAllowed(f"url {flaw}", errors=(("url", str(flaw)),)) from None


async def _record(
    connection: AsyncConnection, action: Action, *, before: Webhook, after: Webhook, author: Author
) -> None:
    change = Change(action, before.webhook_id, before=_shown(before), after=_shown(after))
    await record_change(connection, change, author=author)


def _shown(webhook: Webhook) -> dict[str, object]:
    """What the audit shows of a webhook: nothing of its secrets, nor of the values of its headers."""
    fields = {name: getattr(webhook, name) for name in AUDITED if getattr(webhook, name) is not None}
    return fields | {
        "url": shown_url(webhook.url),
        "events": webhook.subscription.types,
        "filters": settings.filter_fields(webhook.subscription.filter),
        "headers": sorted(webhook.headers),
    }
