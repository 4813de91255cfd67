"""The shape of a workflow: which steps follow which. Built once, checked while it is built, free of cycles ever after.

Steps go by their position in the client's list. What happens to steps is in `steps.py`.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import InvalidRequest

MAX_STEPS = 1_000
MAX_EDGES = 20_000
"""The most edges: twenty for each of a thousand steps. To store, follow and draw so many takes 0.1 s each."""
MAX_NAMED = 20
"""Steps of a cycle that an error names."""


@dataclass(frozen=True, slots=True)
class Link:
    """One step as its client wrote it: its id, and the steps that it waits for, each with the field that says so."""

    step_id: str
    needs: Sequence[tuple[str, str]]
    """Pairs of (field, step id)."""


@dataclass(frozen=True, slots=True)
class Dag:
    """The positions of the steps that each one waits for, by position."""

    parents: tuple[tuple[int, ...], ...]

    @property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Return the positions of the steps that wait for each one, by position."""
        return invert(self.parents)


def check_edges(count: int, field: str) -> None:
    """Raises InvalidRequest if a workflow waits more often than it may; `field` is where it began to."""
    if count > MAX_EDGES:
        message = f"with it the steps of the workflow wait for others more than {MAX_EDGES:,} times"
        _refuse([(field, message)])


def build(links: Sequence[Link]) -> Dag:
    """Raises InvalidRequest that names the steps at fault: duplicate or unknown ids, or a cycle."""
    positions: dict[str, int] = {}
    errors: list[tuple[str, str]] = []
    for position, link in enumerate(links):
        if link.step_id in positions:
            errors.append((f"steps.{position}.id", f"step {link.step_id!r} is there twice"))
        positions.setdefault(link.step_id, position)
    errors += [
        (field, f"step {link.step_id!r} needs {needed!r}, and there is no such step")
        for link in links
        for field, needed in link.needs
        if needed not in positions
    ]
    _refuse(errors)
    dag = Dag(tuple(tuple(sorted({positions[needed] for _, needed in link.needs})) for link in links))
    _refuse_cycle(dag, links)
    return dag


def invert(edges: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Parents by child -> children by parent, and the other way round."""
    inverted: list[list[int]] = [[] for _ in edges]
    for position, others in enumerate(edges):
        for other in others:
            inverted[other].append(position)
    return tuple(map(tuple, inverted))


def first_edges(parents: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return the parents without what is beyond `MAX_EDGES`: older workflows may have half a million."""
    left = MAX_EDGES
    edges: list[tuple[int, ...]] = []
    for needed in parents:
        edges.append(needed[:left])
        left -= len(edges[-1])
    return tuple(edges)


def in_order(parents: Sequence[Sequence[int]]) -> list[int]:
    """Every position behind those that it waits for; those on a cycle, or behind one, are left out."""
    children = invert(parents)
    waiting_for = [len(needed) for needed in parents]
    free = deque(position for position, count in enumerate(waiting_for) if count == 0)
    ordered: list[int] = []
    while free:
        position = free.popleft()
        ordered.append(position)
        for child in children[position]:
            waiting_for[child] -= 1
            if waiting_for[child] == 0:
                free.append(child)
    return ordered


def longest_path(
    parents: Sequence[Sequence[int]], seconds: Mapping[int, float], *, ends: Collection[int] | None = None
) -> list[int]:
    """The path that took longest, from a step that waits for none; of equally long ones that with the most steps.

    `seconds` by position; a step that is not in it has taken none. With `ends`, the path ends at one of these.
    """
    best: dict[int, tuple[float, int, int | None]] = {}
    for position in in_order(parents):
        before = max(((*best[parent][:2], parent) for parent in parents[position]), default=(0.0, 0, None))
        best[position] = (before[0] + seconds.get(position, 0.0), before[1] + 1, before[2])
    last = max(best if ends is None else ends, key=lambda position: best[position][:2], default=None)
    path: list[int] = []
    while last is not None:
        path.append(last)
        last = best[last][2]
    return path[::-1]


def _refuse_cycle(dag: Dag, links: Sequence[Link]) -> None:
    sound = set(in_order(dag.parents))
    if len(sound) == len(links):
        return
    cycle = _find_cycle(dag, next(position for position in range(len(links)) if position not in sound), sound=sound)
    begin = cycle.index(min(cycle))
    names = [links[position].step_id for position in [*cycle[begin:], *cycle[:begin]]]
    path = " -> ".join([*names[:MAX_NAMED], *(["..."] if len(names) > MAX_NAMED else []), names[0]])
    first = min(cycle)
    field = next((field for field, needed in links[first].needs if needed in names), f"steps.{first}")
    _refuse([(field, f"the steps wait for each other in a circle: {path}")])


def _find_cycle(dag: Dag, start: int, *, sound: Collection[int]) -> list[int]:
    """The steps of a cycle, each followed by one that waits for it. `start` is on a cycle or behind one."""
    path = [start]
    while True:
        before = next(parent for parent in dag.parents[path[-1]] if parent not in sound)
        if before in path:
            return path[path.index(before) :][::-1]
        path.append(before)


def _refuse(errors: Sequence[tuple[str, str]]) -> None:
    if errors:
        field, message = errors[0]
        raise InvalidRequest(f"{field}: {message}", errors=tuple(errors))
