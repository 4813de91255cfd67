"""Whether a history is complete, and how its attempts are numbered; the store stands in for Postgres."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import TaskNotFound
from domain.facts import Fact
from domain.sight import EVERYTHING, Limits, Sight
from domain.states import EventType
from services import timeline as module
from services.timeline import read_task_history, read_whole_history
from tests.unit.services.tasks import AT, whole_task

CONNECTION = cast(AsyncConnection, None)


class Store:
    """What the store knows of one task, and what it was asked."""

    def __init__(self) -> None:
        self.task: Any = whole_task()
        self.facts: list[Fact] = []
        self.is_deaf = False
        self.looked_at: tuple[datetime, datetime] | None = None
        self.worker_ids: dict[str, UUID] = {}
        self.sight = EVERYTHING

    async def get(self, _: Any, task_id: str, *, sight: Sight) -> Any:
        self.sight = sight
        return self.task

    async def get_latest_facts(self, _: Any, task_id: str, *, since: datetime, limit: int) -> list[Fact]:
        return self.facts[-limit:]

    async def overlaps_gap(self, _: Any, *, since: datetime, until: datetime) -> bool:
        self.looked_at = since, until
        return self.is_deaf

    async def get_worker_ids(self, _: Any, names: Any) -> dict[str, UUID]:
        return {name: self.worker_ids[name] for name in names if name in self.worker_ids}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(module, "documents", SimpleNamespace(get_outline=store.get, get_task=store.get))
    for name in ("events", "gaps", "nodes"):
        monkeypatch.setattr(module, name, store)
    return store


def run(retries: int, *, node: str = "celery@a") -> list[Fact]:
    """What is told of one attempt."""
    begun = AT + timedelta(minutes=retries)
    told = (EventType.RECEIVED, EventType.STARTED, EventType.RETRIED)
    return [
        Fact("t1", type_, begun + timedelta(seconds=number), f"{type_}:{retries}", node, 1, number, retries)
        for number, type_ in enumerate(told)
    ]


def submitted() -> Fact:
    return Fact("t1", EventType.SUBMITTED, AT, "submitted")


async def test_a_task_that_nobody_knows_has_no_history(store: Store) -> None:
    store.task = None
    with pytest.raises(TaskNotFound):
        await read_task_history(CONNECTION, "nobody")
    with pytest.raises(TaskNotFound):
        await read_whole_history(CONNECTION, "nobody")


async def test_a_task_of_which_nothing_was_told_has_an_empty_history(store: Store) -> None:
    history = await read_whole_history(CONNECTION, "t1")
    assert (history.entries, history.complete, history.truncated, history.left_out) == ([], True, False, 0)
    assert history.task is store.task


async def test_entries_come_with_the_ids_of_their_workers(store: Store) -> None:
    store.facts = [submitted(), *run(0), *run(1, node="celery@b")]
    store.worker_ids = {"celery@a": uuid4(), "celery@b": uuid4(), "celery@c": uuid4()}
    history = await read_task_history(CONNECTION, "t1")
    assert [entry.attempt for entry in history.entries] == [None, 1, 1, 1, 2, 2, 2]
    assert history.worker_ids.keys() == {"celery@a", "celery@b"}


@pytest.mark.parametrize("name", ["deaf", "reconstructed", "left out"])
async def test_a_history_is_not_complete_where_something_may_be_missing(store: Store, name: str) -> None:
    store.facts = [submitted()]
    store.is_deaf = name == "deaf"
    store.task = whole_task(reconstructed=name == "reconstructed", fact_count=3 if name == "left out" else 1)
    history = await read_task_history(CONNECTION, "t1")
    assert not history.complete
    assert history.left_out == (2 if name == "left out" else 0)


async def test_of_a_finished_task_only_the_time_until_its_end_is_looked_at(store: Store) -> None:
    end = AT + timedelta(hours=1)
    store.task = whole_task(completed_at=end)
    await read_task_history(CONNECTION, "t1")
    assert store.looked_at == (AT, end)


async def test_of_one_that_goes_on_all_the_time_until_now_is(store: Store) -> None:
    store.task = whole_task(status="RUNNING")
    await read_task_history(CONNECTION, "t1")
    assert store.looked_at is not None
    since, until = store.looked_at
    assert since == AT
    assert until > AT
    assert until.tzinfo is not None


@pytest.mark.parametrize(("limit", "truncated"), [(10, False), (9, True)])
async def test_as_many_facts_as_are_read_are_all_of_them_and_one_more_is_said(
    store: Store, limit: int, truncated: bool
) -> None:
    store.facts = [submitted(), *run(0), *run(1), *run(2)]
    store.task = whole_task(attempt_count=3, fact_count=10)
    history = await read_task_history(CONNECTION, "t1", max_facts=limit)
    assert (history.truncated, history.complete) == (truncated, not truncated)
    assert len(history.entries) == limit
    assert history.left_out == 0, "what is cut is not counted as never stored"


async def test_attempts_of_a_cut_history_have_the_numbers_that_they_have_in_the_whole(store: Store) -> None:
    store.facts = [fact for retries in range(2) for fact in run(retries)] + run(2)
    store.task = whole_task(attempt_count=500)
    history = await read_task_history(CONNECTION, "t1", max_facts=6)
    assert [entry.attempt for entry in history.entries][-1] == 500
    assert {entry.attempt for entry in history.entries} == {499, 500}


async def test_a_cut_history_without_an_attempt_is_shown_as_it_is(store: Store) -> None:
    store.facts = [Fact("t1", EventType.REPLAYED, AT + timedelta(seconds=n), f"replayed:{n}") for n in range(5)]
    store.task = whole_task(attempt_count=0)
    history = await read_task_history(CONNECTION, "t1", max_facts=2)
    assert [entry.attempt for entry in history.entries] == [None, None]


async def test_a_count_of_attempts_that_lags_behind_makes_no_number_smaller(store: Store) -> None:
    store.facts = [submitted(), *run(0), *run(1)]
    store.task = whole_task(attempt_count=1)
    history = await read_task_history(CONNECTION, "t1", max_facts=6)
    assert {entry.attempt for entry in history.entries} - {None} == {1, 2}


async def test_a_long_history_is_the_same_as_a_short_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.facts = [submitted(), *run(0), *run(1)]
    in_loop = await read_task_history(CONNECTION, "t1")
    monkeypatch.setattr(module, "FEW", 2)
    in_thread = await read_task_history(CONNECTION, "t1")
    assert in_thread.entries == in_loop.entries


async def test_a_task_that_is_not_seen_is_not_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def list_seen(_: Any, task_ids: set[str], *, sight: Sight) -> set[str]:
        return task_ids - {"theirs"}

    monkeypatch.setattr(module, "list_seen", list_seen)
    store.facts = [
        Fact("t1", EventType.REPLAYED, AT, f"replayed:{new}", details={"new_task_id": new})
        for new in ("ours", "theirs")
    ]
    sight = Sight(Limits(queues=("etl",)))
    history = await read_task_history(CONNECTION, "t1", sight=sight)
    assert [dict(entry.details) for entry in history.entries] == [{"new_task_id": "ours"}, {}]
    assert store.sight == sight
    everything = await read_task_history(CONNECTION, "t1")
    assert [dict(entry.details) for entry in everything.entries][1] == {"new_task_id": "theirs"}
