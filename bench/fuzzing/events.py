"""Fuzzed events: bodies as no worker writes them, copies of real ones with something wrong, and forged ones.

What wraps them on each way to the mirror, and is hostile itself, is made in `channels.py`.
"""

import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from bench.fuzzing import texts
from bench.worker_events import bodies_of

RECORDING = Path(__file__).parents[2] / "tests" / "property" / "recordings" / "lives.json.gz"
FORGED_NODES = 50
FORGED_IDS = 500
"""How many forged ids there are: names that are never repeated would be another kind of attack, one on the disk."""
YEAR_10000, YEAR_9999, YEAR_2100, YEAR_0 = 253_402_300_800, 253_402_300_799, 4_102_444_800, -62_167_219_200
TIMES = (
    *(
        "0",
        "-1",
        "1e18",
        "-1e18",
        "1e308",
        "1e999",
        "NaN",
        "Infinity",
        "null",
        '"now"',
        '"2026-01-25"',
        "true",
        "[]",
        "{}",
    ),
    *map(str, (YEAR_10000, YEAR_9999, YEAR_2100, YEAR_0, -(2**63), 2**63, 2**64, 10**400, -62_135_596_801)),
)
FIELDS = (
    *("type", "uuid", "timestamp", "hostname", "pid", "clock", "utcoffset", "name", "args", "kwargs", "retries", "eta"),
    *(
        "root_id",
        "parent_id",
        "queue",
        "exception",
        "traceback",
        "result",
        "runtime",
        "requeue",
        "terminated",
        "signum",
    ),
    *("expired", "active", "processed", "loadavg", "sw_ident", "sw_ver", "sw_sys", "freq", "local_received"),
)
TYPES = (
    *("task-sent", "task-received", "task-started", "task-succeeded", "task-failed", "task-retried", "task-rejected"),
    *("task-revoked", "task-cancelled", "worker-online", "worker-heartbeat", "worker-offline", "task-custom", "task-"),
    *("", "worker-", "worker-\u0000", "x" * 256, "TASK-SENT", "task-multi", "group-x"),
)
LARGE_MIB = 4
MIB = 2**20

Event = dict[str, Any]


@dataclass(slots=True)
class Targets:
    """What events are forged about: things that are there."""

    random: Random
    task_ids: Sequence[str]
    """Ids of tasks that have ended; no probe is among them."""
    nodes: Sequence[str]
    """Nodes of workers that are online."""


Make = Callable[[Targets], bytes]


@dataclass(frozen=True, slots=True)
class EventGenerator:
    """A way to make hostile events, and how often it is drawn among the others."""

    make: Make
    weight: float = 1.0


@cache
def recorded() -> Sequence[Event]:
    """Return real events of real tasks, of every kind of end."""
    messages = json.loads(gzip.decompress(RECORDING.read_bytes()))["messages"]
    told = [json.loads(message) for message in messages]
    return [event for each in told for event in (each if isinstance(each, list) else [each])]


def heartbeat(node: str, *, kind: str = "worker-heartbeat", at: float | None = None) -> Event:
    """Return a sound event of a worker."""
    software = {"sw_ident": "py-celery", "sw_ver": "5.7.0", "sw_sys": "Linux"}
    state = {"freq": 2.0, "active": 0, "processed": 1, "loadavg": [0.1, 0.2, 0.3]}
    place = {"hostname": node, "pid": 1, "clock": 1, "utcoffset": 0}
    return {"type": kind, "timestamp": time.time() if at is None else at} | place | state | software


def life_of(task_id: str) -> list[bytes]:
    """Return sound events that tell of one task that some other worker has run."""
    return bodies_of([task_id])


def _real(targets: Targets) -> Event:
    event = dict(targets.random.choice(recorded()))
    return event | {"uuid": _some_id(targets), "timestamp": time.time()}


def _some_id(targets: Targets) -> str:
    """A task that there is, or one that an event makes."""
    forged = f"forged-{targets.random.randrange(FORGED_IDS)}"
    return targets.random.choice((*targets.task_ids[:5], forged, forged)) if targets.task_ids else forged


def _some_node(targets: Targets) -> str:
    return f"forged-{targets.random.randrange(FORGED_NODES)}@nowhere"


def _sound(targets: Targets) -> bytes:
    return json.dumps(_real(targets)).encode()


def _mutated(targets: Targets) -> bytes:
    """A real event with one value that is none."""
    random, event = targets.random, _real(targets)
    place = random.choice((*event, *FIELDS))
    event[place] = texts.HOLE
    text = random.choice((*texts.SCALARS, *TIMES, texts.deep_value(random)))
    written = json.dumps(event, ensure_ascii=False).replace(json.dumps(texts.HOLE, ensure_ascii=False), text)
    return written.encode("utf-8", "surrogatepass")


def _missing(targets: Targets) -> bytes:
    return texts.without_key(_real(targets), targets.random).encode()


def _repeated(targets: Targets) -> bytes:
    event = _real(targets)
    return texts.with_members(event, f'"uuid":1,"timestamp":{targets.random.choice(TIMES)}').encode()


def _spoilt(targets: Targets) -> bytes:
    return texts.spoilt(_sound(targets), targets.random)


def _truncated(targets: Targets) -> bytes:
    whole = _sound(targets)
    return whole[: targets.random.randrange(len(whole))]


def _another_type(targets: Targets) -> bytes:
    return json.dumps(_real(targets) | {"type": targets.random.choice(TYPES)}).encode()


def _another_time(targets: Targets) -> bytes:
    """Give an event of a task or a worker another time: beyond the calendar, in the past, in the future."""
    event = _real(targets) if targets.random.random() < 0.5 else heartbeat(_some_node(targets))
    return _with_text(event, "timestamp", text=targets.random.choice(TIMES))


def _deep(targets: Targets) -> bytes:
    return texts.deep_value(targets.random).encode()


def _deep_field(targets: Targets) -> bytes:
    field = targets.random.choice(("args", "kwargs", "loadavg", "unknown"))
    return _with_text(_real(targets), field, text=texts.deep_value(targets.random))


def _no_event(targets: Targets) -> bytes:
    odd = (
        b"",
        b" ",
        b"null",
        b"[]",
        b"[[]]",
        b"{}",
        b"[{}]",
        b"0",
        b'"text"',
        b"[null]",
        b"\x80\x04K\x01.",
        b"\xff\xfe[",
    )
    return targets.random.choice((*odd, *(text.encode("utf-8", "surrogatepass") for text in texts.SCALARS)))


def _mixed_list(targets: Targets) -> bytes:
    """Sound ones among others: one bad event may not take its neighbours with it."""
    random = targets.random
    count = random.choice((1, 3, 30, 300))
    made = (_sound, _mutated, _no_event, _another_time)
    bodies = [random.choice(made)(targets) for _ in range(count)]
    return b"[" + b",".join(bodies) + b"]"


def _long_list(targets: Targets) -> bytes:
    """Thousands of sound events in one message."""
    return b"[" + b",".join([_sound(targets)] * 3_000) + b"]"


@cache
def _blank(mebibytes: int) -> str:
    return "x" * (mebibytes * MIB)


def _large(targets: Targets) -> bytes:
    field = targets.random.choice(("traceback", "args", "unknown", "exception", "result", "hostname", "uuid"))
    return json.dumps(_real(targets) | {field: _blank(LARGE_MIB)}).encode()


def _many_keys(targets: Targets) -> bytes:
    return texts.with_members(_real(targets), texts.many_keys(20_000)).encode()


def _wide(targets: Targets) -> bytes:
    return _with_text(heartbeat(_some_node(targets)), "loadavg", text=texts.wide(100_000, "0.1"))


def _forged_worker(targets: Targets) -> bytes:
    """A worker that there is not, or a name that no worker can have."""
    random = targets.random
    kind = random.choice(("worker-heartbeat", "worker-online", "worker-offline"))
    name = random.choice((_some_node(targets), _some_node(targets), random.choice(texts.NAMES)))
    return json.dumps(heartbeat(name, kind=kind)).encode()


def _forged_goodbye(targets: Targets) -> bytes:
    """Forge the goodbye of a worker that works, dated at every time but now."""
    node = targets.random.choice((*targets.nodes, _some_node(targets)))
    kind = targets.random.choice(("worker-offline", "worker-online", "worker-heartbeat"))
    return _with_text(heartbeat(node, kind=kind), "timestamp", text=targets.random.choice(TIMES))


def _forged_end(targets: Targets) -> bytes:
    """Forge the end of a task that has long ended, by a worker that never had it."""
    random = targets.random
    kind = random.choice(("task-succeeded", "task-failed", "task-revoked", "task-started", "task-retried"))
    forged = {"type": kind, "hostname": _some_node(targets), "clock": random.randrange(2**40), "pid": 1}
    return json.dumps(_real(targets) | forged | {"result": "'forged'", "exception": "Forged('')"}).encode()


def _forged_id(targets: Targets) -> bytes:
    return json.dumps(_real(targets) | {"uuid": targets.random.choice(texts.NAMES)}).encode()


def _with_text(event: Event, field: str, *, text: str) -> bytes:
    written = json.dumps(event | {field: texts.HOLE}, ensure_ascii=False)
    return written.replace(json.dumps(texts.HOLE, ensure_ascii=False), text).encode("utf-8", "surrogatepass")


EVENTS: Mapping[str, EventGenerator] = {
    "sound event": EventGenerator(_sound, 3),
    "mutated event": EventGenerator(_mutated, 20),
    "missing field": EventGenerator(_missing, 5),
    "repeated field": EventGenerator(_repeated, 2),
    "spoilt bytes": EventGenerator(_spoilt, 10),
    "truncated": EventGenerator(_truncated, 5),
    "another type": EventGenerator(_another_type, 5),
    "another time": EventGenerator(_another_time, 5),
    "deep body": EventGenerator(_deep, 2),
    "deep field": EventGenerator(_deep_field, 2),
    "no event": EventGenerator(_no_event, 8),
    "list of good and bad": EventGenerator(_mixed_list, 0.5),
    "long list": EventGenerator(_long_list, 0.01),
    "large field": EventGenerator(_large, 0.01),
    "many keys": EventGenerator(_many_keys, 0.05),
    "wide field": EventGenerator(_wide, 0.05),
    "forged worker": EventGenerator(_forged_worker, 2),
    "forged goodbye": EventGenerator(_forged_goodbye, 1),
    "forged end": EventGenerator(_forged_end, 4),
    "forged id": EventGenerator(_forged_id, 3),
}
"""The generators by name."""


def drawn_event(targets: Targets) -> tuple[str, bytes]:
    """Draw one of them by weight; returns its name and the event."""
    names = list(EVENTS)
    name = targets.random.choices(names, [EVENTS[each].weight for each in names])[0]
    return name, EVENTS[name].make(targets)
