"""The dashboard in a real Chromium, on a running system: nothing goes wrong on any page, and everybody can use it."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.stack import Stack
from tests.browser.pages import ADDRESSES, Watch, addresses, open_page, watched
from tests.browser.shop import Shop

ONLY_WRONG = {"resultTypes": ["violations"]}
"""What is right is not listed: that takes as long as finding what is wrong."""
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}, **ONLY_WRONG}
LOOKS = {"runOnly": {"type": "rule", "values": ["color-contrast", "target-size"]}, **ONLY_WRONG}
"""What differs between themes and widths; the rest holds in all if in one."""
SEEN = {"light": (1280, RULES), "dark": (320, LOOKS)}
"""A phone at night, a desk by day: each theme and each shape of the page is seen once."""
ALIKE = {
    "dark": {
        "task-retried",
        "task-waiting",
        "compare-choose",
        "workflow-step",
        "workflow-unknown",
        "queue-unknown",
        "workers-gone",
        "worker-unknown",
        "name-unknown",
        "alerts-past",
        "submit",
    }
}
"""What is left out in a theme, because its colours and shapes are those of another address of the same page."""


LOOKED_AT = [(theme, name) for theme in SEEN for name in ADDRESSES if name not in ALIKE.get(theme, ())]


@pytest.fixture(scope="module")
def themed(browser: Browser, stack: Stack, request: pytest.FixtureRequest) -> Iterator[tuple[Page, Watch]]:
    """A page in a theme, for all addresses that are looked at in it."""
    size = {"width": SEEN[request.param][0], "height": 800}
    with watched(browser, stack.url, color_scheme=request.param, viewport=size, reduced_motion="reduce") as looked:
        yield looked


@pytest.mark.parametrize(("themed", "name"), LOOKED_AT, indirect=["themed"])
def test_every_page_is_drawn_without_an_error_and_keeps_wcag(
    stack: Stack, shop: Shop, themed: tuple[Page, Watch], name: str, request: pytest.FixtureRequest
) -> None:
    page, watch = themed
    watch.problems.clear()
    open_page(page, f"{stack.url}/ui{addresses(shop)[name]}")
    assert page.locator("h1").count() == 1
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    _, rules = SEEN[request.node.callspec.params["themed"]]
    violations = Axe().run(page, options=rules).response["violations"]
    assert [(each["id"], [node["failureSummary"] for node in each["nodes"][:3]]) for each in violations] == []
    assert watch.problems == []


def test_a_person_goes_everywhere_by_keys(stack: Stack, looked: tuple[Page, Watch]) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/")
    for letter, title in {"t": "Tasks", "q": "Queues", "w": "Workers", "s": "System", "o": "Overview"}.items():
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page).to_have_title(re.compile(f"{title} · Celeriac$"))
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("analytics")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Analytics")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("find anything")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Analytics")


WITHIN_A_TURN = """async ([key, ctrlKey]) => {
  const event = new KeyboardEvent("keydown", {key, ctrlKey, bubbles: true, cancelable: true});
  document.activeElement.dispatchEvent(event);
  for (let step = 0; step < 20; step += 1) await null;
  return document.activeElement.getAttribute("role");
}"""
"""Presses a key and returns where the focus is before the browser can hand out another one."""


def test_what_is_typed_right_after_the_key_that_asks_for_the_field_stands_in_it(
    stack: Stack, looked: tuple[Page, Watch]
) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/")
    assert page.evaluate(WITHIN_A_TURN, ["k", True]) == "combobox"
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_is_pressed_right_after_the_key_that_goes_to_a_row_is_pressed_on_it(
    stack: Stack, shop: Shop, looked: tuple[Page, Watch]
) -> None:
    page, _ = looked
    for rows in ("queues", "tasks"):
        open_page(page, f"{stack.url}/ui/{rows}")
        expect(page.get_by_role("row").nth(1)).to_be_visible()
        for key in ("j", "ArrowDown"):
            assert page.evaluate(WITHIN_A_TURN, [key, False]) == "row"


@pytest.mark.parametrize("width", [320, 414])
def test_on_a_phone_failures_and_alerts_are_seen_at_once_and_one_press_away(
    browser: Browser, stack: Stack, shop: Shop, width: int
) -> None:
    with watched(browser, stack.url, viewport={"width": width, "height": 640}) as (page, _):
        open_page(page, f"{stack.url}/ui/")
        pages = page.get_by_role("navigation", name="Pages")
        failures, alerts = pages.get_by_role("link", name="Failures"), pages.get_by_role("link", name="Alerts")
        expect(failures).to_contain_text("failed in the last hour")
        for link in (failures, alerts, pages.get_by_role("button", name="More pages")):
            expect(link).to_be_in_viewport(ratio=1)
        assert pages.evaluate("it => it.scrollWidth <= it.clientWidth")
        failures.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Failures")
        alerts.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Alerts")
        # Every other page is behind the last button, and nothing of a page stays behind the bar.
        pages.get_by_role("button", name="More pages").click()
        pages.get_by_role("menuitem", name="System").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("System")
        page.keyboard.press("End")
        last = page.locator("main a, main button").last
        last.focus()
        expect(last).to_be_in_viewport(ratio=1)
        covered = last.evaluate("it => it.getBoundingClientRect().bottom > innerHeight - 56")
        assert not covered
