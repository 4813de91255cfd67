import pytest

from domain.runs import Run, run_of
from domain.states import AttemptState, EventType
from tests.facts import after, from_backend, told

RECEIVED, STARTED, SUCCEEDED, FAILED = EventType.RECEIVED, EventType.STARTED, EventType.SUCCEEDED, EventType.FAILED
TAKEN = told(RECEIVED, 1)
START = told(STARTED, 2, at=2.046)


@pytest.mark.parametrize(
    ("ended_at", "runtime", "started_at", "finished_at"),
    [(3, 0.5, 2.046, 2.546), (2.05, 0.07, 1.98, 2.05), (2.046, 0, 2.046, 2.046)],
    ids=["the end is stamped late", "the start is stamped late", "it took no time"],
)
def test_a_run_takes_what_its_worker_measured(
    ended_at: float, runtime: float, started_at: float, finished_at: float
) -> None:
    run = run_of([TAKEN, START, told(SUCCEEDED, 3, at=ended_at, runtime=runtime)], AttemptState.SUCCEEDED)
    assert run == Run(after(1), after(started_at), after(finished_at), runtime)


def test_a_runtime_tells_when_a_run_began_whose_start_was_missed() -> None:
    run = run_of([TAKEN, told(SUCCEEDED, 3, runtime=0.5)], AttemptState.SUCCEEDED)
    assert (run.started_at, run.finished_at) == (after(2.5), after(3))


def test_the_runtime_counts_though_the_backend_tells_the_end_first() -> None:
    ends = [from_backend(SUCCEEDED, at=2.044), told(SUCCEEDED, 3, at=2.05, runtime=0.07)]
    run = run_of([TAKEN, ends[0], START, ends[1]], AttemptState.SUCCEEDED)
    assert run == Run(after(1), after(1.98), after(2.05), 0.07)


def test_an_end_before_the_start_gives_way_to_one_after_it() -> None:
    facts = [TAKEN, from_backend(FAILED, at=2.044), START, told(FAILED, 3, at=2.05)]
    assert run_of(facts, AttemptState.FAILED) == Run(after(1), after(2.046), after(2.05), None)


def test_a_run_that_nobody_measured_begins_no_later_than_it_ends() -> None:
    run = run_of([TAKEN, from_backend(SUCCEEDED, at=2.044), START], AttemptState.SUCCEEDED)
    assert run == Run(after(1), after(2.044), after(2.044), None)


def test_a_runtime_that_cannot_be_true_is_none() -> None:
    run = run_of([TAKEN, START, told(SUCCEEDED, 3, runtime=1e9)], AttemptState.SUCCEEDED)
    assert run == Run(after(1), after(2.046), after(3), None)


@pytest.mark.parametrize("state", [AttemptState.STARTED, AttemptState.REPLACED, AttemptState.RETRIED])
def test_a_run_of_whose_end_nobody_told_has_none(state: AttemptState) -> None:
    assert run_of([TAKEN, START], state) == Run(after(1), after(2.046), None, None)
