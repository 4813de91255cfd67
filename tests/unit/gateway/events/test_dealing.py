"""Events are dealt out by task: each event of a message is in our part or in one packet, once, and as it was."""

import json
from typing import Any

import pytest

from domain.shares import Shares, deal_out, share_of
from gateway.events.dealing import PACKET_BYTES, PacketPart, Packets, keep_ours, unpack

COUNT = 4
OURS = Shares(COUNT, frozenset({0, 1}), alone=False)
TASKS = [f"task-{number}" for number in range(40)]
MINE = [task for task in TASKS if share_of(task, COUNT) < 2]
THEIRS = [task for task in TASKS if task not in MINE]


def dealt(body: bytes) -> tuple[bytes | None, list[tuple[int, list[PacketPart]]]]:
    packets = Packets()
    kept = keep_ours(body, OURS, others=packets, heard_ms=7, streamed=True)
    return kept, [(share, unpack(packet)) for share, packet in packets.take()]


def event(task_id: str, **fields: object) -> dict[str, object]:
    return {"type": "task-started", "uuid": task_id, "hostname": "celery@h", **fields}


def ids(body: bytes) -> list[str]:
    return [each["uuid"] for each in json.loads(body)]


def test_a_message_that_is_ours_as_a_whole_stays_as_it_is() -> None:
    for events in (event(MINE[0]), [event(MINE[0]), event(MINE[1])]):
        body = json.dumps(events).encode()
        assert dealt(body) == (body, [])


def test_a_message_that_is_another_mirrors_goes_on_as_it_is() -> None:
    body = json.dumps(event(THEIRS[0])).encode()
    assert dealt(body) == (None, [(share_of(THEIRS[0], COUNT), [PacketPart(body, 7, streamed=True)])])


def test_a_list_is_taken_apart_and_each_events_order_within_its_share_stays() -> None:
    body = json.dumps([event(task, text='[{"', nth=nth) for task in TASKS for nth in range(2)]).encode()
    kept, packets = dealt(body)
    assert kept is not None
    assert ids(kept) == [task for task in MINE for _ in range(2)]
    assert {share for share, _ in packets} == {2, 3}
    for share, (part,) in packets:
        assert ids(part.body) == [task for task in THEIRS if share_of(task, COUNT) == share for _ in range(2)]
        assert [each["nth"] for each in json.loads(part.body)] == [0, 1] * (len(ids(part.body)) // 2)


def test_all_that_is_for_one_mirror_is_in_one_packet() -> None:
    packets = Packets()
    body = json.dumps([event(task) for task in TASKS]).encode()
    keep_ours(body, deal_out("a", ["a", "b"], count=COUNT), others=packets, heard_ms=7, streamed=True)
    ((place, packet),) = packets.take()
    assert place == 1
    assert ids(unpack(packet)[0].body) == [task for task in TASKS if share_of(task, COUNT) in {1, 3}]


def test_what_nobody_owns_of_a_list_leaves_nothing_here() -> None:
    two = [next(task for task in THEIRS if share_of(task, COUNT) == share) for share in (2, 3)]
    kept, packets = dealt(json.dumps([event(task) for task in two]).encode())
    assert kept is None
    assert [ids(part.body) for _, (part,) in packets] == [[two[0]], [two[1]]]


def test_what_a_node_tells_of_itself_is_dealt_by_its_name() -> None:
    heard: list[Any] = []
    for node in ("celery@a", "celery@b", "celery@c", "celery@d", "celery@e"):
        kept, packets = dealt(json.dumps({"type": "worker-heartbeat", "hostname": node}).encode())
        assert (kept is None) == bool(packets) == (share_of(node, COUNT) not in OURS.owned)
        heard.append(kept)
    assert None in heard, "else this test shows nothing"


@pytest.mark.parametrize(
    "body", [b"", b"[", b"7", b'"x"', b"\xff", b'{"uuid": 7}', b'[{"uuid": []}]', b"[" * 10_000, b'{"uuid": "\\ud800"}']
)
def test_what_cannot_be_read_is_ours(body: bytes) -> None:
    assert dealt(body) == (body, [])


def test_a_packet_holds_parts_of_several_messages_with_the_time_of_each() -> None:
    packets = Packets()
    packets.add(3, b'{"uuid":"a"}', heard_ms=1, streamed=True)
    packets.add(3, b'[{"uuid":"b"}]', heard_ms=2, streamed=False)
    ((share, packet),) = packets.take()
    assert (share, unpack(packet)) == (
        3,
        [PacketPart(b'{"uuid":"a"}', 1, True), PacketPart(b'[{"uuid":"b"}]', 2, False)],
    )
    assert packets.take() == []


def test_a_packet_that_is_large_is_closed() -> None:
    packets = Packets()
    for _ in range(3):
        packets.add(3, json.dumps("x" * (PACKET_BYTES // 2)).encode(), heard_ms=1, streamed=True)
    assert [len(unpack(packet)) for _, packet in packets.take()] == [2, 1]


@pytest.mark.parametrize("packet", [b"", b"[]", b"{}", b"[[1,true]]", b'[["1",true,{}]]', b"[[1e99,true,{}]]", b"\xff"])
def test_what_is_no_packet_is_refused(packet: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        unpack(packet)
