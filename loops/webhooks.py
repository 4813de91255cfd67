"""Tells webhooks what has changed: one loop makes deliveries of changes, the other sends what is due.

A round of the second writes what has come back since the round before and leases what is sent next, in one
transaction; then it waits until something comes back. Sending goes on meanwhile, each delivery by itself, so that an
endpoint which hangs keeps nobody else waiting.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from background import end, start
from domain.redaction.rules import Redaction
from domain.webhooks.attempts import Answer, DeliveryStatus, Failure
from domain.webhooks.webhook import KEPT_FOR
from gateway.ports import SendsWebhooks
from services.webhooks.fanout import fan_out
from services.webhooks.sending import Parcel, Sent, lease, record_sent
from store.queries import leadership
from store.queries.webhooks import fanout, sending

POLL_SECONDS = 1.0
"""Changes are told when all older transactions are over, without anybody being notified."""
AGAIN_SECONDS = 0.05
"""How soon after a notification the feed is read again while what it told of is not read yet."""
REST_SECONDS = 30.0
"""How often it is looked for webhooks, and for what is due, though `loops/glance.py` has found none."""
GATHER_SECONDS = 0.01
"""How long what comes back is gathered, to be written together."""
MOST_IN_FLIGHT = 500
"""How many deliveries a process sends at a time."""
UPKEEP_SECONDS = 60.0
UPKEEP_ROWS = 1_000
CLOSE_SECONDS = 2.0

log = structlog.get_logger(__name__)


class Waits(Protocol):
    """The part of `store.listener.Listener` that this needs."""

    async def wait(self, timeout_seconds: float) -> bool: ...


class FanOutRound:
    """Makes deliveries of what is new in the feed; `tell` is called when there are some."""

    def __init__(
        self,
        engine: AsyncEngine,
        listener: Waits,
        *,
        redaction: Redaction,
        public_url: str | None = None,
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._listener = listener
        self._redaction = redaction
        self._public_url = public_url
        self._tell = tell
        self._has_followers = False
        self._followed = asyncio.Event()
        self._again_until = 0.0

    def wake(self) -> None:
        """Let it look for webhooks, where it has found none."""
        self._followed.set()

    async def run_once(self) -> float:
        """Deal with the next changes; at once again while there are more."""
        async with self._engine.begin() as connection:
            done = await fan_out(connection, redaction=self._redaction, public_url=self._public_url)
        self._has_followers = done.followers > 0
        if done.made:
            self._tell()
        if not done.is_last:
            return 0
        if not self._has_followers:
            return REST_SECONDS
        return AGAIN_SECONDS if monotonic() < self._again_until else POLL_SECONDS

    async def wait(self, seconds: float) -> None:
        """Wait until the feed has more; where nobody wants any of it, until somebody may."""
        if not self._has_followers:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._followed.wait()
            self._followed.clear()
        elif await self._listener.wait(seconds):
            self._again_until = monotonic() + 5 * AGAIN_SECONDS


class WebhooksRound:
    """Sends what is due, as long as the process lives; `count` is told how many were delivered and how many failed."""

    def __init__(
        self,
        engine: AsyncEngine,
        sender: SendsWebhooks,
        *,
        most: int = MOST_IN_FLIGHT,
        count: Callable[[int, int], None] = lambda _delivered, _failed: None,
    ) -> None:
        self._engine = engine
        self._sender = sender
        self._most = most
        self._count = count
        self._sending: dict[asyncio.Task[None], Parcel] = {}
        self._sent: list[Sent] = []
        self._woken = asyncio.Event()
        self._upkeep_at = 0.0

    @property
    def is_busy(self) -> bool:
        """Tell whether something is on its way, or has come back and is not written yet."""
        return bool(self._sending or self._sent)

    def wake(self) -> None:
        """Let the next round begin: there is something to send."""
        self._woken.set()

    async def run_once(self) -> float:
        """Write what has come back, lease and begin to send what is due."""
        self._woken.clear()
        leased = await self._exchange()
        for parcel in leased:
            self._begin(parcel)
        if monotonic() >= self._upkeep_at and not await self._keep_up():
            self._upkeep_at = monotonic() + UPKEEP_SECONDS
        return REST_SECONDS if monotonic() < self._upkeep_at else POLL_SECONDS

    async def wait(self, seconds: float) -> None:
        """Wait until something has come back, or is to be sent, and a moment longer for what comes with it."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_SECONDS)

    async def close(self) -> None:
        """Stop sending, write what has come back, and give back the rest, which others send then."""
        left = list(self._sending.values())
        await end(*self._sending, limit_seconds=CLOSE_SECONDS)
        written = {each.parcel.leased.delivery_id for each in self._sent}
        open_ids = [each.leased.delivery_id for each in left if each.leased.delivery_id not in written]
        try:
            async with asyncio.timeout(CLOSE_SECONDS), self._engine.begin() as connection:
                if self._sent:
                    await record_sent(connection, self._sent)
                if open_ids:
                    await sending.release(connection, open_ids)
        except (TimeoutError, SQLAlchemyError, OSError) as error:
            log.warning("webhook_leases_left", count=len(open_ids), error=type(error).__name__)

    async def _exchange(self) -> list[Parcel]:
        sent, self._sent = self._sent, []
        in_flight = Counter(parcel.webhook.webhook_id for parcel in self._sending.values())
        try:
            async with self._engine.begin() as connection:
                written = await record_sent(connection, sent) if sent else []
                leased = await lease(connection, most=self._most, in_flight=in_flight)
        except Exception:
            self._sent = [*sent, *self._sent]
            raise
        delivered = sum(each.status is DeliveryStatus.DELIVERED for each in written)
        if written:
            self._count(delivered, len(written) - delivered)
        return leased

    def _begin(self, parcel: Parcel) -> None:
        name = f"webhook-{parcel.leased.delivery_id}"
        task = start(self._send(parcel), name=name, asked=lambda: True)
        self._sending[task] = parcel
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._sending.pop(task, None)
        self._woken.set()

    async def _send(self, parcel: Parcel) -> None:
        leased, webhook, begun = parcel.leased, parcel.webhook, monotonic()
        at = datetime.now(UTC)
        if leased.body is None or not webhook.secret:
            answer = Answer(failure=Failure.UNREADABLE)
        else:
            answer = await self._sender.send(webhook, event_id=leased.event_id, body=leased.body)
        self._sent.append(Sent(parcel, answer, at, duration_seconds=monotonic() - begun))

    async def _keep_up(self) -> bool:
        """Drop and delete what nobody is told any more; whether there may be more of it."""
        async with self._engine.begin() as connection:
            if not await leadership.take(connection, leadership.WEBHOOKS):
                return False
            dropped = await fanout.drop_undeliverable(connection, most=UPKEEP_ROWS)
            old = await fanout.delete_old(connection, kept_for=KEPT_FOR, most=UPKEEP_ROWS)
            deleted = await fanout.delete_deleted(connection, most=UPKEEP_ROWS)
        if dropped or old or deleted:
            log.info("webhook_deliveries_removed", dropped=dropped, old=old, deleted=deleted)
        return UPKEEP_ROWS in (dropped, old, deleted)
