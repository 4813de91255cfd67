"""Webhooks as people set them: added, read, changed and deleted. Secrets and headers are encrypted on the way."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import CannotOpen
from domain.filters import TaskFilter
from domain.states import Status
from domain.webhooks.bodies import BodyFormat, Payload
from domain.webhooks.circuit import Circuit
from domain.webhooks.subscriptions import MATCHED, Subscription
from domain.webhooks.webhook import Because, Ordering, State, Webhook
from store.at_rest import AtRest, at_rest_of
from store.queries import leadership
from store.tables.webhooks import webhook_cursors, webhooks

CHANGES = 0x686F6F6B
"""The lock of those who make webhooks: how many there are is only known while nobody else makes one."""
SEALED = ("headers", "secret", "previous_secret")
_CIRCUIT = tuple(field.name for field in fields(Circuit))
_KINDS = {"payload": Payload, "format": BodyFormat, "ordering": Ordering, "state": State, "disabled_because": Because}
_is_there = webhooks.c.state != State.DELETED


async def lock_changes(connection: AsyncConnection) -> datetime:
    """Wait until nobody else makes a webhook; answers the time."""
    return await leadership.wait_for(connection, CHANGES)


async def count_webhooks(connection: AsyncConnection) -> int:
    """Return how many there are. They are few: no index is needed."""
    counted = select(func.count()).select_from(webhooks).where(_is_there)
    return int((await connection.execute(counted)).scalar_one())


async def add_webhook(connection: AsyncConnection, webhook: Webhook, *, cursor: str) -> None:
    """Store a webhook that is told what comes behind this cursor (primary keys)."""
    await connection.execute(insert(webhooks).values(_values_of(webhook, at_rest_of(connection))))
    await connection.execute(insert(webhook_cursors).values(webhook_id=webhook.webhook_id, cursor=cursor))


async def get_webhook(connection: AsyncConnection, webhook_id: str, *, lock: bool = False) -> Webhook | None:
    """Return one webhook, which nobody else changes until the transaction ends if it is locked (primary key)."""
    found = select(webhooks).where(webhooks.c.webhook_id == webhook_id, _is_there)
    row = (await connection.execute(found.with_for_update(key_share=True) if lock else found)).one_or_none()
    return webhook_of(row, at_rest_of(connection)) if row else None


async def list_webhooks(connection: AsyncConnection) -> list[Webhook]:
    """Return all of them, the newest first. They are few: no index is needed."""
    newest = select(webhooks).where(_is_there).order_by(webhooks.c.created_at.desc(), webhooks.c.webhook_id)
    vault = at_rest_of(connection)
    return [webhook_of(row, vault) for row in await connection.execute(newest)]


async def save_webhook(connection: AsyncConnection, webhook: Webhook) -> None:
    """Write all of a webhook that was locked (primary key)."""
    this = webhooks.c.webhook_id == webhook.webhook_id
    await connection.execute(update(webhooks).where(this).values(_values_of(webhook, at_rest_of(connection))))


async def move_cursor(connection: AsyncConnection, webhook_id: str, *, cursor: str) -> None:
    """Let a webhook be told what comes behind this cursor (primary key)."""
    this = webhook_cursors.c.webhook_id == webhook_id
    await connection.execute(update(webhook_cursors).where(this).values(cursor=cursor))


async def lock_cursor(connection: AsyncConnection, webhook_id: str) -> str:
    """Return up to where the feed has become deliveries, which stays so until the transaction ends (primary key)."""
    this = webhook_cursors.c.webhook_id == webhook_id
    locked = select(webhook_cursors.c.cursor).where(this).with_for_update()
    return str((await connection.execute(locked)).scalar_one())


async def forget_cursor(connection: AsyncConnection, webhook_id: str) -> None:
    """Let nobody make deliveries for a webhook any more (primary key)."""
    await connection.execute(delete(webhook_cursors).where(webhook_cursors.c.webhook_id == webhook_id))


def webhook_of(row: Any, vault: AtRest) -> Webhook:
    """Return the webhook of a row that has all columns of the table, and perhaps others behind them.

    A secret that cannot be decrypted is empty: nothing is signed with it, and nothing is sent.
    """
    cells = {column.name: row._mapping[column.name] for column in webhooks.columns}
    this = cells["webhook_id"]
    cells |= {name: _opened(vault, this, stored=cells[name], column=name) for name in SEALED}
    cells |= {name: kind(cells[name]) for name, kind in _KINDS.items() if cells[name] is not None}
    cells["headers"] = json.loads(cells["headers"] or "{}")
    cells["subscription"] = Subscription(tuple(cells.pop("events")), filter_of(cells.pop("filters")))
    cells["circuit"] = Circuit(**{name: cells.pop(name) for name in _CIRCUIT})
    return Webhook(**cells)


def filter_of(stored: Mapping[str, Any]) -> TaskFilter:
    """Return the filter that `filter_fields` was given."""
    given = {name: value for name, value in stored.items() if name in MATCHED}
    statuses = tuple(Status(each) for each in given.pop("status", ()) if each in set(Status))
    return TaskFilter(statuses=statuses, **given)


def filter_fields(wanted: TaskFilter) -> dict[str, Any]:
    """Return what a filter asks for, by the names that clients give it."""
    given = {name: getattr(wanted, name) for name in MATCHED if name != "status"}
    found = {name: value for name, value in given.items() if value is not None}
    return found | ({"status": [status.value for status in wanted.statuses]} if wanted.statuses else {})


def _values_of(webhook: Webhook, vault: AtRest) -> dict[str, object]:
    derived = {"events", "filters", "headers", *_CIRCUIT}
    values: dict[str, Any] = {
        column.name: getattr(webhook, column.name) for column in webhooks.columns if column.name not in derived
    }
    values |= {
        "events": list(webhook.subscription.types),
        "filters": filter_fields(webhook.subscription.filter),
        "headers": json.dumps(dict(webhook.headers)),
    }
    values |= {name: getattr(webhook.circuit, name) for name in _CIRCUIT}
    for name in SEALED:
        if values[name] is not None:
            values[name] = vault.seal(values[name], webhook.webhook_id, column=name)
    return values


def _opened(vault: AtRest, webhook_id: str, *, stored: str | None, column: str) -> str | None:
    if stored is None:
        return None
    try:
        return vault.open(stored, webhook_id, column=column)
    except CannotOpen:
        return "" if column == "secret" else None
