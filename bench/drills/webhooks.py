"""Webhooks: the loop killed again and again loses and doubles nothing, is fast enough, and shields the healthy.

Changes are put into the feed as `record` does. What a task takes from its end into the feed is not part of this.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from statistics import quantiles
from typing import Annotated

import psutil
import psycopg
import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.drills.findings import DrillReport, Finding, equal, present
from bench.drills.hook_receivers import Receivers
from bench.report import JsonFile
from bench.stack import RunningProcess, Servers, running_door, running_servers, wait_until
from domain.audit import Author
from domain.feed import Change, ChangeType
from domain.filters import TaskFilter
from domain.reach import parse_allowed
from domain.webhooks.endpoints import Egress
from domain.webhooks.subscriptions import Subscription
from services.feed import tell
from services.webhooks.settings import Order, create_webhook
from store.engine import open_engine

ENDPOINTS = 10
NOTICED_SECONDS = 2.5
"""How long it takes at most until the loop has noticed that there is a webhook, where there was none."""
PATIENCE_SECONDS = 240.0
"""Longer than the lease of a process that was killed, and the first pause of what has failed."""
EGRESS = Egress(allow_http=True, networks=parse_allowed(["127.0.0.1/32"]))
ALLOWED = {"CELERIAC_WEBHOOK_ALLOW_HTTP": "true", "CELERIAC_WEBHOOK_ALLOW_NETWORKS": "127.0.0.1/32"}
ROWS = "select count(*), count(distinct (webhook_id, event_id)) from webhook_deliveries where not is_test"


def main(
    changes: Annotated[int, typer.Option(min=10, help="Changes while the loop is killed.")] = 1_000,
    kills: Annotated[int, typer.Option(min=1, help="How often it is killed.")] = 12,
    *,
    deliveries: Annotated[int, typer.Option(min=100, help="Deliveries at full speed, to ten endpoints.")] = 10_000,
    seconds: Annotated[int, typer.Option(min=2, help="How long each turn with and without a dead endpoint is.")] = 15,
    json_file: JsonFile = None,
) -> None:
    """Kill the loop of webhooks, then let it run as fast as it can, idle, and beside an endpoint that hangs."""
    findings: list[Finding] = []
    measured: dict[str, float | int | str | bool | None] = {}
    with running_servers() as servers, Receivers(ENDPOINTS + 1) as receivers:
        findings += _kills(servers, receivers, changes=changes, kills=kills)
        _forget(servers)
        receivers.clear()
        with _running(servers) as loops:
            measured |= _speed(servers, receivers, loops=loops, deliveries=deliveries)
            _forget(servers)
            measured |= _idle(servers, receivers)
            _forget(servers)
            measured |= _beside_a_dead_one(servers, receivers, seconds=seconds)
    rate = float(str(measured["deliveries a second"]))
    findings.append(Finding("one process makes 500 deliveries a second", ">= 500", f"{rate:.0f}", rate >= 500))
    present(
        DrillReport(title=f"Webhooks: {changes:,} changes, {kills} kills", findings=findings, measured=measured),
        json_file,
    )


def _running(servers: Servers) -> AbstractContextManager[RunningProcess]:
    return running_door("loops", servers, "--only", "webhooks", ready="webhook_fanout", environment=ALLOWED)


def _kills(servers: Servers, receivers: Receivers, *, changes: int, kills: int) -> list[Finding]:
    """Kill -9 at any moment while changes come, half of them answered with an error the first time."""
    chance = random.Random(17)
    seen: set[str] = set()

    def fails_once(event_id: str) -> bool:
        is_first = event_id not in seen
        seen.add(event_id)
        return is_first and int(event_id.rpartition("_")[2]) % 2 == 0

    receivers.refuses = fails_once
    _make(servers, receivers, numbers=range(3))
    for number in range(kills):
        with _running(servers) as loops:
            portion = changes // kills + (changes % kills if not number else 0)
            _put(servers, portion, size=20)
            time.sleep(chance.random() * 0.4)
            loops.process.kill()
    receivers.refuses = lambda _id: False
    with _running(servers):
        wait_until(lambda: _all_over(servers), "all deliveries", seconds=PATIENCE_SECONDS)
        rows, distinct = _one(servers, ROWS)
    came = [set(receivers.came[number]) for number in range(3)]
    times = sum(len(each) for number in range(3) for each in receivers.came[number].values())
    findings = [
        equal("each change is one row of each webhook", expected=3 * changes, seen=rows),
        equal("no row is there twice", expected=rows, seen=distinct),
        equal("each change came at each receiver", expected=str([changes] * 3), seen=str([len(ids) for ids in came])),
        equal("the ids are those of the changes, the same everywhere", expected=changes, seen=len(set().union(*came))),
    ]
    return [*findings, Finding("what comes twice comes under its id", "-", f"{times - 3 * changes} more", kept=True)]


def _speed(
    servers: Servers, receivers: Receivers, *, loops: RunningProcess, deliveries: int
) -> dict[str, float | int | str | bool | None]:
    _make(servers, receivers, numbers=range(ENDPOINTS), own_queues=True)
    process = psutil.Process(loops.process.pid)
    before = process.cpu_times()
    begun = time.time()
    _put(servers, deliveries, size=1_000, queues=ENDPOINTS)
    wait_until(lambda: receivers.count() >= deliveries, "all deliveries", seconds=PATIENCE_SECONDS)
    took = time.time() - begun
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return {
        "deliveries a second": round(deliveries / took),
        "processor ms of the loop for each": round(1_000 * spent / deliveries, 2),
    }


def _idle(servers: Servers, receivers: Receivers) -> dict[str, float | int | str | bool | None]:
    """One change at a time, each long after the one before: from its commit to its arrival."""
    receivers.clear()
    _make(servers, receivers, numbers=range(1))
    delays = _delays(servers, receivers, count=60, pause=0.2)
    return {"idle, commit to receipt, p50 ms": _percent(delays, 50), "idle, p95 ms": _percent(delays, 95)}


def _beside_a_dead_one(
    servers: Servers, receivers: Receivers, *, seconds: int
) -> dict[str, float | int | str | bool | None]:
    receivers.clear()
    _make(servers, receivers, numbers=range(1))
    alone = _delays(servers, receivers, count=seconds * 20, pause=0.05)
    receivers.clear()
    receivers.hangs[ENDPOINTS] = True
    _make(servers, receivers, numbers=[ENDPOINTS])
    beside = _delays(servers, receivers, count=seconds * 20, pause=0.05)
    p95 = _percent(alone, 95), _percent(beside, 95)
    return {"healthy alone, p95 ms": p95[0], "beside one that hangs, p95 ms": p95[1]}


def _delays(servers: Servers, receivers: Receivers, *, count: int, pause: float) -> list[float]:
    """Commit changes one by one, and return how long each took to the first receiver."""
    committed: list[float] = []

    async def commit(engine: AsyncEngine) -> None:
        for number in range(count):
            async with engine.begin() as connection:
                await tell(connection, [_change(number)])
            committed.append(time.time())
            await asyncio.sleep(pause)

    _do(servers, commit)
    wait_until(lambda: len(receivers.came[0]) >= count, "all deliveries", seconds=PATIENCE_SECONDS)
    came = sorted(times[0] for times in receivers.came[0].values())
    return [1_000 * (at - begun) for at, begun in zip(came, committed, strict=True)]


def _percent(values: Sequence[float], percent: int) -> float:
    return round(quantiles(values, n=100)[percent - 1], 1)


def _change(number: int, *, queues: int = 1) -> Change:
    is_failed = number % 2 == 0
    kind = ChangeType.TASK_FAILED if is_failed else ChangeType.TASK_COMPLETED
    status = "FAILED" if is_failed else "COMPLETED"
    return Change(
        kind,
        f"task-{number}",
        task_name="shop.pay",
        queue_name=f"q{number % queues}",
        status=status,
        previous="RUNNING",
        data={"attempt": 1},
    )


def _put(servers: Servers, count: int, *, size: int, queues: int = 1) -> None:
    """Commit so many changes, `size` of them in each transaction."""

    async def put(engine: AsyncEngine) -> None:
        for first in range(0, count, size):
            async with engine.begin() as connection:
                last = min(first + size, count)
                await tell(connection, [_change(number, queues=queues) for number in range(first, last)])

    _do(servers, put)


def _make(servers: Servers, receivers: Receivers, *, numbers: Sequence[int], own_queues: bool = False) -> None:
    """Make a webhook for each of these receivers, of all tasks or of a queue of its own."""

    async def make(engine: AsyncEngine) -> None:
        for number in numbers:
            wanted = TaskFilter(queue_name=f"q{number}") if own_queues else TaskFilter()
            order = Order(receivers.url(number), Subscription(("task.*",), wanted), max_in_flight=10)
            async with engine.begin() as connection:
                await create_webhook(connection, order, author=Author("cli", "cli", "drill"), egress=EGRESS)

    _do(servers, make)
    time.sleep(NOTICED_SECONDS)


def _do(servers: Servers, work: Callable[[AsyncEngine], Awaitable[None]]) -> None:
    async def once() -> None:
        engine = open_engine(servers.database_url, pool_size=1)
        await work(engine)
        await engine.dispose()

    asyncio.run(once())


def _forget(servers: Servers) -> None:
    """Begin without any webhook."""
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("truncate webhooks, webhook_cursors, webhook_deliveries, webhook_attempts")


def _all_over(servers: Servers) -> bool:
    """Whether all that was put has become deliveries that are over; failures are tried at once, not after minutes."""
    with psycopg.connect(servers.database_url) as connection:
        connection.execute(
            "update webhook_deliveries set next_attempt_at = now() where attempts > 0 and status = 'PENDING'"
        )
        connection.execute("update webhooks set held_until = null, failures = 0 where failures > 0")
    behind = "select count(*) from webhook_deliveries where status = 'PENDING'"
    return _one(servers, behind)[0] == 0 and _one(servers, _NOT_FANNED_OUT)[0] == 0


_NOT_FANNED_OUT = (
    "select count(*) from feed, webhooks w where not exists (select from webhook_deliveries d"
    " where d.webhook_id = w.webhook_id and d.xact = feed.xact::text::bigint and d.change_id = feed.change_id)"
)


def _one(servers: Servers, statement: str) -> tuple[int, ...]:
    with psycopg.connect(servers.database_url) as connection:
        found = connection.execute(statement.encode()).fetchone()
    assert found is not None
    return tuple(found)
