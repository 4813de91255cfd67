from datetime import UTC, datetime, timedelta

from domain.workflows.critical_path import CriticalPath, LeadsTo, critical_path, idle_times
from domain.workflows.pauses import Pause
from domain.workflows.steps import StepStatus

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
CHAIN = ((), (0,), (1,), (2,))
"""Each step waits for the one before it."""


def found(
    parents: tuple[tuple[int, ...], ...],
    statuses: str,
    *,
    seconds: dict[int, float] | None = None,
    ended: dict[int, int] | None = None,
) -> tuple[list[int], LeadsTo]:
    by_letter = {status.value[0]: status for status in StepStatus} | {"X": StepStatus.CANCELLED}
    by_letter["C"] = StepStatus.COMPLETED
    path: CriticalPath = critical_path(
        parents,
        [by_letter[letter] for letter in statuses],
        seconds=seconds or {},
        ended_at={position: NOON + timedelta(seconds=second) for position, second in (ended or {}).items()},
    )
    return list(path.positions), path.leads_to


def test_the_path_of_a_failed_workflow_ends_at_the_failure() -> None:
    assert found(CHAIN, "CFSS", seconds={0: 2, 1: 1}, ended={0: 2, 1: 3}) == ([0, 1], LeadsTo.FAILURE)
    assert found(CHAIN, "FSSS") == ([0], LeadsTo.FAILURE)


def test_it_leads_to_the_failure_that_was_first_however_long_others_ran() -> None:
    aside = ((), (0,), (0,), (2,))
    assert found(aside, "CFCF", seconds={1: 1, 2: 50, 3: 9}, ended={0: 1, 1: 2, 2: 51, 3: 60}) == (
        [0, 1],
        LeadsTo.FAILURE,
    )


def test_of_failures_without_a_time_the_slowest_way_is_taken() -> None:
    assert found(((), ()), "FF", seconds={1: 1}) == ([1], LeadsTo.FAILURE)


def test_the_path_of_a_workflow_on_its_way_ends_at_what_runs() -> None:
    aside = ((), (0,), (0,), (1, 2))
    assert found(aside, "CCRW", seconds={0: 1, 1: 90, 2: 5}) == ([0, 2], LeadsTo.NOW)
    assert found(aside, "CFRW", seconds={0: 1, 1: 90, 2: 5}) == ([0, 2], LeadsTo.NOW)
    assert found(CHAIN, "CCPW", seconds={0: 1, 1: 1}) == ([0, 1, 2], LeadsTo.NOW)
    assert found(CHAIN, "CCWW", seconds={0: 1, 1: 1}) == ([0, 1], LeadsTo.NOW)
    assert found(CHAIN, "RWWW") == ([0], LeadsTo.NOW)


def test_the_path_of_what_completed_or_was_cancelled_holds_only_what_ran() -> None:
    assert found(CHAIN, "CCCC", seconds={0: 1}) == ([0, 1, 2, 3], LeadsTo.END)
    assert found(CHAIN, "CXSS", seconds={0: 1, 1: 2}) == ([0, 1], LeadsTo.END)
    assert found(((), (0,), (0,)), "CCC", seconds={0: 1, 1: 7, 2: 3}) == ([0, 1], LeadsTo.END)


def test_before_anything_has_run_it_is_the_path_with_most_steps() -> None:
    assert found(((), (0,), (1,), (0,)), "PWWW") == ([0, 1, 2], LeadsTo.NOTHING_YET)
    assert found((), "") == ([], LeadsTo.NOTHING_YET)
    assert found(CHAIN, "SSSS") == ([0, 1, 2, 3], LeadsTo.NOTHING_YET)


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def waited(
    parents: tuple[tuple[int, ...], ...],
    *,
    seconds: dict[int, float],
    asked: dict[int, float],
    ended: dict[int, float],
    due: dict[int, float] | None = None,
    paused: tuple[tuple[float, float], ...] = (),
) -> dict[int, tuple[float, float]]:
    idle = idle_times(
        parents,
        seconds=seconds,
        asked_at={position: at(second) for position, second in asked.items()},
        due_at={position: at(second) for position, second in (due or {}).items()},
        ended_at={position: at(second) for position, second in ended.items()},
        pauses=[Pause(at(begin), at(end)) for begin, end in paused],
    )
    return {position: (one.waited, one.paused) for position, one in idle.items()}


def test_a_step_waits_from_the_end_of_the_last_that_it_needs() -> None:
    asked, ended = {0: 0.0, 1: 4.0, 2: 9.0}, {0: 3.0, 1: 8.0, 2: 10.0}
    found = waited(((), (0,), (0, 1)), seconds={0: 1.0, 1: 2.0}, asked=asked, ended=ended)
    assert found == {0: (2, 0), 1: (3, 0), 2: (2, 0)}


def test_a_step_that_was_to_run_later_waits_from_then() -> None:
    found = waited(((), (0,)), seconds={}, asked={0: 0, 1: 1}, ended={0: 1, 1: 12}, due={0: 0, 1: 10})
    assert found == {0: (1, 0), 1: (2, 0)}


def test_what_lies_between_a_failure_and_a_retry_is_not_waited() -> None:
    pauses = ((4, 104), (106, 206))
    found = waited(((), (0,)), seconds={0: 1, 1: 1}, asked={0: 0, 1: 206}, ended={0: 2, 1: 208}, paused=pauses)
    assert found == {0: (1, 0), 1: (5, 200)}
    assert waited(((),), seconds={0: 1}, asked={0: 104}, ended={0: 106}, paused=pauses) == {0: (1, 0)}


def test_what_steps_waited_and_ran_is_the_time_until_the_last_of_them_ended() -> None:
    ended = dict(enumerate((3.0, 20.0, 5.0, 31.0)))
    parents, seconds = ((), (0,), (0,), (1, 2)), {0: 1.0, 1: 1.0, 2: 2.0, 3: 1.0}
    idle = waited(parents, seconds=seconds, asked=dict.fromkeys(range(4), 0.0), ended=ended)
    took = {position: seconds[position] + idle[position][0] for position in seconds}
    ends = {position: at(second) for position, second in ended.items()}
    path = critical_path(parents, [StepStatus.COMPLETED] * 4, seconds=took, ended_at=ends)
    assert (list(path.positions), sum(took[position] for position in path.positions)) == ([0, 1, 3], 31)


def test_what_became_no_task_or_has_no_end_waited_for_nobody_knows_how_long() -> None:
    assert waited(CHAIN, seconds={}, asked={1: 0}, ended={0: 0}) == {}
    assert waited(CHAIN, seconds={}, asked={1: 0}, ended={0: 5, 1: 0}) == {1: (0, 0)}
