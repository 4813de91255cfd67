"""What marks hold back, what a list of a status shows of tasks that go on, and what is done to several at once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

from tests.acceptance.stack import Stack
from tests.browser.pages import Watch, open_page
from tests.browser.shop import Shop
from tests.patience import wait_for

Looked = tuple[Page, Watch]
NAME = "celeriac.echo"
WHY = "the warehouse is counted"


@contextmanager
def held_back(stack: Stack, name: str = NAME) -> Iterator[None]:
    """All tasks of a name, for a reason."""
    path, service = "/resilience/degradation", {"service_name": f"task:{name}"}
    mark = {**service, "strategy": "queue_only", "duration_seconds": 3600}
    stack.client.post(f"{path}/mark", json=mark, headers={"X-Celeriac-Reason": WHY}).raise_for_status()
    try:
        yield
    finally:
        stack.client.post(f"{path}/clear", json=service).raise_for_status()


def rows_of(page: Page, *task_ids: str) -> list[Locator]:
    grid = page.get_by_role("grid", name="Tasks")
    return [grid.get_by_role("row").filter(has=page.get_by_label(f"Select {task_id}")) for task_id in task_ids]


def test_what_a_mark_holds_back_is_told_wherever_one_looks_and_leads_to_its_tasks(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, _ = looked
    with held_back(stack):
        task_ids = [stack.submit(NAME, number) for number in range(3)]
        how_many = re.compile(rf"3 tasks of {NAME} are held back")
        since = re.compile(r"since \d\d:\d\d")
        open_page(page, f"{stack.url}/ui/")
        expect(page.locator(".verdict")).to_contain_text(how_many)
        expect(page.get_by_role("banner")).to_contain_text(re.compile(r"\d held back"))

        open_page(page, f"{stack.url}/ui/names")
        expect(page.get_by_role("main")).to_contain_text(how_many)
        expect(page.get_by_role("row").filter(has_text=NAME)).to_contain_text("3 held back")
        page.get_by_role("link", name="Show them.").press("Enter")
        for row in rows_of(page, *task_ids):
            expect(row).to_be_visible()
        expect(page.get_by_text("3 tasks", exact=True)).to_be_visible()

        for address in (f"/names/{NAME}", "/queues/celery", f"/tasks/{task_ids[0]}", "/system"):
            open_page(page, f"{stack.url}/ui{address}")
            expect(page.get_by_text(WHY).first).to_be_visible()
            expect(page.get_by_text(since).first).to_be_visible()
    for task_id in task_ids:
        stack.wait_for_end(task_id)
    open_page(page, f"{stack.url}/ui/names")
    expect(page.get_by_text("are held back")).to_have_count(0)


def test_what_held_a_task_up_is_not_shown_of_one_that_runs(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    with held_back(stack, "celeriac.sleep"):
        task_id = stack.submit("celeriac.sleep", 60)
        open_page(page, f"{stack.url}/ui/tasks/{task_id}")
        reasons = page.get_by_role("heading", name="Why is it not running?")
        expect(reasons).to_be_visible()
        expect(page.get_by_text(WHY).first).to_be_visible()
        # What is asked from now on is never answered.
        page.route("**/explanation", lambda route: None)
    expect(reasons).to_have_count(0)
    expect(page.get_by_text(WHY)).to_have_count(0)
    stack.client.post(f"/tasks/{task_id}/cancel").raise_for_status()
    stack.wait_for_end(task_id)


def test_a_row_that_no_longer_matches_stays_greyed_and_is_counted(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    with held_back(stack):
        gone = stack.submit(NAME, "gone")
        open_page(page, f"{stack.url}/ui/tasks?status=PENDING&task_name={NAME}")
        (row,) = rows_of(page, gone)
        expect(row).to_be_visible()
        expect(row).not_to_have_attribute("data-past", "")
    stack.wait_for_end(gone)
    expect(row).to_have_attribute("data-past", "")
    expect(row).to_contain_text("completed")
    page.get_by_role("button", name="1 greyed task has gone on and no longer matches").press("Enter")
    expect(row).to_have_count(0)
    expect(page.get_by_text("no longer match")).to_have_count(0)


def test_before_several_are_replayed_it_says_which_were_and_leads_to_what_it_makes(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, _ = looked
    once, never = (stack.submit(NAME, word) for word in ("once", "never"))
    for task_id in (once, never):
        stack.wait_for_end(task_id)
    stack.client.post(f"/tasks/{once}/replay").raise_for_status()
    open_page(page, f"{stack.url}/ui/tasks?task_name={NAME}&is_replay=false")
    for task_id in (once, never):
        page.get_by_label(f"Select {task_id}").press("Space")
    page.get_by_role("toolbar", name="Selected rows").get_by_role("button", name="Replay").press("Enter")
    asked = page.get_by_role("alertdialog")
    expect(asked).to_contain_text("1 of them was replayed before")
    expect(asked.locator(".note").get_by_title(once)).to_have_attribute("href", f"/ui/tasks/{once}")
    asked.get_by_role("button", name="Replay 2 tasks").press("Enter")
    page.get_by_role("link", name="Show the replays of that moment").press("Enter")
    expect(page.get_by_text("2 tasks", exact=True)).to_be_visible()
    listed = stack.client.get("/tasks", params={"is_replay": True, "limit": 2}).json()["data"]
    assert {row["original_task_id"] for row in listed} == {once, never}
    for row in rows_of(page, *(each["task_id"] for each in listed)):
        expect(row).to_be_visible()


def test_what_is_wanted_of_a_worker_that_is_not_there_is_said_to_be_kept(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, _ = looked
    worker = stack.client.post("/workers", params={"hostname": "not-yet"}).json()["worker_id"]
    open_page(page, f"{stack.url}/ui/workers/{worker}")
    page.get_by_role("button", name="Pause once it is back").press("Enter")
    expect(page.get_by_text("Kept: not-yet is paused once it is back.")).to_be_visible()
    expect(page.get_by_role("button", name="Resume once it is back")).to_be_visible()
    wait_for(lambda: stack.client.get(f"/workers/{worker}").json()["desired"]["paused"])
    stack.client.delete(f"/workers/{worker}").raise_for_status()
