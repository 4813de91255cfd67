"""Whatever comes over any of the three ways, nothing is raised, and what is understood is fit to be stored."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clocks import AHEAD_SECONDS, BEHIND_SECONDS
from domain.fold import fold
from domain.timeline import timeline
from gateway.events.rabbit import RabbitEvents, _headers_or_none
from gateway.events.sources import NOT_UNDERSTOOD, EventMessage, RedisEvents
from gateway.events.stream import StreamEvents
from gateway.layout import Ledger
from gateway.message_mover import _read_entry
from gateway.queues import task_ids_of
from gateway.results.metas import decode_meta
from mirror.decode import MAX_NAME, MAX_REPR, MAX_TEXT, Decoded, decode
from tests.hostile_events import WORST, bodies, envelope, envelopes, forged, values

LEDGER = Ledger("unacked", "unacked_index")

HEARD = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOWHERE = "redis://127.0.0.1:1/0"
EARLIEST, LATEST = HEARD - timedelta(seconds=BEHIND_SECONDS), HEARD + timedelta(seconds=AHEAD_SECONDS)
SOUND = forged(uuid="sound", clock=99)


def assert_storable(decoded: Decoded) -> None:
    """Within the bounds of what Postgres takes."""
    for fact in decoded.facts:
        assert 0 < len(fact.task_id) <= MAX_NAME
        assert EARLIEST <= fact.at <= LATEST
        assert fact.retries is None or abs(fact.retries) <= 10**6
        assert_texts([fact.task_id, fact.node, fact.key, *fact.details.values()])
        json.dumps(dict(fact.details), allow_nan=False)
    for identity in decoded.identities:
        assert len(identity.args_repr or "") <= MAX_REPR
        assert_texts([identity.task_name, identity.args_repr, identity.kwargs_repr, identity.queue_name])
    for beat in decoded.heartbeats:
        assert EARLIEST <= beat.at <= LATEST
        assert len(beat.node) <= MAX_NAME
        assert all(0 <= load < 1e7 for load in beat.load_average or ())
        assert_texts([beat.node, beat.software])


def assert_texts(values: list[Any]) -> None:
    for value in values:
        if isinstance(value, str):
            assert "\0" not in value
            assert len(value) <= MAX_TEXT
            value.encode()


@given(st.lists(bodies, max_size=3))
def test_hostile_events_leave_the_sound_one_beside_them_alone(hostile: list[bytes]) -> None:
    decoded = decode(EventMessage(body, HEARD) for body in [*hostile, SOUND])
    assert "sound" in {fact.task_id for fact in decoded.facts}
    assert_storable(decoded)
    by_task: dict[str, list[Any]] = {}
    for fact in decoded.facts:
        by_task.setdefault(fact.task_id, []).append(fact)
    for facts in by_task.values():
        fold(facts)
        timeline(facts)


@given(envelopes)
def test_whatever_is_published_is_passed_on_left_aside_or_counted(published: bytes) -> None:
    bodies_in = RedisEvents(NOWHERE)._unpack({"type": "pmessage", "data": published})
    assert len(bodies_in) <= 1
    assert_storable(decode(EventMessage(body, HEARD) for body in bodies_in))


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.dictionaries(st.binary(max_size=6) | st.just(b"body"), bodies, max_size=2),
)
def test_whatever_is_in_the_stream_is_passed_on_with_a_time_that_can_be(
    milliseconds: int, nth: int, fields: dict[bytes, bytes]
) -> None:
    now = int(datetime.now(UTC).timestamp())
    source = StreamEvents(NOWHERE)
    (message,) = source._messages([(f"{milliseconds}-{nth}".encode(), fields)], (now, 0))
    assert isinstance(message, EventMessage)
    assert message.body == fields.get(b"body", NOT_UNDERSTOOD)
    assert timedelta(0) <= datetime.now(UTC) - message.heard_at < timedelta(days=367)
    source._next_count([(b"1-1", fields)])
    decode([message])


@given(bodies | st.text(max_size=20) | st.none())
def test_whatever_body_rabbitmq_delivers_is_passed_on_with_its_tag(body: Any) -> None:
    source = RabbitEvents("amqp://127.0.0.1:1//")
    source._received.append(SimpleNamespace(body=body, delivery_tag=3))
    (message,) = source._ours()
    assert (message.tag, message.body) == (3, body if isinstance(body, bytes) else NOT_UNDERSTOOD)
    decode([message])


@given(st.binary(max_size=200))
def test_headers_of_rabbitmq_are_read_or_there_are_none(buffer: bytes) -> None:
    headers, _ = _headers_or_none(buffer, 0)
    assert isinstance(headers, dict)


@pytest.mark.parametrize("name", WORST)
def test_the_worst_is_survived_on_every_way(name: str) -> None:
    body = WORST[name]
    way_in = RedisEvents(NOWHERE)._unpack
    published = [envelope(body), body, b'{"headers": ' + body + b"}", envelope(SOUND)]
    heard = [found for data in published for found in way_in({"type": "pmessage", "data": data})]
    decoded = decode(EventMessage(found, HEARD) for found in heard)
    assert "sound" in {fact.task_id for fact in decoded.facts}
    assert_storable(decoded)


_metas = st.fixed_dictionaries(
    {"status": st.sampled_from(["SUCCESS", "FAILURE", "RETRY"]) | values, "result": values},
    optional=dict.fromkeys(("traceback", "retries", "worker", "queue", "name"), values)
    | {"date_done": values | st.sampled_from(["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026", "x"])},
)


@given(_metas.map(lambda meta: json.dumps(meta).encode()) | bodies)
def test_whatever_is_stored_as_a_result_is_read_as_one_or_as_none(stored: bytes) -> None:
    result = decode_meta("t", stored)
    if result is None:
        return
    assert_texts([result.state, result.exception_type, result.exception_message, result.traceback, result.worker])
    assert result.result_json is None or json.loads(result.result_json) is not Ellipsis
    if result.status is not None:
        fact = result.as_fact(seen_at=HEARD)
        assert EARLIEST <= fact.at <= LATEST
        assert fact.retries is None or abs(fact.retries) <= 10**6


def _lying(value: Any) -> bytes:
    return json.dumps(value).encode()


_waiting = st.builds(
    lambda headers, rest: {"headers": headers} | rest,
    st.dictionaries(st.just("id"), values, max_size=1) | values,
    st.dictionaries(st.sampled_from(["properties", "body"]), values, max_size=2),
)


@given(st.one_of(_waiting.map(_lying), _waiting.map(lambda told: _lying([told, "e", "k"])), values.map(_lying), bodies))
def test_whatever_lies_in_a_queue_or_with_a_consumer_is_a_task_or_none(message: bytes) -> None:
    sound = json.dumps({"headers": {"id": "sound"}}).encode()
    ids = task_ids_of([message, sound])
    assert "sound" in ids
    assert_texts(list(ids))
    held = _read_entry(b"tag", message, ledger=LEDGER)
    assert held is None or isinstance(held.message["properties"]["delivery_info"], dict)


def test_deep_nesting_in_a_queue_harms_nobody() -> None:
    deep = WORST["deep nesting"]
    hidden = b'{"headers": {"id": "deep"}, "z": ' + deep + b"}"
    hostile = [deep, b'{"headers": ' + deep + b"}", hidden, b"[" + hidden + b', "", ""]']
    long = b'[{"headers": {"id": "x"}, "z": ' + b"9" * 5_000 + b'}, "", ""]'
    assert task_ids_of([*hostile, long, b'{"headers": {"id": "sound"}}']) == {"sound", "x"}
    assert [_read_entry(b"tag", message, ledger=LEDGER) for message in [*hostile, long]] == [None] * 5


@pytest.mark.parametrize("date", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_a_result_dated_beyond_the_calendar_proves_no_end(date: str) -> None:
    found = decode_meta("t", json.dumps({"status": "SUCCESS", "result": 1, "date_done": date}).encode())
    assert (found.status, found.is_unread) == (None, True)
