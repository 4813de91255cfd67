"""Putting results into the arguments of the steps that refer to them.

From what Postgres has of them. A result that it does not have, because it is above 1 MiB or was not read in time, is
asked for: `loops/workflows.py` fetches it from the result backend, outside of any transaction.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.references import NotResolved, Reference, check_filled, fill, read, references_in
from domain.submissions import Submission
from store.queries import workflow_steps
from store.queries.workflow_steps import FreeStep, StepResult

READ_AT_ONCE = 16
"""Results in memory at a time, each up to 1 MiB."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A result that only the result backend may tell, and which parts of it are wanted."""

    task_id: str
    references: frozenset[Reference]
    is_awaited: bool
    """The sweep still looks for it: if the backend does not have it now, it may come."""


@dataclass(slots=True)
class Values:
    """What references stand for, as far as it is known."""

    found: dict[Reference, str] = field(default_factory=dict)
    """JSON texts."""
    problems: dict[Reference, str] = field(default_factory=dict)
    """Those that lead nowhere, each with a sentence that says so."""

    def take(self, references: Iterable[Reference], result: str) -> None:
        """Read these out of their step's result, a JSON text."""
        for reference in references:
            try:
                self.found[reference] = read(reference, json.loads(result))
            except NotResolved as problem:
                self.problems[reference] = str(problem)
            except RecursionError:
                self.problems[reference] = f"The result of step {reference.step_id!r} is nested too deeply."

    def knows(self, reference: Reference) -> bool:
        return reference in self.found or reference in self.problems


@dataclass(frozen=True, slots=True)
class Resolved:
    """Free steps, sorted by what can be done with them."""

    ready: Mapping[int, Submission]
    """By position, with their arguments complete."""
    broken: Mapping[int, str]
    """By position, why no task can be made of them."""
    unread: Sequence[Unread]
    """What the others wait for."""


async def resolve(
    connection: AsyncConnection, workflow_id: UUID, steps: Sequence[FreeStep], *, fetched: Values
) -> Resolved:
    """Look up what these steps refer to. `fetched`: what the result backend has told of what was `unread` before."""
    wanted = {
        step.position: references_in(step.submission.args, step.submission.kwargs)
        for step in steps
        if step.has_references
    }
    values = Values(dict(fetched.found), dict(fetched.problems))
    unread = await _look_up(connection, workflow_id, set().union(*wanted.values()), values)
    ready: dict[int, Submission] = {}
    broken: dict[int, str] = {}
    for step in steps:
        references = wanted.get(step.position, set())
        try:
            if all(map(values.knows, references)):
                ready[step.position] = _filled(step, references, values)
        except NotResolved as problem:
            broken[step.position] = str(problem)
    return Resolved(ready, broken, unread)


async def _look_up(
    connection: AsyncConnection, workflow_id: UUID, references: Collection[Reference], values: Values
) -> list[Unread]:
    """Adds to `values` what Postgres knows; returns what it does not."""
    wanted: dict[str, set[Reference]] = defaultdict(set)
    for reference in references:
        if not values.knows(reference):
            wanted[reference.step_id].add(reference)
    unread: list[Unread] = []
    step_ids = sorted(wanted)
    for start in range(0, len(step_ids), READ_AT_ONCE):
        portion = step_ids[start : start + READ_AT_ONCE]
        for result in await workflow_steps.get_results(connection, workflow_id, portion):
            if result.result is not None:
                values.take(wanted[result.step_id], result.result)
            else:
                unread.append(_unread(result, wanted[result.step_id]))
    return unread


def _unread(result: StepResult, references: Iterable[Reference]) -> Unread:
    return Unread(result.task_id, frozenset(references), result.is_awaited)


def _filled(step: FreeStep, references: Collection[Reference], values: Values) -> Submission:
    if not references:
        return step.submission
    for reference in references:
        if reference in values.problems:
            raise NotResolved(values.problems[reference])
    args, kwargs = (fill(text, values.found) for text in (step.submission.args, step.submission.kwargs))
    check_filled(args, kwargs)
    return replace(step.submission, args=args, kwargs=kwargs)
