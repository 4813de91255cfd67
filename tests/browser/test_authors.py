"""What an author of tasks does at the dashboard: submits, replays with changes, compares, follows a workflow."""

import json

from playwright.sync_api import Page, expect

from tests.acceptance.stack import Stack
from tests.browser.pages import Watch, open_page
from tests.browser.shop import Shop

Looked = tuple[Page, Watch]
STEPS = 600
"""So many that the graph is laid out in a worker, which the policy of the page has to let through."""


def id_in(page: Page) -> str:
    return page.url.partition("?")[0].rsplit("/", 1)[-1]


def test_what_is_written_wrong_is_told_with_its_line_and_what_is_right_is_submitted_once(
    stack: Stack, looked: Looked
) -> None:
    page, watch = looked
    open_page(page, f"{stack.url}/ui/submit")
    page.get_by_role("combobox", name="Task").fill("celeriac.echo")
    submit = page.get_by_role("button", name="Submit")
    page.get_by_label("Arguments", exact=True).fill('[\n  "a" "b"\n]')
    expect(page.get_by_text("Line 2, column 7")).to_be_visible()
    expect(submit).to_be_disabled()
    page.get_by_label("Arguments", exact=True).fill("[1970670598291982290]")
    page.get_by_label("Priority").fill("11")
    submit.click()
    expect(page.locator(".submit-extras .field-error")).to_contain_text("10")
    # The browser tells of the refusal as well.
    assert len(watch.problems) == 1
    assert "400" in watch.problems.pop()
    page.get_by_label("Priority").fill("7")
    page.get_by_label("Arguments", exact=True).press("Control+Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("celeriac.echo")
    task = stack.task(id_in(page))
    assert (task["task_args"], task["priority"]) == ([1970670598291982290], 7)


def test_a_failed_task_is_replayed_with_changes_and_compared_to_what_it_was(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/tasks/{shop.failed}")
    page.keyboard.press("R")
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    page.get_by_label("Named arguments").fill('{"currency": "EUR", "amount": 12.5}')
    expect(page.locator(".changes")).to_contain_text("/task_kwargs/amount")
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url(lambda url: shop.failed not in url and "/tasks/" in url)
    made = stack.task(id_in(page))
    assert made["original_task_id"] == shop.failed
    assert made["task_args"] == [1970670598291982290]
    stack.wait_for_end(made["task_id"])

    open_page(page, f"{stack.url}/ui/compare?a={shop.failed}&b={made['task_id']}")
    expect(page.locator(".lead")).to_contain_text("First difference: the argument /task_kwargs/amount")
    page.keyboard.press("x")
    expect(page.locator(".compare-side").first).to_contain_text("completed")


def test_a_workflow_is_looked_through_by_keys_retried_and_replayed_with_proof(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/workflows?status=FAILED")
    page.get_by_role("link", name="nightly-report").last.click()
    expect(page.locator(".lead")).to_contain_text("failed")
    page.get_by_role("button", name="begin, completed").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Step")).to_contain_text("Skipped: it needs pay-")
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary", name="Step")).to_have_count(0)
    page.keyboard.press("r")
    # It is asked first, and the button that acts has the focus.
    expect(page.get_by_role("alertdialog").get_by_role("button", name="Retry")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".receipt")).to_contain_text("had completed and did not run again")
    expect(page.locator(".receipt")).to_contain_text("It ended as failed")
    page.keyboard.press("R")
    page.get_by_role("alertdialog").get_by_role("button", name="Replay").press("Enter")
    expect(page.locator(".receipt")).to_contain_text("Accepted as a new workflow")
    replayed = stack.client.get(f"/workflows/{id_in(page)}").json()
    assert replayed["original_workflow_id"] == shop.workflow


def test_a_large_workflow_is_drawn_while_it_is_written(stack: Stack, looked: Looked) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/submit?as=workflow")
    # No two are alike, so none is folded.
    steps = [
        {"id": f"s{n}", "task_name": f"t{n}", "depends_on": [f"s{(n - 1) // 2}"] if n else []} for n in range(STEPS)
    ]
    page.get_by_label("Definition").fill(json.dumps({"name": "large", "steps": steps}))
    expect(page.get_by_role("button", name="s0, waiting")).to_be_visible()
    assert page.locator(".workflow-box").count() < STEPS / 4
