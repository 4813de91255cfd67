"""Which tasks may run again, and that both the old and the new one tell of it."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import Action, Author, Change
from domain.errors import ArgumentsNotRecorded, TaskNotFinished, TaskNotFound
from domain.replays import Original, Replay
from domain.states import TERMINAL, EventType, Status
from domain.submissions import Submission
from services import replay as module
from services.record import News
from services.replay import replay
from tests.authors import AUTHOR
from tests.facts import NOON

CONNECTION = cast(AsyncConnection, None)
NEW = Replay("new", NOON, "celery", {"priority": 9})


class Store:
    """One task, and what was written, in its order."""

    def __init__(self) -> None:
        self.status: str | None = "FAILED"
        self.original: Original | None = Original("old", "add", "[1]", "{}", "payments", 5, 3, None)
        self.doubted = False
        self.done: list[tuple[str, Any]] = []
        self.audited: list[Change] = []

    async def lock_tasks(self, _: Any, task_ids: Sequence[str]) -> dict[str, Any]:
        self.done.append(("locked", list(task_ids)))
        return {"old": SimpleNamespace(status=self.status)} if self.status else {}

    async def get_original(self, _: Any, task_id: str) -> Original | None:
        assert self.done, "read before it was locked"
        return self.original

    async def is_doubted(self, _: Any, task_id: str) -> bool:
        return self.doubted

    async def record(self, _: Any, news: News) -> None:
        self.done.append(("recorded", news))

    async def submit(self, _: Any, submissions: Sequence[Submission]) -> None:
        self.done.append(("submitted", submissions))

    async def record_change(self, _: Any, change: Change, *, author: Author) -> None:
        assert author is AUTHOR
        self.audited.append(change)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    for name in ("writing", "submissions", "doubts"):
        monkeypatch.setattr(module, name, store)
    monkeypatch.setattr(module, "record", store.record)
    monkeypatch.setattr(module, "submit", store.submit)
    monkeypatch.setattr(module, "record_change", store.record_change)
    return store


async def test_the_new_task_is_the_old_one_but_for_what_was_asked(store: Store) -> None:
    new = await replay(CONNECTION, "old", new=NEW, author=AUTHOR)
    assert (new.task_id, new.task_name, new.args, new.kwargs) == ("new", "add", "[1]", "{}")
    assert (new.queue_name, new.priority, new.original_task_id) == ("payments", 9, "old")
    assert ("submitted", [new]) in store.done


async def test_the_audit_tells_which_task_came_of_it_and_nothing_of_its_arguments(store: Store) -> None:
    await replay(CONNECTION, "old", new=NEW, author=AUTHOR)
    after = {"new_task_id": "new", "changed": ["priority"]}
    assert store.audited == [Change(Action.TASK_REPLAY, "old", after=after)]


async def test_the_old_task_tells_which_new_one_came_of_it(store: Store) -> None:
    await replay(CONNECTION, "old", new=NEW, author=AUTHOR)
    ((_, news),) = [each for each in store.done if each[0] == "recorded"]
    (fact,) = news.facts
    assert (fact.task_id, fact.type, fact.at) == ("old", EventType.REPLAYED, NOON)
    assert fact.details == {"new_task_id": "new"}
    assert fact.key == "replayed:new", "two replays of one task are two facts"


@pytest.mark.parametrize("status", [status for status in Status if status not in TERMINAL])
async def test_a_task_that_goes_on_is_not_run_beside_itself(store: Store, status: Status) -> None:
    store.status = status
    with pytest.raises(TaskNotFinished, match=f"^The task has not finished: {status}$"):
        await replay(CONNECTION, "old", new=NEW, author=AUTHOR)
    assert [name for name, _ in store.done] == ["locked"]


@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING])
async def test_one_that_is_nowhere_to_be_found_may_run_again(store: Store, status: Status) -> None:
    store.status, store.doubted = status, True
    await replay(CONNECTION, "old", new=NEW, author=AUTHOR)
    assert [name for name, _ in store.done] == ["locked", "recorded", "submitted"]


@pytest.mark.parametrize("missing", ["task", "original"])
async def test_a_task_that_nobody_knows_is_not_found(store: Store, missing: str) -> None:
    store.status = None if missing == "task" else "FAILED"
    store.original = None if missing == "original" else store.original
    with pytest.raises(TaskNotFound):
        await replay(CONNECTION, "old", new=NEW, author=AUTHOR)
    assert [name for name, _ in store.done] == ["locked"]


async def test_a_task_whose_arguments_nobody_told_is_not_submitted_and_not_told_of(store: Store) -> None:
    store.original = Original("old", "add", None, None, None, None, None, None)
    with pytest.raises(ArgumentsNotRecorded):
        await replay(CONNECTION, "old", new=NEW, author=AUTHOR)
    assert [name for name, _ in store.done] == ["locked"]
