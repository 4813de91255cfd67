"""A page of tasks: what is asked of the store, and what the page says of itself."""

from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from api.pages import task_pages as module
from api.pages.cursors import decode_cursor, encode_cursor
from api.pages.task_pages import NO_WORD, read_page, slice_of
from api.schemas.filters import PageQuery
from domain.errors import InvalidRequest
from domain.filters import Cursor, TaskFilter
from domain.sight import Limits, Sight
from store.queries.tasks.documents import FEW, Slice
from tests.unit.services.tasks import AT, whole_task

CONNECTION = cast(AsyncConnection, None)
SIGHT = Sight(Limits(("etl",)))


class Store:
    """Tasks, and what was asked of them."""

    FEW = FEW

    def __init__(self, count: int = 0, *, total: int | None = None, is_exact: bool = True) -> None:
        self.tasks = [
            whole_task(task_id=f"t{number}", created_at=AT - timedelta(seconds=number)) for number in range(count)
        ]
        self.total = count if total is None else total
        self.is_exact = is_exact
        self.part: Slice | None = None
        self.sights: set[Sight] = set()
        self.few: bool | None = None

    async def count_tasks(self, _: Any, filters: TaskFilter) -> tuple[int, bool]:
        self.sights.add(filters.sight)
        return self.total, self.is_exact

    async def list_tasks(self, _: Any, filters: TaskFilter, *, part: Slice, few: bool) -> list[Any]:
        self.part, self.few = part, few
        self.sights.add(filters.sight)
        return self.tasks[: part.limit]


async def page_of(
    monkeypatch: pytest.MonkeyPatch, store: Store, *, filters: TaskFilter | None = None, **query: Any
) -> Any:
    monkeypatch.setattr(module, "documents", store)
    return await read_page(CONNECTION, filters or TaskFilter(), query=PageQuery(**query), sight=SIGHT)


async def test_a_page_of_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    page = await page_of(monkeypatch, Store())
    assert (page.total, page.total_is_exact, page.data, page.tasks) == (0, True, [], [])
    assert (page.limit, page.offset, page.next_cursor, page.message) == (50, 0, None, None)


async def test_the_rows_stand_under_both_names_in_the_order_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    page = await page_of(monkeypatch, Store(3))
    assert [row.task_id for row in page.data] == ["t0", "t1", "t2"]
    assert page.tasks == page.data


async def test_a_full_page_says_where_the_next_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    page = await page_of(monkeypatch, Store(3), limit=2)
    assert decode_cursor(page.next_cursor) == Cursor(AT - timedelta(seconds=1), "t1")
    following = Store()
    await page_of(monkeypatch, following, limit=2, cursor=page.next_cursor)
    assert following.part is not None
    assert following.part.after == Cursor(AT - timedelta(seconds=1), "t1")


async def test_a_page_that_is_not_full_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await page_of(monkeypatch, Store(2), limit=3)).next_cursor is None


async def test_an_order_that_is_not_stable_has_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await page_of(monkeypatch, Store(3), limit=2, sort_by="priority")).next_cursor is None


@pytest.mark.parametrize(
    ("total", "is_exact", "few"), [(FEW, True, True), (FEW + 1, True, False), (10, False, False), (0, True, True)]
)
async def test_the_store_is_told_where_few_rows_match(
    monkeypatch: pytest.MonkeyPatch, total: int, is_exact: bool, few: bool
) -> None:
    store = Store(1, total=total, is_exact=is_exact)
    page = await page_of(monkeypatch, store)
    assert store.few is few
    assert (page.total, page.total_is_exact) == (total, is_exact)


async def test_a_search_without_a_word_says_why_it_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await page_of(monkeypatch, Store(), filters=TaskFilter(search=()))).message == NO_WORD
    assert (await page_of(monkeypatch, Store(), filters=TaskFilter(search=None))).message is None


def test_a_query_becomes_the_part_that_it_wants() -> None:
    part = slice_of(PageQuery(sort_by="duration", sort_order="asc", limit=7, offset=3))
    assert (part.sort.by, part.sort.descending, part.limit, part.offset, part.after) == ("duration", False, 7, 3, None)


@pytest.mark.parametrize("cursor", ["x", "é", "W10", "bnVsbA", "WyJhIiwgImIiXQ", "A" * 5])
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^cursor is not a cursor of this API$") as refused:
        slice_of(PageQuery(cursor=cursor))
    assert refused.value.errors == (("cursor", "is not a cursor of this API"),)


def test_a_cursor_belongs_to_one_order() -> None:
    cursor = encode_cursor(Cursor(AT, "t1"))
    with pytest.raises(InvalidRequest, match=r"^cursor needs sort_by=created_at$"):
        slice_of(PageQuery(cursor=cursor, sort_by="status"))


def test_an_empty_cursor_is_the_beginning() -> None:
    assert slice_of(PageQuery(cursor="")).after is None
    assert slice_of(PageQuery(cursor="", sort_by="status")).after is None


async def test_what_is_counted_and_what_is_listed_is_what_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(3)
    await page_of(monkeypatch, store)
    assert store.sights == {SIGHT}
