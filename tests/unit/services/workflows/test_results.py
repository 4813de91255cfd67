"""Filling steps with results, in groups that hold little at a time; `get_results` stands in for Postgres."""

import json
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.submissions import MAX_ARGUMENT_BYTES, Submission
from domain.workflows.references import TOO_LARGE, Result
from services.workflows import results as module
from services.workflows.results import GROUP_BYTES, GROUP_READS, READ_AT_ONCE, Group, Resolved, Unread, resolve
from store.queries.workflows.steps import ANY_SIZE, FreeStep, StepResult
from tests.unit.services.tasks import AT

CONNECTION = cast(AsyncConnection, None)
WORKFLOW = uuid4()
KIB = 1024


def step(position: int, *args: Any, **kwargs: Any) -> FreeStep:
    """A free step with these arguments."""
    texts = json.dumps(args), json.dumps(kwargs)
    submission = Submission(
        task_id=f"task-{position}",
        task_name="add",
        args=texts[0],
        kwargs=texts[1],
        queue_name="celery",
        priority=5,
        max_retries=3,
        timeout_seconds=None,
        scheduled_at=None,
        created_at=AT,
        workflow_id=WORKFLOW,
    )
    return FreeStep(position, '"$result"' in "".join(texts), submission)


def result_of(step_id: str, pointer: str = "") -> dict[str, str]:
    """The place of a result in arguments."""
    return {"$result": step_id, "pointer": pointer}


class Store:
    """Results by step: JSON text, None where only the backend may have it."""

    def __init__(self) -> None:
        self.results: dict[str, str | None] = {}
        self.awaited: set[str] = set()
        self.reads: list[list[str]] = []

    async def get_results(
        self, _: Any, workflow_id: Any, *, step_ids: Collection[str], most_bytes: int
    ) -> list[StepResult]:
        assert workflow_id == WORKFLOW
        self.reads.append(list(step_ids))
        found = {step_id: self.results[step_id] for step_id in step_ids if step_id in self.results}
        return [
            StepResult(
                step_id,
                f"task-of-{step_id}",
                result if result is not None and len(result) <= most_bytes else None,
                step_id in self.awaited,
            )
            for step_id, result in found.items()
        ]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(module, "steps", SimpleNamespace(get_results=store.get_results))
    return store


async def resolved(*steps: FreeStep, fetched: Group | None = None, most_bytes: int = ANY_SIZE) -> Resolved:
    return await resolve(CONNECTION, WORKFLOW, steps=steps, fetched=fetched or Group(), most_bytes=most_bytes)


def arguments(submission: Submission) -> tuple[Any, Any]:
    return json.loads(submission.args), json.loads(submission.kwargs)


async def test_steps_that_refer_to_nothing_are_passed_without_a_question(store: Store) -> None:
    steps = [step(1, 1), step(2, a="b")]
    found = await resolved(*steps)
    assert found.plain == {each.position: each.submission for each in steps}
    assert (found.filled, found.broken, found.unread, found.deferred) == ({}, {}, (), False)
    assert store.reads == []


async def test_results_are_put_where_they_are_referred_to(store: Store) -> None:
    store.results = {"extract": '{"rows": [1, 2], "a/b": null}', "count": "2"}
    found = await resolved(
        step(1, result_of("extract"), [result_of("extract", "/rows/1")], x={"y": result_of("count")}),
        step(2, result_of("extract", "/a~1b"), "untouched"),
    )
    assert arguments(found.filled[1]) == ([{"rows": [1, 2], "a/b": None}, [2]], {"x": {"y": 2}})
    assert arguments(found.filled[2]) == ([None, "untouched"], {})
    assert (found.broken, found.unread, found.deferred) == ({}, [], False)


async def test_only_the_arguments_of_a_filled_step_are_changed(store: Store) -> None:
    store.results = {"a": "1"}
    before = step(1, result_of("a"))
    filled = (await resolved(before)).filled[1]
    changed = {
        name for name in Submission.__dataclass_fields__ if getattr(filled, name) != getattr(before.submission, name)
    }
    assert changed == {"args"}


async def test_a_result_that_many_steps_refer_to_is_read_once(store: Store) -> None:
    store.results = {"a": "[1]"}
    found = await resolved(*(step(position, result_of("a", "/0")) for position in range(50)))
    assert store.reads == [["a"]]
    assert len(found.filled) == 50


async def test_results_are_read_a_few_at_a_time(store: Store) -> None:
    names = [f"s{number}" for number in range(2 * READ_AT_ONCE + 1)]
    store.results = dict.fromkeys(names, "1")
    found = await resolved(step(1, *map(result_of, names)))
    assert [len(read) for read in store.reads] == [READ_AT_ONCE, READ_AT_ONCE, 1]
    assert arguments(found.filled[1])[0] == [1] * len(names)


async def test_where_none_but_small_results_are_read_they_are_read_together_and_a_large_one_stays_unread(
    store: Store,
) -> None:
    names = [f"s{number}" for number in range(2 * READ_AT_ONCE + 1)]
    store.results = dict.fromkeys(names, "1")
    store.results["large"] = json.dumps("x" * 64 * KIB)
    found = await resolved(step(1, *map(result_of, names)), step(2, result_of("large")), most_bytes=64 * KIB)
    assert len(store.reads) == 1
    assert arguments(found.filled[1])[0] == [1] * len(names)
    assert found.unread == [Unread("large", "task-of-large", is_awaited=False)]


@pytest.mark.parametrize(
    ("result", "pointer", "problem"),
    [
        ('{"rows": []}', "/rows/0", "The result of step 'a' at '/rows/0' is absent: there is no '0'."),
        ("7", "/x", "The result of step 'a' at '/x' is absent: there is no 'x'."),
        ("[1]", "/-1", "The result of step 'a' at '/-1' is absent: there is no '-1'."),
        ("[1]", "/01", "The result of step 'a' at '/01' is absent: there is no '01'."),
        (json.dumps("x" * MAX_ARGUMENT_BYTES), "", "The result of step 'a' is larger than 1 MiB."),
    ],
)
async def test_a_step_whose_reference_leads_nowhere_is_broken_and_its_neighbour_is_not(
    store: Store, result: str, pointer: str, problem: str
) -> None:
    store.results = {"a": result, "b": "1"}
    found = await resolved(step(1, result_of("a", pointer)), step(2, result_of("b")))
    assert found.broken == {1: problem}
    assert list(found.filled) == [2]


async def test_a_result_that_only_fits_alone_breaks_the_step_it_does_not_fit_in(store: Store) -> None:
    store.results = {"a": json.dumps("x" * 600 * KIB)}
    found = await resolved(step(1, result_of("a"), result_of("a")), step(2, result_of("a")))
    assert found.broken == {1: TOO_LARGE}
    assert list(found.filled) == [2]


async def test_arguments_that_are_too_large_with_what_stood_there_before_are_broken(store: Store) -> None:
    store.results = {"a": json.dumps("x" * 600 * KIB)}
    found = await resolved(step(1, result_of("a"), "y" * 500 * KIB))
    assert found.broken == {1: TOO_LARGE}


async def test_a_reference_of_an_older_version_that_cannot_be_followed_breaks_its_step(store: Store) -> None:
    found = await resolved(step(1, {"$result": 7}), step(2, {"$result": "a", "default": 1}))
    assert found.broken.keys() == {1, 2}
    assert all(problem.startswith("The arguments hold a reference that cannot") for problem in found.broken.values())
    assert store.reads == []


async def test_what_postgres_does_not_have_is_asked_of_the_backend(store: Store) -> None:
    store.results, store.awaited = {"a": "1", "big": None, "late": None}, {"late"}
    found = await resolved(
        step(1, result_of("a"), result_of("big")), step(2, result_of("late")), step(3, result_of("a"))
    )
    assert found.unread == [
        Unread("big", "task-of-big", is_awaited=False),
        Unread("late", "task-of-late", is_awaited=True),
    ]
    assert list(found.filled) == [3]
    assert found.blocked.fillings.keys() == {1, 2}


async def test_what_only_broken_steps_refer_to_is_not_asked_for(store: Store) -> None:
    store.results = {"a": "{}", "big": None}
    found = await resolved(step(1, result_of("a", "/x"), result_of("big")))
    assert found.broken.keys() == {1}
    assert found.unread == []


async def test_what_the_backend_has_told_fills_the_steps_that_waited_for_it(store: Store) -> None:
    store.results = {"a": "1", "big": None}
    waiting = step(1, result_of("a"), result_of("big"))
    first = await resolved(waiting)
    first.blocked.take([Result("big", "[2]")])
    store.reads.clear()
    found = await resolved(waiting, fetched=first.blocked)
    assert arguments(found.filled[1])[0] == [1, [2]]
    assert store.reads == [], "what was found for it is kept"


async def test_steps_that_the_backend_could_not_help_stay_broken(store: Store) -> None:
    store.results = {"big": None}
    steps = [step(1, result_of("big")), step(2, result_of("big", "/0")), step(3, "plain")]
    first = await resolved(*steps)
    first.blocked.fail_all("big", "The result of step 'big' is gone.")
    found = await resolved(*steps, fetched=first.blocked)
    assert found.broken == dict.fromkeys((1, 2), "The result of step 'big' is gone.")
    assert list(found.plain) == [3]
    assert found.unread == [], "nobody asks for it again"


async def test_of_what_was_fetched_only_these_steps_are_looked_at(store: Store) -> None:
    fetched = Group()
    fetched.add([step(1, result_of("a")), step(9, result_of("gone"))])
    fetched.fail(9, "gone")
    store.results = {"a": "1"}
    found = await resolved(step(1, result_of("a")), fetched=fetched)
    assert (list(found.filled), found.broken) == ([1], {})
    assert fetched.problems == {9: "gone"}, "and it is left as it was"


async def test_a_workflow_without_the_step_is_a_fault_of_ours_and_no_endless_search(store: Store) -> None:
    with pytest.raises(LookupError, match=f"workflow {WORKFLOW} has no step of these ids"):
        await resolved(step(1, result_of("nobody")))


async def test_a_group_holds_so_much_and_the_rest_waits_for_the_next(store: Store) -> None:
    store.results = {"a": json.dumps("x" * 1_000 * KIB)}
    found = await resolved(*(step(position, result_of("a")) for position in range(10)))
    assert found.deferred
    assert list(found.filled) == list(range(GROUP_BYTES // (1_000 * KIB)))
    assert found.broken == {}


async def test_a_group_that_has_read_much_reads_on_only_for_its_first_step(store: Store) -> None:
    count = GROUP_READS // (1_000 * KIB) + 4
    store.results |= {f"s{number}": json.dumps(["x" * 1_000 * KIB, 1]) for number in range(count)} | {"last": "7"}
    first = step(0, *(result_of(f"s{number}", "/1") for number in range(count)), result_of("last"))
    others = [step(number, result_of(f"s{number}", "/1"), result_of("last")) for number in range(1, count)]
    found = await resolved(first, *others)
    assert found.deferred
    assert arguments(found.filled[0])[0] == [1] * count + [7]
    assert list(found.filled) == [0]
    assert found.blocked.fillings == {}


def test_a_group_tells_what_it_still_needs() -> None:
    group = Group()
    group.add([step(1, result_of("a"), result_of("b"))])
    assert (group.needs("a"), group.needs("c")) == (True, False)
    assert group.missing(apart_from={"a"}) == ["b"]
    group.take([Result("a", "1")])
    assert (group.needs("a"), group.needs("b")) == (False, True)


def test_a_step_that_is_there_already_keeps_what_was_found_for_it() -> None:
    group = Group()
    group.add([step(1, result_of("a"))])
    group.take([Result("a", "1")])
    group.add([step(1, result_of("a"))])
    assert group.missing() == []
