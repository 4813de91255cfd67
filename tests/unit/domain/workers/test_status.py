import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.workers.status import (
    LONGEST_SILENCE,
    MUTE_SILENCE,
    REGISTRATION_GRACE,
    SILENCE,
    Heartbeat,
    WorkerStatus,
    hostname,
    is_awaited,
    is_online,
    is_shared,
    newest,
    node_name,
    worker_id_of,
    worker_status_of,
)
from tests.facts import NODE, NOON, after

INSTANT = timedelta(microseconds=1)


def beat(at: float, **told: object) -> Heartbeat:
    """A heartbeat heard half a second after its node's clock said this time."""
    return Heartbeat(node=NODE, at=after(at), heard_at=after(at + 0.5), **told)  # type: ignore[arg-type]


def test_the_newest_heartbeat_tells_the_facts() -> None:
    found = newest([beat(4, processed=9, pid=2), beat(2, processed=3, pid=1, active=5)])
    assert found == {NODE: replace(beat(4, processed=9, pid=2), other_life_at=beat(2).heard_at)}


def test_each_node_has_its_own() -> None:
    other = Heartbeat(node="celery@two", heard_at=NOON, at=NOON)
    assert newest([beat(1), other]) == {NODE: beat(1), "celery@two": other}


def test_of_each_time_the_latest_is_kept_however_they_come() -> None:
    beats = [beat(20), beat(3, online_at=after(3)), beat(10, online_at=after(10), goodbye_at=after(9))]
    for given in (beats, beats[::-1], [beats[1], beats[2], beats[0]]):
        (found,) = newest(given).values()
        assert (found.at, found.online_at, found.goodbye_at) == (after(20), after(10), after(9))


def test_receipt_is_the_latest_by_our_clock_even_where_the_node_says_otherwise() -> None:
    early = Heartbeat(node=NODE, at=after(9), heard_at=after(1))
    late = Heartbeat(node=NODE, at=after(5), heard_at=after(2))
    (found,) = newest([early, late]).values()
    assert (found.at, found.heard_at) == (after(9), after(2))


@pytest.mark.parametrize(("name", "node"), [("compute-1", "celery@compute-1"), ("tasks@compute-1", "tasks@compute-1")])
def test_a_bare_hostname_becomes_celerys_node_name(name: str, node: str) -> None:
    assert node_name(name) == node


@pytest.mark.parametrize(("node", "host"), [("celery@compute-1", "compute-1"), ("tasks@compute-1", "tasks@compute-1")])
def test_only_celerys_own_prefix_is_taken_off_a_node_name(node: str, host: str) -> None:
    assert hostname(node) == host


@pytest.mark.parametrize(
    ("last_heartbeat_at", "last_event_at", "goodbye_at", "online"),
    [
        (None, None, None, False),
        (NOON, NOON, None, True),
        (NOON - SILENCE, NOON, None, True),
        (NOON - SILENCE - INSTANT, NOON, None, False),
        (NOON, after(5), after(5), False),
        (NOON, after(6), after(5), True),
        (NOON, None, after(5), False),
    ],
)
def test_online_is_who_was_heard_and_did_not_say_goodbye_since(
    last_heartbeat_at: datetime | None, last_event_at: datetime | None, goodbye_at: datetime | None, *, online: bool
) -> None:
    found = is_online(last_heartbeat_at=last_heartbeat_at, last_event_at=last_event_at, goodbye_at=goodbye_at, now=NOON)
    assert found is online


@pytest.mark.parametrize(
    ("last_heartbeat_at", "goodbye_at", "seen_ago", "every", "online"),
    [
        (NOON - timedelta(seconds=100), None, None, 40.0, True),
        (NOON - timedelta(seconds=101), None, None, 40.0, False),
        (NOON - LONGEST_SILENCE - INSTANT, None, None, 1e9, False),
        (None, None, MUTE_SILENCE, None, True),
        (None, None, MUTE_SILENCE + INSTANT, None, False),
        (NOON - timedelta(seconds=20), None, timedelta(seconds=6), 2.0, True),
        (NOON - timedelta(seconds=60), NOON - timedelta(seconds=60), timedelta(seconds=5), 2.0, True),
        (NOON - timedelta(seconds=6), NOON - timedelta(seconds=6), timedelta(seconds=5), 2.0, False),
        (NOON - timedelta(seconds=16), None, timedelta(seconds=15), None, True),
        (NOON - timedelta(seconds=17), None, timedelta(seconds=16), None, False),
    ],
)
def test_any_sign_of_life_counts_and_silence_is_judged_by_the_nodes_own_interval(
    last_heartbeat_at: datetime | None,
    goodbye_at: datetime | None,
    seen_ago: timedelta | None,
    every: float | None,
    *,
    online: bool,
) -> None:
    """Seen at a time when heartbeats were overdue for long: it sends none, and is there."""
    found = is_online(
        last_heartbeat_at=last_heartbeat_at,
        last_event_at=last_heartbeat_at,
        goodbye_at=goodbye_at,
        now=NOON,
        seen_at=None if seen_ago is None else NOON - seen_ago,
        heartbeat_seconds=every,
    )
    assert found is online


@pytest.mark.parametrize(
    ("registered_at", "ever_heard", "awaited"),
    [
        (None, True, False),
        (None, False, False),
        (NOON - REGISTRATION_GRACE, False, True),
        (NOON - REGISTRATION_GRACE - INSTANT, False, False),
        (NOON, True, False),
    ],
)
def test_a_registered_node_is_awaited_for_a_while_and_any_other_must_be_heard(
    registered_at: datetime | None, ever_heard: bool, awaited: bool
) -> None:
    assert is_awaited(registered_at=registered_at, ever_heard=ever_heard, now=NOON) is awaited


@pytest.mark.parametrize(
    ("present", "paused", "draining", "status"),
    [
        (False, False, False, WorkerStatus.OFFLINE),
        (False, True, True, WorkerStatus.OFFLINE),
        (True, False, False, WorkerStatus.ACTIVE),
        (True, True, False, WorkerStatus.PAUSED),
        (True, True, True, WorkerStatus.DRAINING),
    ],
)
def test_a_present_node_works_unless_somebody_wants_it_otherwise(
    present: bool, paused: bool, draining: bool, status: WorkerStatus
) -> None:
    assert worker_status_of(present=present, paused=paused, draining=draining) is status


@pytest.mark.parametrize(
    ("earlier", "later", "is_other"),
    [
        ({"pid": 1}, {"pid": 2}, True),
        ({"pid": 1, "clock": 9}, {"pid": 1, "clock": 3}, True),
        ({"pid": 1, "clock": 3}, {"pid": 1, "clock": 9}, False),
        ({"pid": 1}, {"pid": 1}, False),
        ({"pid": None}, {"pid": 2}, False),
    ],
)
def test_two_beats_of_one_batch_may_be_of_two_processes(
    earlier: dict[str, int], later: dict[str, int], *, is_other: bool
) -> None:
    first, second = beat(1, **earlier), beat(2, **later)
    for given in itertools.permutations((first, second)):
        (found,) = newest(given).values()
        assert found.other_life_at == (first.heard_at if is_other else None)


@pytest.mark.parametrize(
    ("heard", "online", "shared"),
    [(None, 0, False), (2, 0, False), (10, 0, True), (10, None, True), (-20, None, False)],
)
def test_a_predecessor_that_was_just_heard_is_no_twin(heard: int | None, online: int | None, *, shared: bool) -> None:
    def at(seconds: int | None) -> datetime | None:
        return None if seconds is None else after(seconds)

    assert is_shared(other_life_at=at(heard), online_at=at(online), now=after(12)) is shared


def test_the_id_of_a_worker_stays_with_its_node_name() -> None:
    assert str(worker_id_of("celery@compute-1")) == "fe22c00f-4a96-5ff8-8855-5df1a1d5b7ba"
    assert worker_id_of("celery@compute-1") != worker_id_of("celery@compute-2")
