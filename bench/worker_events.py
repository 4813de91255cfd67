"""Event messages as one publisher and one busy prefork worker send them, and the results that the worker stores.

Fields and shapes are those of Celery 5.7: each event alone, or from prefork up to three of them in a list.
"""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.events.sources import EventMessage

EVENTS_PER_TASK = 4
WORKER, PUBLISHER = "celery@bench", "publisher@bench"
SENT_AHEAD = 1_000
"""How many tasks wait in the queue: they lie between the `task-sent` of a task and the rest of its events."""
STARTED_AFTER, SUCCEEDED_AFTER = 4, 8
"""Tasks received between the events of one task."""
STEP_SECONDS = 0.0002

Event = dict[str, Any]


def bodies_of(task_ids: Sequence[str]) -> list[bytes]:
    """Return the messages that tell of these tasks: each sent, received, started and succeeded."""
    bodies: list[bytes] = []
    begun = time.time()
    for step in range(-SENT_AHEAD, len(task_ids) + SUCCEEDED_AFTER):
        at = begun + (step + SENT_AHEAD) * STEP_SECONDS
        if (sent := step + SENT_AHEAD) < len(task_ids):
            bodies.append(_body([_sent(task_ids[sent], at, clock=step)]))
        bodies += _worker_bodies(_worker_events(task_ids, step, at=at), as_list=step % 2 == 0)
    return bodies


def worker_bodies_at(task_ids: Sequence[str]) -> list[list[bytes]]:
    """Return what a worker tells at each of its steps, of which each receives one task; times are those of now on."""
    begun, steps = time.time(), range(len(task_ids) + SUCCEEDED_AFTER)
    told = ((step, _worker_events(task_ids, step, at=begun + step * STEP_SECONDS)) for step in steps)
    return [list(_worker_bodies(events, as_list=step % 2 == 0)) for step, events in told]


def messages_of(task_ids: Sequence[str]) -> list[EventMessage]:
    """Return these messages as the mirror's sources hand them over."""
    now = datetime.now(UTC)
    return [EventMessage(body, now) for body in bodies_of(task_ids)]


def result_meta(task_id: str) -> bytes:
    """Return what a worker stores under `celery-task-meta-ID` (with `result_extended`)."""
    meta = {
        "status": "SUCCESS",
        "result": 5,
        "traceback": None,
        "children": [],
        "date_done": "2026-03-01T12:00:00.000000+00:00",
        "name": "celeriac.add",
        "args": [2, 3],
        "kwargs": {},
        "worker": WORKER,
        "retries": 0,
        "queue": "celery",
        "task_id": task_id,
    }
    return json.dumps(meta).encode()


def _worker_events(task_ids: Sequence[str], step: int, *, at: float) -> list[Event]:
    kinds = (("task-received", 0), ("task-started", STARTED_AFTER), ("task-succeeded", SUCCEEDED_AFTER))
    ready = [(kind, step - behind) for kind, behind in kinds if 0 <= step - behind < len(task_ids)]
    return [_told(kind, task_ids[index], at=at, clock=3 * step + n) for n, (kind, index) in enumerate(ready)]


def _worker_bodies(events: Sequence[Event], *, as_list: bool) -> Iterator[bytes]:
    if as_list and events:
        yield _body(events)
    else:
        yield from (_body([event]) for event in events)


def _body(events: Sequence[Event]) -> bytes:
    return json.dumps(events if len(events) > 1 else events[0]).encode()


def _sent(task_id: str, at: float, *, clock: int) -> Event:
    names = {"name": "celeriac.add", "args": "(2, 3)", "kwargs": "{}", "root_id": task_id, "parent_id": None}
    queue = {"retries": 0, "eta": None, "expires": None, "queue": "celery", "exchange": "", "routing_key": "celery"}
    return _event("task-sent", task_id, at=at, clock=clock, hostname=PUBLISHER, pid=100) | names | queue


def _told(kind: str, task_id: str, *, at: float, clock: int) -> Event:
    event = _event(kind, task_id, at=at, clock=clock, hostname=WORKER, pid=200)
    if kind == "task-received":
        names = {"name": "celeriac.add", "args": "(2, 3)", "kwargs": "{}", "root_id": task_id, "parent_id": None}
        return event | names | {"retries": 0, "eta": None, "expires": None}
    return event | ({"result": "5", "runtime": 0.0004} if kind == "task-succeeded" else {})


def _event(kind: str, task_id: str, *, at: float, clock: int, hostname: str, pid: int) -> Event:
    return {"type": kind, "uuid": task_id, "timestamp": at, "clock": clock, "hostname": hostname, "pid": pid} | {
        "utcoffset": 0,
        "freq": None,
    }
