from dataclasses import replace
from datetime import timedelta

import pytest

from domain.rollups import MAX_ERROR, MAX_NAME, Delta, Measure, TaskCourse, deltas, error_class
from tests.facts import NOON, after

PENDING = TaskCourse(
    task_name="add",
    queue_name="celery",
    status="PENDING",
    node=None,
    created_at=NOON,
    scheduled_at=None,
    first_started_at=None,
    completed_at=None,
    duration_seconds=None,
    error=None,
)
RUNNING = replace(PENDING, status="RUNNING", node="celery@one", first_started_at=after(2))
COMPLETED = replace(RUNNING, status="COMPLETED", completed_at=after(5), duration_seconds=3.0)
FAILED = replace(COMPLETED, status="FAILED", error="ValueError: no such order")


def counted(*changes: tuple[TaskCourse | None, TaskCourse]) -> dict[Measure, tuple[int, int]]:
    """Count and microseconds of each measure; every measure is expected once."""
    found = {delta.entry.measure: (delta.count, delta.microseconds) for delta in deltas(changes)}
    assert len(found) == len(deltas(changes))
    return found


def test_a_new_task_is_counted_as_submitted() -> None:
    (delta,) = deltas([(None, PENDING)])
    assert (delta.count, delta.microseconds) == (1, 0)
    assert delta.entry == (NOON, "add", "celery", Measure.SUBMITTED, "", "", None)


def test_a_start_is_counted_with_its_wait() -> None:
    assert counted((PENDING, RUNNING)) == {Measure.STARTED: (1, 2_000_000)}


def test_the_wait_of_a_scheduled_task_begins_when_it_is_due() -> None:
    scheduled = replace(RUNNING, scheduled_at=after(1.5))
    assert counted((replace(PENDING, scheduled_at=after(1.5)), scheduled)) == {Measure.STARTED: (1, 500_000)}


def test_two_clocks_never_make_a_wait_negative() -> None:
    early = replace(RUNNING, first_started_at=after(-1))
    assert counted((PENDING, early)) == {Measure.STARTED: (1, 0)}


def test_an_end_is_counted_with_its_duration_its_node_and_the_class_of_its_error() -> None:
    (delta,) = deltas([(RUNNING, FAILED)])
    assert (delta.entry.measure, delta.entry.error, delta.entry.node) == (Measure.FAILED, "ValueError", "celery@one")
    assert (delta.count, delta.microseconds) == (1, 3_000_000)


def test_an_end_without_a_run_has_no_time() -> None:
    (delta,) = deltas([(PENDING, replace(PENDING, status="CANCELLED", completed_at=after(1)))])
    assert (delta.entry.measure, delta.entry.bucket, delta.microseconds) == (Measure.CANCELLED, None, 0)


def test_an_end_that_turns_out_otherwise_is_taken_back() -> None:
    assert counted((FAILED, COMPLETED)) == {Measure.FAILED: (-1, -3_000_000), Measure.COMPLETED: (1, 3_000_000)}


def test_a_name_that_becomes_known_moves_all_that_was_counted_without_it() -> None:
    nameless = replace(COMPLETED, task_name=None, queue_name=None)
    moved = deltas([(nameless, COMPLETED)])
    assert sorted((delta.entry.task_name, delta.count) for delta in moved) == [("", -1)] * 3 + [("add", 1)] * 3


def test_tasks_of_one_kind_share_an_entry() -> None:
    assert counted((None, COMPLETED), (None, COMPLETED)) == {
        Measure.SUBMITTED: (2, 0),
        Measure.STARTED: (2, 4_000_000),
        Measure.COMPLETED: (2, 6_000_000),
    }


def test_what_has_not_changed_is_not_counted_again() -> None:
    assert deltas([(FAILED, FAILED)]) == []
    assert deltas([(RUNNING, replace(RUNNING, node="celery@two"))]) == []


def test_steps_add_up_to_the_whole() -> None:
    steps = [(None, PENDING), (PENDING, RUNNING), (RUNNING, FAILED), (FAILED, COMPLETED)]
    assert key(deltas(steps)) == key(deltas([(None, COMPLETED)]))


def key(found: list[Delta]) -> set[Delta]:
    return set(found)


def test_entries_are_dated_to_ten_seconds() -> None:
    (delta,) = deltas([(None, replace(PENDING, created_at=NOON + timedelta(seconds=29, microseconds=5)))])
    assert delta.entry.starts_at == after(20)


def test_names_and_errors_fit_into_an_index() -> None:
    long = replace(FAILED, task_name="x" * 999, queue_name="q" * 999, error="E" * 999)
    for delta in deltas([(None, long)]):
        assert len(delta.entry.task_name) == len(delta.entry.queue_name) == MAX_NAME
        assert len(delta.entry.error) <= MAX_ERROR


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("ValueError: no such order", "ValueError"),
        ("ValueError('no such order')", "ValueError"),
        ("KeyError", "KeyError"),
        ("billiard.exceptions.WorkerLostError: signal 9", "WorkerLostError"),
        ("Überlauf('zu viel')", "Überlauf"),
        ("something went wrong", "Unknown"),
        ("<Odd object at 0x7f>", "Unknown"),
        ("", "Unknown"),
        (None, "Unknown"),
    ],
)
def test_the_class_of_an_error_is_read_from_either_of_its_texts(error: str | None, expected: str) -> None:
    assert error_class(error) == expected
