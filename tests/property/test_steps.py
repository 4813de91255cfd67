"""Whatever the graph, the policy, the order of ends and the luck of the steps: a workflow keeps its rules and ends."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.workflows.dag import Dag, in_order, longest_path
from domain.workflows.steps import EndedStep, OnFailure, StepStatus, outcome, resume, settle, stops

COMPLETED, FAILED, WAITING = StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.WAITING
PENDING, SKIPPED = StepStatus.PENDING, StepStatus.SKIPPED


@st.composite
def dags(draw: st.DrawFn, max_steps: int = 12) -> Dag:
    """Any acyclic graph, in any order of its steps."""
    size = draw(st.integers(1, max_steps))
    order = draw(st.permutations(range(size)))
    parents: list[tuple[int, ...]] = [()] * size
    for place, position in enumerate(order):
        parents[position] = tuple(sorted(draw(st.sets(st.sampled_from(order[:place]))))) if place else ()
    return Dag(tuple(parents))


@dataclass
class Simulation:
    """What the store and the service do with the rules, in memory."""

    dag: Dag
    on_failure: OnFailure
    statuses: list[StepStatus] = field(init=False)
    waiting_for: dict[int, int] = field(init=False)
    starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.statuses = [WAITING] * len(self.dag.parents)
        self.waiting_for = {position: len(parents) for position, parents in enumerate(self.dag.parents)}
        self.start_free()

    def in_flight(self) -> list[int]:
        return [position for position, status in enumerate(self.statuses) if status is PENDING]

    def start_free(self) -> None:
        for position, status in enumerate(self.statuses):
            if status is WAITING and self.waiting_for[position] == 0:
                assert all(self.statuses[parent] is COMPLETED for parent in self.dag.parents[position])
                self.statuses[position] = PENDING
                self.starts.append(position)

    def end(self, ends: dict[int, StepStatus]) -> None:
        """These steps have ended together, as in one batch of the mirror."""
        for position, status in ends.items():
            self.statuses[position] = status
        unsettled = list(ends)
        while unsettled:
            ended = [EndedStep(p, self.statuses[p], self.dag.children[p]) for p in unsettled]
            if stops(ended, self.on_failure):
                self.skip([p for p, status in enumerate(self.statuses) if status is WAITING])
                break
            waiting = {p: n for p, n in self.waiting_for.items() if self.statuses[p] is WAITING}
            moves = settle(ended, waiting)
            self.waiting_for |= moves.waiting_for
            self.skip(moves.skipped)
            unsettled = sorted(moves.skipped)
        self.start_free()

    def skip(self, positions: Iterable[int]) -> None:
        for position in positions:
            self.statuses[position] = SKIPPED

    def run(self, draw: st.DataObject, *, ends: st.SearchStrategy[StepStatus]) -> None:
        """To the end; each round some of what is in flight ends."""
        for _ in range(len(self.statuses) + 1):
            flying = self.in_flight()
            if not flying:
                return
            chosen = draw.draw(st.sets(st.sampled_from(flying), min_size=1))
            self.end({position: draw.draw(ends) for position in sorted(chosen)})
        raise AssertionError("it does not end")


policies = st.sampled_from(OnFailure)
any_end = st.sampled_from([COMPLETED, COMPLETED, COMPLETED, FAILED, StepStatus.CANCELLED])


@given(dags(), policies, st.data())
def test_every_workflow_ends_with_no_step_started_early_or_twice(
    dag: Dag, on_failure: OnFailure, data: st.DataObject
) -> None:
    simulation = Simulation(dag, on_failure)
    simulation.run(data, ends=any_end)
    assert len(simulation.starts) == len(set(simulation.starts))
    assert WAITING not in simulation.statuses
    is_whole = set(simulation.statuses) == {COMPLETED}
    assert outcome(simulation.statuses, cancel_requested=False).value == ("COMPLETED" if is_whole else "FAILED")


@given(dags(), policies, st.data())
def test_where_nothing_fails_every_step_runs_once(dag: Dag, on_failure: OnFailure, data: st.DataObject) -> None:
    simulation = Simulation(dag, on_failure)
    simulation.run(data, ends=st.just(COMPLETED))
    assert sorted(simulation.starts) == list(range(len(dag.parents)))


@given(dags(), st.data())
def test_with_continue_exactly_what_is_behind_a_failure_is_skipped(dag: Dag, data: st.DataObject) -> None:
    simulation = Simulation(dag, OnFailure.CONTINUE)
    simulation.run(data, ends=any_end)
    for position in in_order(dag.parents):
        sound = all(simulation.statuses[parent] is COMPLETED for parent in dag.parents[position])
        assert (simulation.statuses[position] is SKIPPED) is not sound


@given(dags(), policies, st.data())
def test_a_retry_runs_all_that_had_not_completed_and_nothing_else(
    dag: Dag, on_failure: OnFailure, data: st.DataObject
) -> None:
    simulation = Simulation(dag, on_failure)
    simulation.run(data, ends=any_end)
    before = list(simulation.statuses)
    again = resume(before, dag.parents)
    assert again.renewed == {p for p, status in enumerate(before) if status in (FAILED, StepStatus.CANCELLED)}
    simulation.waiting_for |= again.waiting_for
    simulation.starts = []
    for position in again.waiting_for:
        simulation.statuses[position] = WAITING
    simulation.start_free()
    simulation.run(data, ends=st.just(COMPLETED))
    assert sorted(simulation.starts) == [p for p, status in enumerate(before) if status is not COMPLETED]
    assert set(simulation.statuses) == {COMPLETED}


@given(dags(), st.data())
def test_no_path_takes_longer_than_the_critical_one(dag: Dag, data: st.DataObject) -> None:
    seconds = {p: float(data.draw(st.integers(0, 5))) for p in range(len(dag.parents))}
    path = longest_path(dag.parents, seconds)
    assert dag.parents[path[0]] == ()
    assert all(before in dag.parents[after] for before, after in pairwise(path))
    longest: dict[int, float] = {}
    for position in in_order(dag.parents):
        longest[position] = seconds[position] + max((longest[p] for p in dag.parents[position]), default=0.0)
    assert sum(seconds[position] for position in path) == max(longest.values())


@given(dags())
def test_the_children_of_the_children_are_the_parents(dag: Dag) -> None:
    assert Dag(dag.children).children == dag.parents
