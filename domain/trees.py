"""Tasks that came of one another: chains, groups and chords that other programs have started."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Kin:
    """A task, and which task sent it, or was before it in a chain."""

    task_id: str
    parent_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Placed:
    """A task's place in the tree."""

    task_id: str
    depth: int
    """0 is the root."""


def arrange(root_id: str, kin: Iterable[Kin]) -> list[Placed]:
    """Every task right behind its parent and before its parent's later children; siblings by age.

    A task whose parent is not among them stands below the root.
    """
    newest_first = sorted(kin, key=lambda task: (task.created_at, task.task_id), reverse=True)
    ids = {task.task_id for task in newest_first}
    children: dict[str, list[str]] = defaultdict(list)
    for task in newest_first:
        if task.task_id != root_id:
            is_below = task.parent_id in ids and task.parent_id != task.task_id
            children[str(task.parent_id) if is_below else root_id].append(task.task_id)
    open_ones = [Placed(root_id, 0)]
    arranged: list[Placed] = []
    while open_ones:
        placed = open_ones.pop()
        if placed.task_id in ids:
            arranged.append(placed)
        open_ones += [Placed(child, placed.depth + 1) for child in children[placed.task_id]]
    return arranged
