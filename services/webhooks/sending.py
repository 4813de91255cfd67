"""Delivering: what is due is leased in one transaction, sent by whoever calls, and what came of it written in another.

Nothing here waits for an endpoint. A process that dies in between leaves leases that end, and the next attempt bears
the same id.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.feed import Change, ChangeType
from domain.webhooks.attempts import Answer, DeliveryStatus, next_attempt
from domain.webhooks.circuit import Circuit, admit, pace
from domain.webhooks.webhook import Because, Ordering, Webhook
from services.feed import tell
from store.queries.webhooks import sending
from store.queries.webhooks.sending import Leased, Sendable, Written

TESTS_AT_ONCE = 10

Draw = Callable[[], float]
"""Draws a number between -1 and 1."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that is to be sent now, and where to."""

    leased: Leased
    webhook: Webhook


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery that was sent, and what came of it."""

    parcel: Parcel
    answer: Answer
    at: datetime
    duration_seconds: float


def draw_jitter() -> float:
    """Draw a number between -1 and 1."""
    return random.uniform(-1, 1)  # noqa: S311  nothing is guessed by it


async def lease(connection: AsyncConnection, *, most: int, in_flight: Mapping[str, int]) -> list[Parcel]:
    """Lease what may be sent now: `most` is how many this process sends at a time, of which each webhook gets its
    share whatever the others do. `in_flight` counts what this process sends, by webhook.
    """
    found = await sending.lock_sendable(connection)
    free = most - sum(in_flight.values())
    share = max(1, most // max(1, len({one.webhook.webhook_id for one in found} | in_flight.keys())))
    wanted = {one.webhook.webhook_id: _allowed(one, share - in_flight.get(one.webhook.webhook_id, 0)) for one in found}
    by_id = {one.webhook.webhook_id: one.webhook for one in found}
    orders = [
        (webhook_id, min(count, free), by_id[webhook_id].ordering is Ordering.SUBJECT)
        for webhook_id, count in wanted.items()
        if min(count, free) > 0
    ]
    leased = await sending.lease_due(connection, orders) if orders else []
    await sending.save_paces(connection, _paces(found, leased))
    tests = await sending.lease_tests(connection, most=TESTS_AT_ONCE)
    if tests:
        by_id |= await sending.read_webhooks(connection, sorted({each.webhook_id for each in tests}))
    return [Parcel(each, by_id[each.webhook_id]) for each in (*leased, *tests) if each.webhook_id in by_id]


def _allowed(one: Sendable, share: int) -> int:
    webhook, now = one.webhook, one.now
    room = webhook.circuit.allowance(now, most=webhook.max_in_flight, in_flight=one.in_flight)
    return admit(min(room, share), per_second=webhook.rate_per_second, paced_until=webhook.paced_until, now=now)


def _paces(found: Iterable[Sendable], leased: Sequence[Leased]) -> dict[str, datetime]:
    paces = {}
    for one in found:
        webhook = one.webhook
        count = sum(each.webhook_id == webhook.webhook_id for each in leased)
        if webhook.rate_per_second is not None and count:
            paces[webhook.webhook_id] = pace(
                count, per_second=webhook.rate_per_second, paced_until=webhook.paced_until, now=one.now
            )
    return paces


async def record_sent(connection: AsyncConnection, sent: Sequence[Sent], *, draw: Draw = draw_jitter) -> list[Written]:
    """Write what came of these, in the order in which it came, and what it means for their endpoints; returns what was
    written, which leaves out what another process has had since.
    """
    now, webhooks = await sending.lock_webhooks(connection, {each.parcel.webhook.webhook_id for each in sent})
    results = [_result(each, now=now, draw=draw) for each in sent]
    ours = await sending.write_results(connection, results)
    written = [each for each in results if each.leased.delivery_id in ours]
    told = [each for each in written if not each.leased.is_test]
    for webhook_id, webhook in webhooks.items():
        answers = [each.answer for each in told if each.leased.webhook_id == webhook_id]
        if answers:
            await _settle(connection, webhook, answers=answers, now=now, draw=draw)
    return written


def _result(sent: Sent, *, now: datetime, draw: Draw) -> Written:
    leased, answer = sent.parcel.leased, sent.answer
    status, again = DeliveryStatus.DELIVERED, None
    if not answer.is_success:
        again = None if leased.is_test else next_attempt(leased.attempts + 1, answer, now=now, jitter=draw())
        status = DeliveryStatus.FAILED if again is None else DeliveryStatus.PENDING
        if answer.is_gone and not leased.is_test:
            status, again = DeliveryStatus.DROPPED, None
    return Written(leased, answer, sent.at, round(sent.duration_seconds * 1_000), status, again)


async def _settle(
    connection: AsyncConnection, webhook: Webhook, *, answers: Sequence[Answer], now: datetime, draw: Draw
) -> None:
    """Write the circuit of an endpoint after these answers, and disable it where it is gone or has failed for long."""
    circuit = webhook.circuit
    for answer in answers:
        circuit = _after(circuit, answer, now=now, draw=draw)
    if circuit != webhook.circuit:
        await sending.save_circuit(connection, webhook.webhook_id, circuit=circuit)
    is_gone = any(answer.is_gone for answer in answers)
    if is_gone or circuit.is_hopeless(now):
        because = Because.GONE if is_gone else Because.FAILING
        if await sending.disable(connection, webhook.webhook_id, because=because):
            await tell(connection, [_disabled(replace(webhook, circuit=circuit), because)])


def _after(circuit: Circuit, answer: Answer, *, now: datetime, draw: Draw) -> Circuit:
    if answer.is_success:
        return circuit.after_success()
    return circuit.after_failure(now, retry_after=answer.retry_after, jitter=draw())


def _disabled(webhook: Webhook, because: Because) -> Change:
    since = webhook.circuit.failing_since
    data = {"because": because.value, "failing_since": since and since.astimezone(UTC).isoformat()}
    return Change(ChangeType.WEBHOOK_DISABLED, webhook.webhook_id, data=data)
