"""Queues that nobody consumes and that workers of ours take on: how that is told. `loops/queues.py` does it."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.workers.status import hostname


def how_to_consume(queue_name: str, *, takers: Sequence[str], adopts: bool) -> str:
    """Return how a queue gets a consumer. `takers`: nodes of ours that know what waits in it; `adopts`: whether they
    are told by themselves, unless its name is one of Celery's own.
    """
    queue = shlex.quote(queue_name)
    start = f"tart a worker with `-Q {queue}`"
    if not takers:
        return f"S{start}."
    node = takers[0]
    if adopts:
        return f"{hostname(node)} knows its task and is told to consume it within seconds; otherwise s{start}."
    told = f"`celery -A your_app control add_consumer {queue} -d {shlex.quote(node)}`"
    return f"S{start}, or let one that knows its task consume it as well: {told}."


def adoptions(taken_on: Mapping[str, str] | None) -> dict[str, datetime]:
    """Return when a worker was told to consume which queues, as it is stored."""
    return {queue: datetime.fromisoformat(at) for queue, at in (taken_on or {}).items()}


def adopted_at(queue_name: str, taken_on: Mapping[str, str] | None, *, online_at: datetime | None) -> datetime | None:
    """Return since when a worker consumes a queue because it was told to; None of one that it was started for."""
    at = adoptions(taken_on).get(queue_name)
    return at if at is not None and (online_at is None or at >= online_at) else None
