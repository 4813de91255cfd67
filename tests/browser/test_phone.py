"""What a phone leaves out beside a list is still to be reached, and what it shows does not lie on itself."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.stack import Stack
from tests.browser.pages import open_page, watched
from tests.browser.shop import Shop

OVERLAPPING = """(labels) => {
    const boxes = labels.map((label) => label.getBoundingClientRect()).sort((a, b) => a.left - b.left);
    return boxes.filter((box, nth) => nth > 0 && box.left < boxes[nth - 1].right).length;
}"""


@pytest.fixture
def phone(browser: Browser, stack: Stack) -> Iterator[Page]:
    with watched(browser, stack.url, viewport={"width": 390, "height": 844}) as (page, watch):
        yield page
        assert watch.problems == []


def test_views_and_facets_of_the_list_of_tasks_are_behind_a_button(phone: Page, stack: Stack, shop: Shop) -> None:
    open_page(phone, f"{stack.url}/ui/tasks")
    phone.get_by_role("button", name="Filters", exact=True).click()
    filters = phone.get_by_role("dialog", name="Filters")
    filters.get_by_role("link", name="failed").and_(filters.locator(".facet")).click()
    failed = stack.client.get("/search/tasks", params={"status": "FAILED"}).json()["total"]
    filters.get_by_role("button", name=f"Show {failed} task").click()
    expect(phone.get_by_role("dialog")).to_have_count(0)
    expect(phone.get_by_role("button", name="Remove status")).to_be_visible()
    phone.get_by_role("button", name="Filters", exact=True).click()
    filters.get_by_role("link", name="stuck tasks").click()
    expect(phone.get_by_role("button", name="Remove status failed")).to_have_count(0)


def test_times_below_a_story_stand_clear_of_each_other(phone: Page, stack: Stack, shop: Shop) -> None:
    for task in (shop.retried, shop.running, shop.completed):
        open_page(phone, f"{stack.url}/ui/tasks/{task}")
        labels = phone.locator(".story-axis .axis-labels i")
        expect(labels.first).to_be_visible()
        assert labels.evaluate_all(OVERLAPPING) == 0
