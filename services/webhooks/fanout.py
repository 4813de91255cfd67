"""Making deliveries of changes: the feed is read on from where each webhook is, and what it wants becomes rows.

Rows and cursor are committed together, so that a change becomes one delivery of each webhook that wants it. Only one
process at a time does it for a webhook.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from domain.feed import Told, write_cursor
from domain.redaction.rules import Redaction
from domain.webhooks.bodies import Payload, event_id_of, write_body
from domain.webhooks.webhook import Webhook
from services.feed_reading import Reading, read_feed
from services.redaction import mask_task
from store.queries.tasks.documents import get_task
from store.queries.webhooks import fanout
from store.queries.webhooks.fanout import NewDelivery

MAX_READ = 1_000
"""How many changes one transaction deals with: they are 0.1 s of work."""
MAX_READ_FULL = 100
"""How many where somebody wants arguments and results as well."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FannedOut:
    """What one transaction has done."""

    followers: int
    made: int
    is_last: bool
    """Whether that is all that can be told now."""


async def fan_out(
    connection: AsyncConnection, *, redaction: Redaction, public_url: str | None, limit: int = MAX_READ
) -> FannedOut:
    """Make deliveries of the next changes for all webhooks that nobody else does it for just now."""
    followers = await fanout.lock_followers(connection)
    by_cursor: dict[str, list[Webhook]] = defaultdict(list)
    for follower in followers:
        by_cursor[follower.cursor].append(follower.webhook)
    made, is_last = 0, True
    for cursor, webhooks in by_cursor.items():
        is_full = any(webhook.payload is Payload.FULL for webhook in webhooks)
        reading = await read_feed(connection, cursor, limit=min(limit, MAX_READ_FULL) if is_full else limit)
        told = await _deliveries(connection, webhooks, reading=reading, redaction=redaction, public_url=public_url)
        if told:
            await fanout.add_deliveries(connection, told)
        ids = [webhook.webhook_id for webhook in webhooks]
        moved = write_cursor(reading.epoch, reading.ends)
        if moved != cursor:
            await fanout.move_cursors(connection, ids, cursor=moved)
        if reading.gap_ends is not None or reading.is_reset:
            log.warning("webhook_changes_missed", webhook_ids=ids, is_reset=reading.is_reset)
        made += len(told)
        is_last &= reading.is_last
    return FannedOut(len(followers), made, is_last)


async def _deliveries(
    connection: AsyncConnection,
    webhooks: Sequence[Webhook],
    *,
    reading: Reading,
    redaction: Redaction,
    public_url: str | None,
) -> list[NewDelivery]:
    found = []
    for change in reading.changes:
        wanting = [webhook for webhook in webhooks if webhook.subscription.matches(change)]
        if not wanting:
            continue
        event_id = event_id_of(reading.epoch, change.place)
        more = await _more(connection, change, wanting=wanting, redaction=redaction)
        bodies: dict[tuple[object, object], str] = {}
        for webhook in wanting:
            kind = (webhook.format, webhook.payload)
            if kind not in bodies:
                told = more if webhook.payload is Payload.FULL else None
                bodies[kind] = write_body(change, event_id, form=webhook.format, public_url=public_url, more=told)
            found.append(_delivery(webhook, change, event_id=event_id, body=bodies[kind]))
    return found


def _delivery(webhook: Webhook, change: Told, *, event_id: str, body: str) -> NewDelivery:
    return NewDelivery(
        uuid7(), webhook.webhook_id, event_id, change.type, change.subject_id, place=change.place, body=body
    )


async def _more(
    connection: AsyncConnection, change: Told, *, wanting: Sequence[Webhook], redaction: Redaction
) -> Mapping[str, Any] | None:
    """What a full body tells of a task beside, masked; None where nobody wants it, or the task is no more."""
    if change.subject_kind != "task" or all(webhook.payload is not Payload.FULL for webhook in wanting):
        return None
    task = await get_task(connection, change.subject_id)
    if task is None:
        return None
    if task.is_large:
        return {"truncated": True}
    shown = mask_task(task, redaction=redaction)
    return {"task_args": shown.args, "task_kwargs": shown.kwargs, "result": shown.result}
