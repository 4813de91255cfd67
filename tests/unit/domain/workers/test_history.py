from dataclasses import replace

from domain.workers.history import Heard, HistoryEntry, Request, WorkerEvent, history
from tests.facts import NOON, after

SILENT = Heard(online=False, online_at=None, goodbye_at=None, last_sign_at=None, drained_at=None)


def test_what_was_asked_and_what_was_heard_stand_in_one_order() -> None:
    requests = [
        Request(after(30), "worker.resize", "api_key:k", "more load", capacity=8, by_name="ann"),
        Request(after(10), "worker.drain", "local"),
        Request(after(5), "worker.something_new", "local"),
    ]
    heard = Heard(
        online=True, online_at=after(20), goodbye_at=after(15), last_sign_at=after(40), drained_at=after(15.5)
    )
    assert history(requests, heard) == [
        HistoryEntry(after(30), WorkerEvent.RESIZE_ASKED, "api_key:k", "more load", 8, by_name="ann"),
        HistoryEntry(after(20), WorkerEvent.ONLINE),
        HistoryEntry(after(15), WorkerEvent.OFFLINE),
        HistoryEntry(after(15), WorkerEvent.DRAINED),
        HistoryEntry(after(10), WorkerEvent.DRAIN_ASKED, "local"),
    ]


def test_a_worker_that_went_without_a_goodbye_left_when_it_was_last_heard() -> None:
    assert history([], SILENT) == []
    assert history([], replace(SILENT, last_sign_at=NOON)) == [HistoryEntry(NOON, WorkerEvent.OFFLINE)]
    assert history([], replace(SILENT, last_sign_at=NOON, online=True)) == []


def test_a_drain_that_no_leave_belongs_to_stands_at_its_own_time() -> None:
    drain = Request(after(10), "worker.drain", "local")
    for goodbye_at in (None, after(5), after(30)):
        heard = replace(SILENT, goodbye_at=goodbye_at, drained_at=after(20))
        drained = [entry.at for entry in history([drain], heard) if entry.event is WorkerEvent.DRAINED]
        assert drained == [after(20)]


def test_a_queue_that_it_was_told_to_consume_has_an_entry() -> None:
    (entry,) = history([], replace(SILENT, taken_on={"math": NOON}))
    assert entry == HistoryEntry(NOON, WorkerEvent.QUEUE_TAKEN_ON, queue_name="math")


def test_earlier_lives_stay_and_one_that_said_no_goodbye_is_told_when_the_next_one_came() -> None:
    heard = replace(
        SILENT,
        online=True,
        online_at=after(30),
        goodbye_at=after(15),
        last_sign_at=after(40),
        starts=[after(10), after(20), after(30)],
        goodbyes=[after(15)],
    )
    assert [(entry.at, entry.event) for entry in history([], heard)] == [
        (after(30), WorkerEvent.ONLINE),
        (after(30), WorkerEvent.VANISHED),
        (after(20), WorkerEvent.ONLINE),
        (after(15), WorkerEvent.OFFLINE),
        (after(10), WorkerEvent.ONLINE),
    ]


def test_of_a_silent_life_the_goodbye_of_an_earlier_one_is_not_taken_for_its_own() -> None:
    heard = replace(SILENT, online_at=after(20), goodbye_at=after(15), last_sign_at=after(40), starts=[after(10)])
    assert [(entry.at, entry.event) for entry in history([], heard)] == [
        (after(40), WorkerEvent.OFFLINE),
        (after(20), WorkerEvent.ONLINE),
        (after(15), WorkerEvent.OFFLINE),
        (after(10), WorkerEvent.ONLINE),
    ]


def test_a_drain_stands_where_the_worker_left_though_it_has_come_and_gone_since() -> None:
    heard = replace(
        SILENT,
        goodbye_at=after(50),
        goodbyes=[after(15), after(50)],
        starts=[after(1), after(40)],
        drained_at=after(16),
    )
    drained = [entry.at for entry in history([Request(after(12), "worker.drain", "local")], heard)]
    assert drained.count(after(15)) == 2, "it went, and was drained"
