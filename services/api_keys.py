"""What administrators do with API keys: make, change, rotate and revoke them.

The secret of a key is in the answer to whoever made it and nowhere else. `has_other_way`: whether a key of
`CELERIAC_API_KEYS` may do everything, so that no row has to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.api_keys import MAX_KEYS, ApiKey, compose, digest_of
from domain.audit import Action, Author, Change
from domain.errors import InvalidRequest, KeyNotFound, LastAdmin
from domain.principals import PrincipalKind
from domain.scopes import Scope
from services.audit import record_change
from services.drawing import draw_id, draw_secret
from store.queries import api_keys, sessions

AUDITED = (
    "name",
    "scopes",
    "queues",
    "task_names",
    "networks",
    "rate_limit_per_minute",
    "expires_at",
    "disabled_at",
    "revoked_at",
    "previous_expires_at",
)
"""The fields of a key that the audit shows."""


@dataclass(frozen=True, slots=True)
class Order:
    """A key as somebody wants it."""

    name: str
    scopes: frozenset[Scope]
    queues: tuple[str, ...] = ()
    task_names: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    rate_limit_per_minute: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A key and its secret, which nobody can read again."""

    key: ApiKey
    text: str = field(repr=False)


async def create_key(connection: AsyncConnection, order: Order, *, author: Author, has_other_way: bool) -> Issued:
    """Store a new key; raises InvalidRequest if it cannot be the first, has expired, is limited and has `admin`, or
    there are `MAX_KEYS`.
    """
    _refuse_limited_admin(order.scopes, queues=order.queues, task_names=order.task_names)
    now, living = await _lock_and_read(connection)
    _refuse_past(order.expires_at, now)
    if len(living) >= MAX_KEYS:
        raise InvalidRequest.of_field("name", f"there are {MAX_KEYS:,} keys that are not revoked; revoke one first")
    if Scope.ADMIN not in order.scopes and not has_other_way and not await api_keys.was_closed(connection):
        raise InvalidRequest.of_field(
            "scopes", "the first key needs admin: until there is one, nobody is asked for a key"
        )
    text = compose(draw_id(), draw_secret())
    key = ApiKey(
        key_id=text.split("_")[1],
        name=order.name,
        secret_hash=digest_of(text),
        scopes=order.scopes,
        queues=order.queues,
        task_names=order.task_names,
        networks=order.networks,
        rate_limit_per_minute=order.rate_limit_per_minute,
        expires_at=order.expires_at,
        created_at=now,
        created_by=author.label,
    )
    await api_keys.add_key(connection, key)
    await record_change(connection, Change(Action.KEY_CREATE, key.key_id, after=_shown(key)), author=author)
    return Issued(key, text)


async def find_key(connection: AsyncConnection, key_id: str) -> ApiKey:
    """The key of this id, revoked or not; raises KeyNotFound."""
    key = await api_keys.get_key(connection, key_id)
    if key is None:
        raise KeyNotFound
    return key


async def change_key(
    connection: AsyncConnection, key_id: str, *, changes: Mapping[str, Any], author: Author, has_other_way: bool
) -> ApiKey:
    """Change these fields, of which `disabled` is one; raises KeyNotFound, LastAdmin or InvalidRequest."""
    now, living = await _lock_and_read(connection)
    before = _one_of(living, key_id)
    columns = dict(changes)
    if "disabled" in columns:
        columns["disabled_at"] = (before.disabled_at or now) if columns.pop("disabled") else None
    _refuse_past(columns.get("expires_at"), now)
    after = replace(before, **columns)
    _refuse_limited_admin(after.scopes, queues=after.queues, task_names=after.task_names)
    _refuse_to_lock_out(living, after, now=now, has_other_way=has_other_way)
    if columns:
        await api_keys.change_key(connection, key_id, changes=columns)
    await record_change(connection, _change(Action.KEY_CHANGE, before=before, after=after), author=author)
    return after


async def rotate_key(connection: AsyncConnection, key_id: str, *, overlap: timedelta, author: Author) -> Issued:
    """Give a key another secret, beside which the one it has opens for so long; raises KeyNotFound."""
    now, living = await _lock_and_read(connection)
    before = _one_of(living, key_id)
    text = compose(key_id, draw_secret())
    columns: dict[str, Any] = {
        "secret_hash": digest_of(text),
        "previous_hash": before.secret_hash if overlap else None,
        "previous_expires_at": now + overlap if overlap else None,
    }
    after = replace(before, **columns)
    await api_keys.change_key(connection, key_id, changes=columns)
    await record_change(connection, _change(Action.KEY_ROTATE, before=before, after=after), author=author)
    return Issued(after, text)


async def revoke_key(connection: AsyncConnection, key_id: str, *, author: Author, has_other_way: bool) -> None:
    """End a key for good, with its sessions, at once for every process; raises KeyNotFound or LastAdmin. Its row
    stays."""
    now, living = await _lock_and_read(connection)
    before = _one_of(living, key_id)
    after = replace(before, revoked_at=now)
    _refuse_to_lock_out(living, after, now=now, has_other_way=has_other_way)
    await sessions.end_sessions_of(connection, f"{PrincipalKind.API_KEY}:{key_id}")
    await api_keys.change_key(connection, key_id, changes={"revoked_at": now})
    await record_change(connection, _change(Action.KEY_REVOKE, before=before, after=after), author=author)


def _change(action: Action, *, before: ApiKey, after: ApiKey) -> Change:
    return Change(action, before.key_id, before=_shown(before), after=_shown(after))


def _shown(key: ApiKey) -> dict[str, object]:
    """What the audit shows of a key: nothing of its secret."""
    return {name: getattr(key, name) for name in AUDITED if getattr(key, name) not in (None, ())}


async def _lock_and_read(connection: AsyncConnection) -> tuple[datetime, list[ApiKey]]:
    """The time of the database and the keys that are not revoked, which nobody else changes meanwhile."""
    now = await api_keys.lock_changes(connection)
    return now, await api_keys.list_living_keys(connection)


def _one_of(living: list[ApiKey], key_id: str) -> ApiKey:
    """Nothing can be done with a key that was revoked: for whoever wants to, there is none."""
    found = next((key for key in living if key.key_id == key_id), None)
    if found is None:
        raise KeyNotFound
    return found


def _refuse_to_lock_out(living: list[ApiKey], after: ApiKey, *, now: datetime, has_other_way: bool) -> None:
    """Raises LastAdmin if this key is the last that rules and would rule no more."""
    before = _one_of(living, after.key_id)
    if has_other_way or not before.rules_everybody(now) or after.rules_everybody(now):
        return
    if not any(key.rules_everybody(now) for key in living if key.key_id != after.key_id):
        raise LastAdmin


def _refuse_limited_admin(scopes: frozenset[Scope], *, queues: Sequence[str], task_names: Sequence[str]) -> None:
    """Raises InvalidRequest: whoever may make keys could make himself one without limits."""
    if Scope.ADMIN in scopes and (queues or task_names):
        raise InvalidRequest.of_field("queues" if queues else "task_names", "a key with admin cannot be limited")


def _refuse_past(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest.of_field("expires_at", "has passed already")
