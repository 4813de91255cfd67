"""Deliveries on their way: those that are due are leased, and what came of each is written where the lease holds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    DateTime,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import CannotOpen
from domain.webhooks.attempts import Answer, DeliveryStatus
from domain.webhooks.circuit import Circuit
from domain.webhooks.webhook import Because, State, Webhook
from store.at_rest import AtRest, at_rest_of
from store.batch import IDS, batch_of, bind_rows
from store.queries.webhooks.settings import webhook_of
from store.tables.webhooks import webhook_attempts, webhook_deliveries, webhooks

LEASE = "60 seconds"
"""Longer than an attempt may take, with what is done before and after it."""
_deliveries = webhook_deliveries.c
_is_free = or_(_deliveries.leased_until.is_(None), _deliveries.leased_until < func.now())
_is_due = and_(
    _deliveries.status == text(f"'{DeliveryStatus.PENDING.value}'"),
    _deliveries.next_attempt_at <= func.now(),
    _deliveries.is_test.is_(False),
    _is_free,
)
_leased_until = func.now() + text(f"interval '{LEASE}'")


@dataclass(frozen=True, slots=True)
class Sendable:
    """A webhook with something due, whose circuit holds nothing back."""

    webhook: Webhook
    in_flight: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery that is ours until then."""

    delivery_id: UUID
    webhook_id: str
    event_id: str
    type: str
    body: str | None
    """What is to be sent; None where it cannot be decrypted."""
    is_test: bool
    attempts: int
    """Attempts made before."""
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a delivery by one attempt."""

    leased: Leased
    answer: Answer
    at: datetime
    duration_ms: int
    status: DeliveryStatus
    next_attempt_at: datetime | None


_in_flight = (
    select(func.count())
    .where(_deliveries.webhook_id == webhooks.c.webhook_id, _deliveries.leased_until > func.now())
    .correlate(webhooks)
    .scalar_subquery()
)
_is_sendable = and_(
    webhooks.c.state == State.ENABLED.value,
    or_(webhooks.c.held_until.is_(None), webhooks.c.held_until <= func.now()),
    select(_deliveries.delivery_id).where(_deliveries.webhook_id == webhooks.c.webhook_id, _is_due).exists(),
)
_sendable = (
    select(*webhooks.c, _in_flight.label("in_flight"), func.now().label("now"))
    .where(_is_sendable)
    .order_by(webhooks.c.webhook_id)
    .with_for_update(of=webhooks, key_share=True, skip_locked=True)
)


async def lock_sendable(connection: AsyncConnection) -> list[Sendable]:
    """Lock the webhooks with something due that nobody else has locked, and return them (indexes
    webhook_deliveries_due and _leased).
    """
    vault = at_rest_of(connection)
    rows = (await connection.execute(_sendable)).all()
    return [Sendable(webhook_of(row, vault), row.in_flight, row.now) for row in rows]


_wanted = batch_of(webhook_id=Text, most=Integer, in_order=Boolean)
_earlier = webhook_deliveries.alias("earlier")
_is_next = not_(
    select(_earlier.c.delivery_id)
    .where(
        _earlier.c.webhook_id == _deliveries.webhook_id,
        _earlier.c.subject_id == _deliveries.subject_id,
        _earlier.c.status == text(f"'{DeliveryStatus.PENDING.value}'"),
        func.row(_earlier.c.xact, _earlier.c.change_id) < func.row(_deliveries.xact, _deliveries.change_id),
    )
    .exists()
)
_due = (
    select(_deliveries.delivery_id)
    .where(_deliveries.webhook_id == _wanted.c.webhook_id, _is_due, or_(not_(_wanted.c.in_order), _is_next))
    .order_by(_deliveries.next_attempt_at)
    .limit(_wanted.c.most)
    .with_for_update(skip_locked=True)
    .lateral("due")
)
_chosen = select(_due.c.delivery_id).select_from(_wanted.join(_due, true())).cte("chosen")
_LEASED = ("delivery_id", "webhook_id", "event_id", "type", "body", "is_test", "attempts", "leased_until")
_lease = (
    update(webhook_deliveries)
    .where(_deliveries.delivery_id == _chosen.c.delivery_id)
    .values(leased_until=_leased_until)
    .returning(*(_deliveries[name] for name in _LEASED))
)
_is_open_test = and_(_deliveries.is_test, _deliveries.status == text(f"'{DeliveryStatus.PENDING.value}'"), _is_free)
any_due = or_(select(webhooks.c.webhook_id).where(_is_sendable).exists(), exists().where(_is_open_test))
"""Whether `lock_sendable` or `lease_tests` finds any."""
_tests = (
    select(_deliveries.delivery_id)
    .where(_is_open_test)
    .order_by(_deliveries.created_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_lease_tests = (
    update(webhook_deliveries)
    .where(_deliveries.delivery_id.in_(_tests))
    .values(leased_until=_leased_until)
    .returning(*(_deliveries[name] for name in _LEASED))
)


async def lease_due(connection: AsyncConnection, wanted: Sequence[tuple[str, int, bool]]) -> list[Leased]:
    """Lease what is due: of each webhook up to so many, in the order of their subject or not (index
    webhook_deliveries_due; in order also webhook_deliveries_in_order).
    """
    rows = await connection.execute(_lease, bind_rows(("webhook_id", "most", "in_order"), wanted))
    vault = at_rest_of(connection)
    return [_leased(row, vault) for row in rows]


async def lease_tests(connection: AsyncConnection, *, most: int) -> list[Leased]:
    """Lease up to so many tests, whatever the state of their webhook (index webhook_deliveries_tests)."""
    vault = at_rest_of(connection)
    return [_leased(row, vault) for row in await connection.execute(_lease_tests, {"most": most})]


def _leased(row: Sequence[object], vault: AtRest) -> Leased:
    cells = dict(zip(_LEASED, row, strict=True))
    try:
        cells["body"] = vault.open(str(cells["body"]), str(cells["delivery_id"]), column="body")
    except CannotOpen:
        cells["body"] = None
    return Leased(**cells)  # type: ignore[arg-type]  # as the table has them


async def read_webhooks(connection: AsyncConnection, webhook_ids: Sequence[str]) -> dict[str, Webhook]:
    """Return these webhooks by their ids, as far as there are such (primary key)."""
    rows = await connection.execute(select(webhooks).where(webhooks.c.webhook_id.in_(webhook_ids)))
    vault = at_rest_of(connection)
    return {row.webhook_id: webhook_of(row, vault) for row in rows}


async def lock_webhooks(
    connection: AsyncConnection, webhook_ids: Collection[str]
) -> tuple[datetime, dict[str, Webhook]]:
    """Lock these webhooks and return them with the time, as far as there are such (primary key)."""
    locking = (
        select(*webhooks.c, func.now().label("now"))
        .where(webhooks.c.webhook_id == func.any(bindparam("webhook_ids", type_=IDS)))
        .order_by(webhooks.c.webhook_id)
        .with_for_update(key_share=True)
    )
    rows = (await connection.execute(locking, {"webhook_ids": sorted(webhook_ids)})).all()
    vault = at_rest_of(connection)
    now = rows[0].now if rows else (await connection.execute(select(func.now()))).scalar_one()
    return now, {row.webhook_id: webhook_of(row, vault) for row in rows}


_RESULT = ("delivery_id", "leased_until", "status", "next_attempt_at", "status_code", "error")
_results = batch_of(
    delivery_id=Uuid,
    leased_until=DateTime(timezone=True),
    status=Text,
    next_attempt_at=DateTime(timezone=True),
    status_code=Integer,
    error=Text,
)
_write = (
    update(webhook_deliveries)
    .where(_deliveries.delivery_id == _results.c.delivery_id, _deliveries.leased_until == _results.c.leased_until)
    .values(
        status=_results.c.status,
        attempts=_deliveries.attempts + 1,
        next_attempt_at=_results.c.next_attempt_at,
        leased_until=None,
        done_at=func.now(),
        last_status_code=_results.c.status_code,
        last_error=_results.c.error,
    )
    .returning(_deliveries.delivery_id)
)
_ATTEMPT = ("delivery_id", "attempt_no", "at", "duration_ms", "status_code", "error", "answer")
_attempts = batch_of(
    delivery_id=Uuid,
    attempt_no=Integer,
    at=DateTime(timezone=True),
    duration_ms=Integer,
    status_code=Integer,
    error=Text,
    answer=Text,
)
_add_attempts = (
    insert(webhook_attempts)
    .from_select(_ATTEMPT, select(*(_attempts.c[name] for name in _ATTEMPT)))
    .on_conflict_do_nothing()
)


async def write_results(connection: AsyncConnection, results: Sequence[Written]) -> set[UUID]:
    """Write what came of these, where the lease is still ours, with an attempt for each (primary keys); returns of
    which it was.
    """
    rows = (
        (
            each.leased.delivery_id,
            each.leased.leased_until,
            each.status.value,
            each.next_attempt_at,
            each.answer.status_code,
            each.answer.error,
        )
        for each in results
    )
    ours = set((await connection.execute(_write, bind_rows(_RESULT, rows))).scalars())
    vault = at_rest_of(connection)
    attempts = [_attempt(each, vault) for each in results if each.leased.delivery_id in ours]
    if attempts:
        await connection.execute(_add_attempts, bind_rows(_ATTEMPT, attempts))
    return ours


def _attempt(each: Written, vault: AtRest) -> tuple[object, ...]:
    this = each.leased.delivery_id
    answer = vault.seal(each.answer.body, str(this), column="answer")
    number = each.leased.attempts + 1
    return (this, number, each.at, each.duration_ms, each.answer.status_code, each.answer.error, answer)


async def release(connection: AsyncConnection, delivery_ids: Sequence[UUID]) -> None:
    """Give back what was leased and did not come to an end (primary key)."""
    these = _deliveries.delivery_id.in_(delivery_ids)
    await connection.execute(update(webhook_deliveries).where(these).values(leased_until=None))


async def save_circuit(connection: AsyncConnection, webhook_id: str, *, circuit: Circuit) -> None:
    """Write the circuit of a webhook that was locked (primary key)."""
    values = {"failures": circuit.failures, "failing_since": circuit.failing_since, "held_until": circuit.held_until}
    await connection.execute(update(webhooks).where(webhooks.c.webhook_id == webhook_id).values(values))


async def save_paces(connection: AsyncConnection, paced_until: Mapping[str, datetime]) -> None:
    """Write until when the rates of these locked webhooks are used up (primary key)."""
    for webhook_id, until in paced_until.items():
        this = webhooks.c.webhook_id == webhook_id
        await connection.execute(update(webhooks).where(this).values(paced_until=until))


async def disable(connection: AsyncConnection, webhook_id: str, *, because: Because) -> bool:
    """Disable a webhook that was locked; False if it was not enabled (primary key)."""
    this = (webhooks.c.webhook_id == webhook_id, webhooks.c.state == State.ENABLED.value)
    values = {"state": State.DISABLED.value, "disabled_at": func.now(), "disabled_because": because.value}
    return bool((await connection.execute(update(webhooks).where(*this).values(values))).rowcount)
