"""Raw Celery event messages -> facts, identities and heartbeats. No I/O.

A message holds one event or, from a prefork worker, a list of them (`task.multi`). What cannot be
understood is counted and left out: one bad event never holds up the others. Every field has a bound, and times are
those that can be true (`domain/clocks.py`): whoever reaches the broker may send anything.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from domain.clocks import credible
from domain.exceptions import told_exception
from domain.facts import PUBLISHER, Detail, Fact, worker_event_key
from domain.identities import LEFT_OUT, MAX_ID_BYTES, Identity, fits, shown_name
from domain.json_values import storable
from domain.states import EventType
from domain.workers.status import Heartbeat
from gateway.events.sources import EventMessage

MAX_NAME = 255
"""Characters of the name of a node or a queue: indexed by Postgres, which takes rows of an index up to 2.7 kB."""

EVENT_TYPES = {
    "task-received": EventType.RECEIVED,
    "task-started": EventType.STARTED,
    "task-succeeded": EventType.SUCCEEDED,
    "task-failed": EventType.FAILED,
    "task-retried": EventType.RETRIED,
    "task-rejected": EventType.REJECTED,
    "task-revoked": EventType.REVOKED,
}
DETAILS = ("exception", "traceback", "runtime", "requeue", "terminated", "signum", "expired", "eta")
"""Fields of task events that a fact keeps."""


MAX_TEXT = 65_536
"""Characters of an exception or a traceback; of a longer one the end is kept, which says what was raised."""
MAX_REPR = 16_384
"""Characters of arguments; Celery itself shortens them to 1,024."""
MAX_RUNTIME_SECONDS = 1e9
Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
Short = Annotated[str, msgspec.Meta(max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Retries = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]
ProcessId = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
Int8 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Load = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class Event(msgspec.Struct):
    """The fields of any Celery event that we read; Celery's documentation lists them under Events."""

    type: Name
    timestamp: float
    hostname: Name | None = None
    pid: ProcessId | None = None
    clock: Int8 | None = None
    uuid: str | None = None
    name: str | None = None
    args: Any = None
    kwargs: Any = None
    queue: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    retries: Retries | None = None
    eta: Short | None = None
    exception: str | None = None
    traceback: str | None = None
    result: Any = None
    runtime: Annotated[float, msgspec.Meta(ge=0, le=MAX_RUNTIME_SECONDS)] | None = None
    requeue: bool | None = None
    terminated: bool | None = None
    signum: ProcessId | Short | None = None
    expired: bool | None = None
    active: Count | None = None
    processed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    loadavg: Annotated[tuple[Load, ...], msgspec.Meta(max_length=3)] | None = None
    freq: Annotated[float, msgspec.Meta(ge=0, le=MAX_RUNTIME_SECONDS)] | None = None
    sw_ident: Short | None = None
    sw_ver: Short | None = None
    sw_sys: Short | None = None


@dataclass(slots=True)
class Decoded:
    """What a batch of messages says."""

    facts: list[Fact] = field(default_factory=list)
    identities: list[Identity] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    seen: dict[str, datetime] = field(default_factory=dict)
    """The time at which each node was last heard to tell of a task, by our clock."""
    told_results: dict[str, str] = field(default_factory=dict)
    """The text of a return value, by task id: shortened by Celery to 1,024 characters, never parsed."""
    refused: int = 0
    """How many events could not be understood."""
    reason: str | None = None
    """Why one of them could not be understood, in words that hold nothing of it."""

    @property
    def ended(self) -> list[str]:
        """Return the ids of tasks of which an end was heard, whose result the backend now has."""
        ends = (EventType.SUCCEEDED, EventType.FAILED)
        return list(dict.fromkeys(fact.task_id for fact in self.facts if fact.type in ends))


_decode = msgspec.json.Decoder(Event | list[Event]).decode
_decode_one = msgspec.json.Decoder(Event).decode


class _Unusable(ValueError):
    """An event that is well-formed and of no use."""


def decode(messages: Iterable[EventMessage]) -> Decoded:
    """Return all that these messages say."""
    decoded = Decoded()
    for message in messages:
        heard = message.heard_at.timestamp()
        for event in _events(message.body, decoded):
            try:
                _take(event, decoded, message=message, heard=heard)
            except Exception as error:  # whatever is wrong with one event; it is counted, and logged with the others
                decoded.refused += 1
                decoded.reason = str(error) if isinstance(error, _Unusable) else type(error).__name__
    return decoded


def split(message: EventMessage) -> list[EventMessage]:
    """Return the events of one message as messages of their own; the message itself where it has but one."""
    try:
        bodies = msgspec.json.decode(message.body, type=list[msgspec.Raw])
    except Exception:  # one event, or what is none
        return [message]
    return [replace(message, body=bytes(body)) for body in bodies]


def _events(body: bytes, decoded: Decoded) -> Iterator[Event]:
    """The events of one message. Only where they do not all decode at once, which is rare, is each looked at alone."""
    try:
        if b"\\u0000" in body or b"\\ud" in body.lower():
            # Postgres text holds neither NUL nor lone surrogates; msgspec refuses the latter.
            body = json.dumps(storable(json.loads(body))).encode()
        events = _decode(body)
    except Exception:  # msgspec's errors, bytes that are no UTF-8, numbers too long for Python, deep nesting
        yield from _sound_events(body, decoded)
    else:
        yield from events if isinstance(events, list) else (events,)


def _sound_events(body: bytes, decoded: Decoded) -> Iterator[Event]:
    try:
        items = msgspec.json.decode(body, type=list[msgspec.Raw])
    except Exception:  # as above
        decoded.refused += 1
        return
    for item in items:
        try:
            event = _decode_one(item)
        except Exception:  # as above
            decoded.refused += 1
        else:
            yield event


def _take(event: Event, decoded: Decoded, *, message: EventMessage, heard: float) -> None:
    at = datetime.fromtimestamp(credible(event.timestamp, heard=heard), UTC)
    if event.type.startswith("worker-"):
        decoded.heartbeats.append(_heartbeat(event, at, message=message))
        return
    if event.type not in EVENT_TYPES and event.type != "task-sent":
        return  # an application's own event: theirs, not a fact of the task's life
    if not event.uuid:
        raise _Unusable("a task event without an id")
    if not fits(event.uuid):
        raise _Unusable(f"a task's id of more than {MAX_ID_BYTES} bytes")
    if event.type in ("task-sent", "task-received"):
        decoded.identities.append(_identity(event))
    fact = _publishers_fact(event, at) if event.type == "task-sent" else _workers_fact(event, at)
    if fact is not None:
        decoded.facts.append(fact)
        if fact.node:
            decoded.seen[fact.node] = message.heard_at
        if fact.type is EventType.SUCCEEDED and (text := _repr(event.result)) is not None:
            decoded.told_results[fact.task_id] = text


def _heartbeat(event: Event, at: datetime, *, message: EventMessage) -> Heartbeat:
    if not event.hostname:
        raise _Unusable("a worker event without a hostname")
    software = " ".join(part for part in (event.sw_ident, event.sw_ver) if part)
    return Heartbeat(
        node=event.hostname,
        heard_at=message.heard_at,
        at=at,
        online_at=at if event.type == "worker-online" else None,
        goodbye_at=at if event.type == "worker-offline" else None,
        pid=event.pid,
        active=event.active,
        processed=event.processed,
        load_average=event.loadavg,
        software=f"{software} ({event.sw_sys})" if software and event.sw_sys else software or None,
        streamed=message.streamed,
        clock=event.clock,
        every_seconds=event.freq,
    )


def _identity(event: Event) -> Identity:
    return Identity(
        task_id=event.uuid or "",
        task_name=shown_name(event.name) if event.name is not None else None,
        args_repr=_repr(event.args),
        kwargs_repr=_repr(event.kwargs),
        queue_name=event.queue if event.queue is not None and len(event.queue) <= MAX_NAME else None,
        root_id=_id(event.root_id),
        # A task that replaces itself is told to be its own parent.
        parent_id=_id(event.parent_id) if event.parent_id != event.uuid else None,
    )


def _id(task_id: str | None) -> str | None:
    """Return the id; None for one that no task here can have."""
    return task_id if task_id is None or fits(task_id) else None


def _repr(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_REPR else text[: MAX_REPR - 1] + LEFT_OUT


def _end_of(text: str) -> str:
    return text if len(text) <= MAX_TEXT else LEFT_OUT + text[1 - MAX_TEXT :]


def _publishers_fact(event: Event, at: datetime) -> Fact | None:
    """`task-sent` of a first run is a submission by another publisher; that of a retry adds nothing to `retried`."""
    if event.retries:
        return None
    return Fact(
        task_id=event.uuid or "",
        type=EventType.SUBMITTED,
        at=at,
        key="sent",
        details={"source": PUBLISHER},
    )


def _workers_fact(event: Event, at: datetime) -> Fact:
    if not event.hostname:
        raise _Unusable("a worker's event without a hostname")
    event_type = EVENT_TYPES[event.type]
    details: dict[str, Detail] = {name: getattr(event, name) for name in DETAILS if getattr(event, name) is not None}
    if event_type is EventType.RECEIVED and (parent_id := _id(event.parent_id)) is not None:
        details["parent_id"] = parent_id  # tells the message of a retry from that of what took the task's place
    if event.exception is not None or event.traceback is not None:
        _mend_exception(details, event)
    return Fact(
        task_id=event.uuid or "",
        type=event_type,
        at=at,
        key=worker_event_key(event_type, event.hostname, pid=event.pid or 0, clock=event.clock or 0),
        node=event.hostname,
        pid=event.pid or 0,
        clock=event.clock or 0,
        retries=event.retries if event_type is EventType.RECEIVED else None,
        details=details,
    )


def _mend_exception(details: dict[str, Detail], event: Event) -> None:
    """What was raised and where, in bounds."""
    exception = told_exception(event.exception, event.traceback)
    texts = {"exception": exception, "traceback": event.traceback}
    for name, text in texts.items():
        if text is None:
            details.pop(name, None)
        else:
            details[name] = _end_of(text)
