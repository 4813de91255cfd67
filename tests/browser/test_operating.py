"""What an operator does at the pages of workers, queues and the system, and sees proven there, in a real Chromium."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Page, expect

from domain.slowdowns import LEAST_RUNS
from tests.acceptance.stack import Stack
from tests.browser.pages import Watch, open_page
from tests.browser.shop import NOT_CONSUMED, Shop
from tests.patience import wait_for

Looked = tuple[Page, Watch]


@pytest.fixture
def worker(stack: Stack, shop: Shop) -> Iterator[str]:
    """The id of the shop's only worker, which runs tasks again afterwards, whatever a test did or left undone."""
    yield shop.worker
    stack.client.patch(f"/workers/{shop.worker}/resume").raise_for_status()
    wait_for(lambda: stack.client.get(f"/workers/{shop.worker}").json()["converged"])


def test_a_worker_is_paused_and_drained_with_proof_and_resumed(
    stack: Stack, shop: Shop, worker: str, looked: Looked
) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/workers")
    page.get_by_role("link", name="worker-1@").press("Enter")
    title = page.get_by_role("heading", level=1)
    expect(title).to_contain_text("active")

    page.get_by_role("button", name="Pause").press("Enter")
    expect(title).to_contain_text("paused")
    expect(page.get_by_role("row", name="fetches tasks")).to_contain_text("no, it is pausednoso")
    expect(page.get_by_text("Paused by somebody without a key since")).to_be_visible()
    expect(page.get_by_title("local").first).to_have_text("somebody without a key")
    page.get_by_role("button", name="Resume").press("Enter")
    expect(title).to_contain_text("active")

    page.get_by_role("button", name="Drain…").press("Enter")
    page.get_by_role("button", name="Drain it").press("Enter")
    proof = page.locator(".receipt")
    expect(proof).to_contain_text("It fetches nothing (done)")
    expect(proof).to_contain_text("still run")
    # What holds it up is named, and can be opened.
    expect(proof.get_by_title(shop.running)).to_have_attribute("href", f"/ui/tasks/{shop.running}")
    expect(proof).to_contain_text("It counts as overdue in")
    page.get_by_role("button", name="Resume").press("Enter")
    expect(title).to_contain_text("active")
    expect(proof).to_have_count(0)
    wait_for(lambda: stack.client.get(f"/workers/{worker}").json()["converged"])
    expect(page.get_by_text("Drain asked for")).to_be_visible()


def test_a_worker_that_was_never_heard_is_not_called_active_and_is_forgotten(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, _ = looked
    stack.client.post("/workers", params={"hostname": "of-paper"}).raise_for_status()
    open_page(page, f"{stack.url}/ui/workers?offline=1")
    gone = page.get_by_role("grid", name="Offline")
    expect(gone.get_by_role("row").filter(has_text="of-paper")).not_to_contain_text("active")
    page.get_by_role("button", name="Forget it").press("Enter")
    page.get_by_role("alertdialog").get_by_role("button", name="Forget it").press("Enter")
    expect(page.get_by_text("1 worker forgotten.")).to_be_visible()
    expect(gone).to_have_count(0)


def test_a_task_that_was_replayed_says_so_and_before_it_is_replayed_again(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, _ = looked
    original = stack.submit("celeriac.echo", "once more")
    stack.wait_for_end(original)
    open_page(page, f"{stack.url}/ui/tasks/{original}")
    page.get_by_role("button", name="Replay").press("Enter")
    asked = page.get_by_role("alertdialog")
    expect(asked).not_to_contain_text("replayed before")
    asked.get_by_role("button", name="Replay").press("Enter")
    expect(page.get_by_text("Replayed as a new task.")).to_be_visible()
    new = page.url.rpartition("/")[2]
    stack.wait_for_end(new)

    open_page(page, f"{stack.url}/ui/tasks/{original}")
    became = page.locator(".task-replayed")
    expect(became).to_contain_text("completed")
    expect(became.get_by_role("link")).to_have_attribute("href", f"/ui/tasks/{new}")
    expect(page.get_by_role("row").get_by_role("link", name=new)).to_have_attribute("href", f"/ui/tasks/{new}")
    page.get_by_role("button", name="Replay").press("Enter")
    expect(asked).to_contain_text(re.compile(r"It was replayed before: .+ completed at \d\d:\d\d"))
    # Enter alone does not run it once more.
    expect(asked.get_by_role("button", name="Back")).to_be_focused()


def test_a_queue_is_held_back_and_the_system_says_what_that_keeps(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/queues")
    # Those in need come first: nobody consumes this one.
    expect(page.get_by_role("row").nth(1)).to_contain_text(NOT_CONSUMED)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    title = page.get_by_role("heading", level=1)
    expect(title).to_contain_text("nobody consumes it")
    page.get_by_role("button", name="Hold back").press("Enter")
    # Enter alone holds it back for the time that is there, without a reason.
    reason = page.get_by_role("textbox", name="Reason")
    expect(reason).to_be_focused()
    reason.fill("the labels are wrong")
    page.keyboard.press("Enter")
    expect(title).to_contain_text("held back")
    marks = stack.client.get("/resilience/summary").json()["degradation"]["marks"]
    assert [(mark["service_name"], mark["reason"]) for mark in marks] == [
        (f"queue:{NOT_CONSUMED}", "the labels are wrong")
    ]
    stack.submit("celeriac.echo", "kept", queue_name=NOT_CONSUMED)
    expect(page.get_by_text("1 task so far")).to_be_visible()

    open_page(page, f"{stack.url}/ui/system")
    expect(page.get_by_text("and 1 hold is in force.")).to_be_visible()
    expect(page.get_by_text(f"because of queue {NOT_CONSUMED}")).to_be_visible()
    # In words, not in those of the API.
    expect(page.locator(".system-part").filter(has_text=NOT_CONSUMED)).to_contain_text("held back")
    page.get_by_role("button", name="Clear").press("Enter")
    expect(page.get_by_text("Nothing is held back, and nothing is treated as down.")).to_be_visible()
    assert stack.client.get("/resilience/held").json()["total"] == 0


def test_what_cannot_be_marked_is_said_on_its_field(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, watch = looked
    open_page(page, f"{stack.url}/ui/system")
    page.get_by_role("button", name="Hold back or refuse").press("Enter")
    service = page.get_by_role("textbox", name="What it is about")
    service.fill("the moon")
    page.get_by_role("button", name="Set it").press("Enter")
    expect(service).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("dialog")).to_contain_text("must be one of")
    # Chromium's own word on the answer 400.
    assert [problem for problem in watch.problems if "status of 400" not in problem] == []
    watch.problems.clear()


def test_more_workers_are_tried_out_before_they_are_asked_for(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/queues/celery")
    slider = page.get_by_role("slider")
    slider.press("Home")
    expect(page.get_by_text("With 0 tasks at once")).to_be_visible()
    for _ in range(7):
        slider.press("ArrowRight")
    expect(page.get_by_text("With 7 tasks at once")).to_be_visible()
    page.get_by_role("link", name="Set the capacity of worker-1@").press("Enter")
    # Asked for in the address, and not done before somebody says so.
    expect(page.get_by_role("spinbutton", name="Tasks at once")).to_have_value("7")
    assert stack.client.get(f"/workers/{shop.worker}").json()["desired"]["capacity"] != 7


HOUR_BEFORE = "update {} set starts_at = starts_at - interval '70 minutes' where task_name = 'celeriac.sleep'"


def run_sleepers(stack: Stack, seconds: float) -> None:
    """Run as many as it takes to say how long 95 % of them take."""
    for task_id in [stack.submit("celeriac.sleep", seconds) for _ in range(LEAST_RUNS)]:
        stack.wait_for_end(task_id)


def test_a_name_that_has_become_slower_says_so_and_since_when(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    run_sleepers(stack, 0)
    with psycopg.connect(stack.database_url) as connection:
        # In this order, since the loop moves what is in the first to the second.
        for counts in ("rollup_deltas", "rollup_minutes"):
            connection.execute(HOUR_BEFORE.format(counts))
    # A busy machine takes some tenths of a second for one that sleeps for none.
    run_sleepers(stack, 1.5)

    open_page(page, f"{stack.url}/ui/names")
    row = page.get_by_role("row").filter(has_text="celeriac.sleep")
    expect(row).to_contain_text("slower: ")
    row.get_by_role("link").press("Enter")
    expect(page.get_by_text("Its runs take longer than in the hour before.")).to_be_visible()
    said = r"Slower since about \d\d:\d\d: 95 % took \d\S* s or less in the last hour; \d\S* ms in the hour before\."
    expect(page.get_by_text(re.compile(said))).to_be_visible()
    page.get_by_role("link", name="1 h", exact=True).press("Enter")
    page.get_by_role("button", name="Show as table").first.press("Enter")
    expect(page.get_by_role("cell", name=re.compile(r"^\d\S* s$")).first).to_be_visible()
