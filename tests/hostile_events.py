"""Events as somebody would send them who wants to stop, swell or mislead a mirror: malformed, forged and extreme.

`bodies` are for hypothesis; `WORST` is a list of the worst, each named, for tests on real servers.
"""

import base64
import json
from typing import Any

from hypothesis import strategies as st

TASK_EVENTS = ("sent", "received", "started", "succeeded", "failed", "rejected", "revoked", "retried", "cancelled", "x")
WORKER_EVENTS = ("online", "heartbeat", "offline")
TYPES = [f"task-{name}" for name in TASK_EVENTS] + [f"worker-{name}" for name in WORKER_EVENTS]
FIELDS = (
    *("type", "uuid", "hostname", "timestamp", "utcoffset", "pid", "clock", "name", "args", "kwargs", "root_id"),
    *("parent_id", "retries", "eta", "expires", "exception", "traceback", "runtime", "requeue", "terminated"),
    *("signum", "expired", "result", "queue", "freq", "active", "processed", "loadavg", "sw_ident", "sw_ver", "sw_sys"),
)
NOON = 1_772_366_400.0

_texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "\0", "a\0b", "\ud800", "\udfff\ud800", "\x1b]0;x\x07", "\u202e"]),
    # Not as they are: hypothesis would print them.
    st.sampled_from([300, 3_000, 70_000]).map(lambda length: "\N{LATIN SMALL LETTER E WITH ACUTE}" * length),
)
_numbers = st.one_of(
    st.integers(-10, 10),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(
        [2**31, 2**32, 2**63 - 1, 2**63, -(2**63) - 1, 10**40, 1e308, -1e308, NOON, 253402300800.0, -62135596801.0]
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), _texts, _numbers),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def forged_events(draw: st.DrawFn) -> dict[str, Any]:
    """Nearly right: a sound event, some fields of which are anything at all, or missing."""
    event: dict[str, Any] = {
        "type": draw(st.sampled_from(TYPES)),
        "uuid": draw(st.sampled_from(["one", "two", "three"])),
        "hostname": draw(st.sampled_from(["celery@one", "celery@two"])),
        "timestamp": NOON + draw(st.integers(-100, 100)),
        "pid": 7,
        "clock": draw(st.integers(0, 50)),
    }
    event |= draw(st.dictionaries(st.sampled_from(FIELDS), values, max_size=3))
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=1)):
        event.pop(name, None)
    return event


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """A sound message in which some bytes are others, or that ends too early."""
    body = bytearray(json.dumps(draw(forged_events())).encode())
    for _ in range(draw(st.integers(1, 4))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body[: draw(st.integers(0, len(body)))])


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


bodies = st.one_of(
    forged_events().map(_dumped),
    st.lists(forged_events(), max_size=4).map(_dumped),
    values.map(_dumped),
    mutilated(),
    st.binary(max_size=60),
)


def envelope(body: bytes, /, **changes: Any) -> bytes:
    """kombu's message on Redis around it; `changes` replace its parts."""
    usual = {
        "body": base64.b64encode(body).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"hostname": "celery@one"},
        "properties": {"body_encoding": "base64", "delivery_tag": "t", "priority": 0},
    }
    return json.dumps(usual | changes).encode()


envelopes = st.one_of(
    bodies.map(envelope),
    st.dictionaries(st.sampled_from(["body", "headers", "properties", "content-type"]), values, max_size=2).map(
        lambda changes: envelope(b"{}", **changes)
    ),
    mutilated(),
    st.binary(max_size=60),
)

DEEP = b"[" * 100_000 + b"]" * 100_000


def forged(**given: Any) -> bytes:
    """A forged event; what is not given is sound."""
    usual = {
        "type": "task-started",
        "uuid": "forged",
        "hostname": "celery@forged",
        "timestamp": NOON,
        "pid": 1,
        "clock": 1,
    }
    return json.dumps(usual | given).encode()


WORST: dict[str, bytes] = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "a pickle": b"\x80\x05\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
    "deep nesting": DEEP,
    "deep arguments": forged(type="task-received").replace(b"{", b'{"args": ' + DEEP + b", ", 1),
    "a deep field that nobody reads": forged().replace(b"{", b'{"zzz": ' + DEEP + b", ", 1),
    "a long number": forged().replace(b'"pid": 1', b'"pid": ' + b"9" * 10_000),
    "no number": forged().replace(b'"pid": 1', b'"pid": NaN'),
    "an infinite time": forged().replace(str(NOON).encode(), b"1e400"),
    "the year 9999": forged(timestamp=253402300799.0),
    "beyond the calendar": forged(timestamp=1e18),
    "before Christ": forged(timestamp=-1e12),
    "a goodbye of tomorrow": forged(type="worker-offline", timestamp=NOON + 10**9),
    "NUL in a name": forged(uuid="a\0b", hostname="c\0@d"),
    "half a character": forged(uuid="\ud800", exception="\udfff"),
    "a long name": forged(uuid="x" * 1_000_000),
    "a name that an index barely takes": forged(uuid="\N{GRINNING FACE}" * 255, hostname="\N{GRINNING FACE}" * 255),
    "a long exception": forged(type="task-failed", exception="x" * 3_000_000, traceback="y" * 900_000),
    "more than anybody reads": forged(type="task-received", args="x" * 5_000_000),
    "retries beyond count": forged(type="task-received", retries=2**31 - 1),
    "a node that is a list": forged(hostname=["celery@one"]),
    "a list of rubbish": json.dumps([None, 1, "x", [], {}, {"type": "task-started"}]).encode(),
    "a result of nobody": forged(type="task-succeeded", runtime=1e308),
}
"""By what is wrong with them."""
