import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.clocks import AHEAD_SECONDS
from domain.facts import PUBLISHER
from domain.identities import LEFT_OUT, MAX_ID_BYTES, Identity
from domain.states import EventType
from gateway.events.sources import EventMessage
from mirror.decode import MAX_NAME, MAX_REPR, MAX_TEXT, Decoded, decode, split
from tests.facts import NODE, NOON, TASK_ID, after

HEARD_AT = after(1)
NUL, REPLACEMENT, LONE_SURROGATE = "\0", "\N{REPLACEMENT CHARACTER}", "\ud83d"


def event(event_type: str = "task-started", **given: Any) -> dict[str, Any]:
    """An event as a worker sends it."""
    usual = {"type": event_type, "uuid": TASK_ID, "hostname": NODE, "timestamp": NOON.timestamp(), "pid": 7, "clock": 3}
    return usual | {"utcoffset": -2} | given


def heard(*messages: object) -> Decoded:
    """What is understood of messages, each an event, a list of events, or the bytes themselves."""
    bodies = [message if isinstance(message, bytes) else json.dumps(message).encode() for message in messages]
    return decode(EventMessage(body, HEARD_AT) for body in bodies)


@pytest.mark.parametrize(
    ("event_type", "expected"),
    [
        ("task-received", EventType.RECEIVED),
        ("task-started", EventType.STARTED),
        ("task-succeeded", EventType.SUCCEEDED),
        ("task-failed", EventType.FAILED),
        ("task-retried", EventType.RETRIED),
        ("task-rejected", EventType.REJECTED),
        ("task-revoked", EventType.REVOKED),
    ],
)
def test_every_event_of_a_workers_task_is_a_fact(event_type: str, expected: EventType) -> None:
    (fact,) = heard(event(event_type)).facts
    assert (fact.type, fact.task_id, fact.at) == (expected, TASK_ID, NOON)
    assert (fact.node, fact.pid, fact.clock, fact.retries) == (NODE, 7, 3, None)
    assert fact.key == f"{expected}:{NODE}:7:3"


def test_a_message_may_be_one_event_or_a_list_of_them() -> None:
    decoded = heard(event(clock=1), [event(clock=2), event(clock=3)], [])
    assert ([fact.clock for fact in decoded.facts], decoded.refused) == ([1, 2, 3], 0)


def test_received_names_the_attempt_and_the_task() -> None:
    given = event("task-received", name="add", args="(1, 2)", kwargs="{}", retries=2, root_id="r", parent_id="p")
    decoded = heard(given)
    assert decoded.facts[0].retries == 2
    assert decoded.identities == [Identity(TASK_ID, "add", "(1, 2)", "{}", None, "r", "p")]


def test_arguments_that_are_no_text_are_shown_as_python_would() -> None:
    (identity,) = heard(event("task-received", args=[1, "x"], kwargs={"a": None})).identities
    assert (identity.args_repr, identity.kwargs_repr) == ("[1, 'x']", "{'a': None}")


def test_only_received_is_believed_about_the_attempt() -> None:
    assert heard(event("task-started", retries=2)).facts[0].retries is None


def test_a_fact_keeps_what_its_event_tells_beside() -> None:
    told = {"exception": "ValueError('x')", "traceback": "Trace", "runtime": 0.5, "requeue": False, "signum": 15}
    (fact,) = heard(event("task-failed", **told, terminated=True, expired=None)).facts
    assert fact.details == told | {"terminated": True}


def test_sent_is_a_submission_by_another_publisher() -> None:
    decoded = heard(event("task-sent", name="add", queue="math", retries=0, hostname=None))
    (fact,) = decoded.facts
    assert (fact.type, fact.source, fact.key, fact.node) == (EventType.SUBMITTED, PUBLISHER, "sent", None)
    assert decoded.identities[0].queue_name == "math"


def test_sent_of_a_retry_adds_no_fact() -> None:
    decoded = heard(event("task-sent", queue="math", retries=1))
    assert (decoded.facts, decoded.refused) == ([], 0)


def test_worker_events_are_signs_of_life() -> None:
    sent = event("worker-heartbeat", active=1, processed=9, loadavg=[0.5, 0.4, 0.3], freq=2.0)
    sent |= {"sw_ident": "py-celery", "sw_ver": "5.7.0", "sw_sys": "Linux"}
    (heartbeat,) = heard(sent).heartbeats
    assert (heartbeat.node, heartbeat.at, heartbeat.heard_at, heartbeat.pid) == (NODE, NOON, HEARD_AT, 7)
    assert (heartbeat.active, heartbeat.processed, heartbeat.load_average) == (1, 9, (0.5, 0.4, 0.3))
    assert heartbeat.software == "py-celery 5.7.0 (Linux)"
    assert (heartbeat.online_at, heartbeat.goodbye_at) == (None, None)


def test_worker_online_and_offline_tell_their_time() -> None:
    online, offline = heard(event("worker-online"), event("worker-offline")).heartbeats
    assert (online.online_at, online.goodbye_at) == (NOON, None)
    assert (offline.online_at, offline.goodbye_at) == (None, NOON)


@pytest.mark.parametrize(
    ("told", "software"), [({}, None), ({"sw_ident": "py-celery"}, "py-celery"), ({"sw_sys": "Linux"}, None)]
)
def test_a_worker_that_tells_little_of_its_software_is_heard_all_the_same(
    told: dict[str, str], software: str | None
) -> None:
    assert heard(event("worker-online", **told)).heartbeats[0].software == software


def test_an_applications_own_events_are_ignored() -> None:
    decoded = heard(event("order-paid", uuid=None), event("task-progress"), event("task-cancelled"))
    assert decoded == Decoded()


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"null",
        b"17",
        b'"text"',
        b'{"type": "task-started"}',
        b'{"type": "task-started\\ud83d", "time',
        event(uuid=None),
        event(uuid=""),
        event(uuid=5),
        event(uuid="x" * (MAX_ID_BYTES + 1)),
        event(uuid="\N{GRINNING FACE}" * (MAX_ID_BYTES // 4 + 1)),
        event(hostname=None),
        event(hostname="x" * (MAX_NAME + 1)),
        event("worker-heartbeat", hostname=None),
        event("x" * (MAX_NAME + 1)),
        event(timestamp="noon"),
        event(timestamp=None),
        event(timestamp="1772366400"),
        json.dumps(event()).replace("1772366400.0", "NaN").encode(),
        json.dumps(event()).replace("1772366400.0", "Infinity").encode(),
        json.dumps(event()).replace("1772366400.0", "1e999").encode(),
        event(clock=2**63),
        event(clock=2**70),
        event(clock="3"),
        event(pid=-1),
        event(pid=2**32),
        event(hostname=["celery@one"]),
        event(hostname={}),
        event("task-received", retries=10**6 + 1),
        event("task-received", name=7),
        event("task-failed", exception=["x"]),
        event("task-succeeded", runtime=-1.0),
        event("task-succeeded", runtime=1e300),
        event("task-revoked", signum=2**70),
        event("task-revoked", signum="9" * 65),
        event("worker-heartbeat", active=2**31),
        event("worker-heartbeat", active=-1),
        event("worker-heartbeat", processed=-1),
        event("worker-heartbeat", loadavg="high"),
        event("worker-heartbeat", loadavg=[-1.0, 0, 0]),
        event("worker-heartbeat", loadavg=[0.0] * 4),
        event("worker-heartbeat", sw_ident="x" * 65),
        b"\x80\x05\x95pickled",
        json.dumps(event()).encode("utf-16"),
        b'{"type": "task-started", "pid": ' + b"9" * 5_000 + b"}",
    ],
)
def test_what_cannot_be_understood_is_counted_and_left_out(junk: object) -> None:
    decoded = heard(junk, event(clock=9))
    assert decoded.refused == 1
    assert ([fact.clock for fact in decoded.facts], decoded.heartbeats, decoded.identities) == ([9], [], [])


def test_deep_nesting_harms_nobody() -> None:
    deep = b'{"type": "task-received", "args": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    decoded = heard(deep, deep.replace(b"{", b'{"name": "\\u0000", ', 1), event(clock=9))
    assert (decoded.refused, len(decoded.facts)) == (2, 1)


@pytest.mark.parametrize("bad", [event(uuid=None), event(uuid=5), event(clock=2**70), event(pid=-1), 17])
def test_a_bad_event_in_a_list_does_not_take_its_neighbours_with_it(bad: object) -> None:
    decoded = heard([event(clock=1), bad, event("worker-heartbeat"), event(clock=2)])
    assert [fact.clock for fact in decoded.facts] == [1, 2]
    assert (len(decoded.heartbeats), decoded.refused) == (1, 1)


def test_what_postgres_cannot_store_in_a_text_is_replaced() -> None:
    text = f"a{NUL}b{LONE_SURROGATE}c"
    (fact,) = heard(event("task-failed", exception=text, traceback="fine")).facts
    assert fact.details["exception"] == f"a{REPLACEMENT}b{REPLACEMENT}c"
    assert fact.details["traceback"] == "fine"


def test_a_character_beyond_the_basic_plane_is_kept() -> None:
    assert (
        heard(event("task-failed", exception="\N{GRINNING FACE}")).facts[0].details["exception"] == "\N{GRINNING FACE}"
    )


def test_replacing_reaches_names_and_arguments_at_any_depth() -> None:
    given = event("task-received", uuid=f"id{NUL}", args=[{f"k{NUL}": [f"v{LONE_SURROGATE}"]}])
    decoded = heard([given, event(clock=9)])
    assert decoded.facts[0].task_id == f"id{REPLACEMENT}"
    assert decoded.identities[0].args_repr == str([{f"k{REPLACEMENT}": [f"v{REPLACEMENT}"]}])
    assert decoded.facts[1].clock == 9


def test_a_bad_event_beside_one_that_is_mended_is_all_that_is_lost() -> None:
    decoded = heard([event("task-failed", exception=NUL, clock=1), event(clock=2**70), event(clock=3)])
    assert ([fact.clock for fact in decoded.facts], decoded.refused) == ([1, 3], 1)
    assert decoded.facts[0].details["exception"] == REPLACEMENT


def test_times_are_utc() -> None:
    assert heard(event()).facts[0].at == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_ended_names_each_task_once_of_which_a_result_may_be_had() -> None:
    decoded = heard(
        event("task-succeeded", uuid="b"), event("task-failed", uuid="a"), event("task-failed", uuid="a", clock=4)
    )
    decoded.facts += heard(event("task-revoked", uuid="c"), event("task-retried", uuid="d")).facts
    assert decoded.ended == ["b", "a"]


@pytest.mark.parametrize("event_type", ["task-received", "worker-heartbeat", "worker-offline", "worker-online"])
@pytest.mark.parametrize(
    ("told", "seconds_after_heard"),
    [
        (253402300799.0, AHEAD_SECONDS),
        (1e300, AHEAD_SECONDS),
        (HEARD_AT.timestamp() + 3600, AHEAD_SECONDS),
        (HEARD_AT.timestamp() + 3, 3),
        (HEARD_AT.timestamp() - 3600, -3600),
        (0.0, 0),
        (-62135596800.0, 0),
        (-1e300, 0),
    ],
)
def test_no_clock_dates_anything_to_when_it_cannot_have_been(
    event_type: str, told: float, seconds_after_heard: float
) -> None:
    decoded = heard(event(event_type, timestamp=told))
    assert decoded.refused == 0
    dates = [fact.at for fact in decoded.facts]
    for beat in decoded.heartbeats:
        dates += [at for at in (beat.at, beat.online_at, beat.goodbye_at) if at is not None]
    assert {(at - HEARD_AT).total_seconds() for at in dates} == {seconds_after_heard}


def test_long_texts_are_shortened_to_what_matters() -> None:
    failed, received = heard(
        event("task-failed", exception="x" * 10**6, traceback="y" * 10**6 + "the end"),
        event("task-received", args="z" * 10**6, kwargs={"k": "z" * 10**6}, clock=4),
    ).facts
    assert received.type is EventType.RECEIVED
    exception, traceback = str(failed.details["exception"]), str(failed.details["traceback"])
    assert (len(exception), len(traceback)) == (MAX_TEXT, MAX_TEXT)
    assert traceback.endswith("the end")
    (identity,) = heard(event("task-received", args="z" * 10**6, kwargs={"k": "z" * 10**6})).identities
    assert (len(identity.args_repr or ""), len(identity.kwargs_repr or "")) == (MAX_REPR, MAX_REPR)


def test_a_task_that_did_not_live_to_tell_has_the_exception_of_its_traceback() -> None:
    traceback = (
        "Traceback (most recent call last):\n  ...\nbilliard.exceptions.TimeLimitExceeded: TimeLimitExceeded(1,)\n"
    )
    (fact,) = heard(event("task-failed", exception="ExceptionWithTraceback()", traceback=traceback)).facts
    assert fact.details == {"exception": "TimeLimitExceeded: 1", "traceback": traceback}
    (fact,) = heard(event("task-failed", exception="ExceptionWithTraceback()")).facts
    assert fact.details == {}


def test_the_events_of_a_message_can_be_told_apart() -> None:
    events = [event(clock=1), event(clock=2)]
    message = EventMessage(json.dumps(events).encode(), HEARD_AT, streamed=True)
    apart = split(message)
    assert [json.loads(part.body) for part in apart] == events
    assert {(part.heard_at, part.streamed) for part in apart} == {(HEARD_AT, True)}
    for single in (EventMessage(b"{}", HEARD_AT), EventMessage(b"junk", HEARD_AT)):
        assert split(single) == [single]


def test_ids_as_long_as_an_index_takes_are_kept_and_longer_names_are_shortened() -> None:
    longest = "x" * MAX_ID_BYTES
    told = event(
        "task-received", uuid=longest, root_id=longest, parent_id=longest + "x", name="n" * 300, queue="q" * 300
    )
    decoded = heard(told)
    shown = "n" * (MAX_NAME - 1) + LEFT_OUT
    assert decoded.identities == [Identity(longest, shown, root_id=longest)]
    assert decoded.facts[0].task_id == longest


def test_it_is_said_why_an_event_was_of_no_use() -> None:
    assert heard(event(uuid="x" * (MAX_ID_BYTES + 1))).reason == f"a task's id of more than {MAX_ID_BYTES} bytes"
    assert heard(event()).reason is None


def test_the_text_of_a_result_is_kept_for_those_that_nobody_can_read() -> None:
    told = [
        event("task-succeeded", result="{'total': 12}"),
        event("task-succeeded", uuid="b", result="x" * MAX_REPR * 2),
    ]
    decoded = heard(told, event("task-succeeded", uuid="c"))
    assert decoded.told_results.keys() == {TASK_ID, "b"}
    assert decoded.told_results[TASK_ID] == "{'total': 12}"
    assert len(decoded.told_results["b"]) == MAX_REPR
