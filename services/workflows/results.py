"""Putting results into the arguments of the steps that refer to them.

From what Postgres has of them. A result that it does not have, because it is above 1 MiB or was not read in time, is
asked for: `loops/workflows.py` fetches it from the result backend, outside of any transaction.

Steps are taken in groups that share what is read. A group holds little at a time, whatever its steps refer to: those
that find no room in it wait for the next one. All parsing and filling is done in a thread, since dispatch runs in the
same process.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.submissions import MAX_ARGUMENT_BYTES, Submission
from domain.workflows.references import Filling, NotResolved, Result, check_filled, fill, references_in
from store.queries.workflows import steps
from store.queries.workflows.steps import ANY_SIZE, FreeStep

READ_AT_ONCE = 8
"""How many results are in memory at a time, each up to 1 MiB."""
GROUP_BYTES = 4 * 1024 * 1024
"""What the arguments of a group's steps may be in all, or one step's where that alone is larger."""
GROUP_READS = 8 * 1024 * 1024
"""How many bytes of results a group reads before it reads on only for its first step that lacks any."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A result that only the result backend may tell."""

    step_id: str
    task_id: str
    is_awaited: bool
    """Whether the sweep still looks for it: if the backend does not have it now, it may come."""


@dataclass(slots=True)
class Group:
    """Steps that are being filled, by position; only its own steps are ever looked at."""

    fillings: dict[int, Filling] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    """Why no task can be made of a step, by its position."""
    read: int = 0
    deferred: bool = False
    """Whether some steps found no room, and wait for another group."""

    def only(self, positions: Collection[int]) -> "Group":
        """Return what it knows of these steps, in a group that may be filled further."""
        return Group(
            {position: filling for position, filling in self.fillings.items() if position in positions},
            {position: problem for position, problem in self.problems.items() if position in positions},
        )

    def add(self, steps: Iterable[FreeStep]) -> None:
        """Look for their references. A step that is there already keeps what was found for it."""
        for step in steps:
            if step.position not in self.fillings and step.position not in self.problems:
                try:
                    references = references_in(step.submission.args, step.submission.kwargs)
                    self.fillings[step.position] = Filling(references)
                except NotResolved as problem:
                    self.problems[step.position] = str(problem)

    def missing(self, *, most: int = READ_AT_ONCE, apart_from: Collection[str] = ()) -> list[str]:
        """Return some steps whose results are to be read next."""
        step_ids: dict[str, None] = {}
        for filling in self.fillings.values():
            step_ids |= dict.fromkeys(step_id for step_id in filling.missing if step_id not in apart_from)
            if len(step_ids) >= most:
                break
        return list(step_ids)[:most]

    def needs(self, step_id: str) -> bool:
        """Tell whether the result of this step is still missing somewhere."""
        return any(step_id in filling.missing for filling in self.fillings.values())

    def take(self, results: Iterable[Result]) -> None:
        """Give these to all that refer to them."""
        for result in results:
            self.read += len(result.text)
            for position, filling in list(self.fillings.items()):
                if result.step_id in filling.missing:
                    try:
                        filling.take(result)
                    except NotResolved as problem:
                        self.fail(position, str(problem))
            self._make_room()

    def fail(self, position: int, problem: str) -> None:
        """Note that no task can be made of this step."""
        del self.fillings[position]
        self.problems[position] = problem

    def fail_all(self, step_id: str, problem: str) -> None:
        """Note that no task can be made of any step that refers to this one."""
        for position, filling in list(self.fillings.items()):
            if step_id in filling.missing:
                self.fail(position, problem)

    def _make_room(self) -> None:
        """The first one stays, so that something is always done."""
        while len(self.fillings) > 1 and sum(filling.size for filling in self.fillings.values()) > GROUP_BYTES:
            self.fillings.popitem()
            self.deferred = True
        if self.read > GROUP_READS:
            lacking = [position for position, filling in self.fillings.items() if filling.missing]
            for position in lacking[1:]:
                del self.fillings[position]
                self.deferred = True


@dataclass(frozen=True, slots=True)
class Resolved:
    """Free steps by position, sorted by what can be done with them; a step in none of these waits for another turn."""

    plain: Mapping[int, Submission]
    """Steps that refer to no result."""
    filled: Mapping[int, Submission]
    """Steps with results in their arguments."""
    broken: Mapping[int, str]
    """Why no task can be made of these steps."""
    blocked: Group
    """Steps that wait for what is unread."""
    unread: Sequence[Unread]
    deferred: bool
    """Whether some steps found no room."""


async def resolve(
    connection: AsyncConnection,
    workflow_id: UUID,
    *,
    steps: Sequence[FreeStep],
    fetched: Group,
    most_bytes: int = ANY_SIZE,
) -> Resolved:
    """Look up what these steps refer to. `fetched`: what the result backend has told of what was `unread` before.

    A result with more bytes than `most_bytes` stays unread.
    """
    unopened = {step.position: f"What this step is given {step.unopened}." for step in steps if step.unopened}
    if unopened:
        opened = [step for step in steps if not step.unopened]
        readable = await resolve(connection, workflow_id, steps=opened, fetched=fetched, most_bytes=most_bytes)
        return replace(readable, broken={**readable.broken, **unopened})
    plain = {step.position: step.submission for step in steps if not step.has_references}
    referring = {step.position: step for step in steps if step.has_references}
    if not referring:
        return Resolved(plain, {}, {}, Group(), (), deferred=False)
    group = fetched.only(referring)
    await asyncio.to_thread(group.add, referring.values())
    unread = await _look_up(connection, workflow_id, group=group, most_bytes=most_bytes)
    filled = await asyncio.to_thread(_fill_all, group, referring)
    needed = {step_id for filling in group.fillings.values() for step_id in filling.missing}
    asked = [one for step_id, one in unread.items() if step_id in needed]
    return Resolved(plain, filled, group.problems, group, asked, deferred=group.deferred)


async def _look_up(
    connection: AsyncConnection, workflow_id: UUID, *, group: Group, most_bytes: int
) -> dict[str, Unread]:
    """Gives the group what Postgres knows; returns what it does not, by step."""
    unread: dict[str, Unread] = {}
    # As much as ever, in fewer round trips: who reads small ones only has many tasks locked meanwhile.
    most = READ_AT_ONCE * max(1, MAX_ARGUMENT_BYTES // most_bytes)
    while step_ids := group.missing(most=most, apart_from=unread):
        stored_results = await steps.get_results(connection, workflow_id, step_ids=step_ids, most_bytes=most_bytes)
        if not stored_results:
            raise LookupError(f"workflow {workflow_id} has no step of these ids")
        for result in stored_results:
            if result.result is None:
                unread[result.step_id] = Unread(result.step_id, result.task_id, result.is_awaited)
        results = [Result(result.step_id, result.result) for result in stored_results if result.result is not None]
        if results:
            await asyncio.to_thread(group.take, results)
    return unread


def _fill_all(group: Group, steps: Mapping[int, FreeStep]) -> dict[int, Submission]:
    """Takes those that are complete out of the group, filled."""
    filled: dict[int, Submission] = {}
    for position, filling in list(group.fillings.items()):
        if filling.missing:
            continue
        try:
            filled[position] = _filled(steps[position].submission, filling)
            del group.fillings[position]
        except NotResolved as problem:
            group.fail(position, str(problem))
    return filled


def _filled(submission: Submission, filling: Filling) -> Submission:
    args, kwargs = (fill(text, filling.texts) for text in (submission.args, submission.kwargs))
    check_filled(args, kwargs)
    return replace(submission, args=args, kwargs=kwargs)
