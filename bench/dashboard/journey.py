"""How long a person waits after a key or a click until the page shows what came of it, over all pages.

Chromium tells it of each interaction (`interactionId` of Event Timing); what took less than 16 ms it only counts.
"""

from dataclasses import dataclass

from playwright.sync_api import Browser, Page

from bench.dashboard.chromium import Opened, opened
from bench.dashboard.fleet import Fleet
from bench.dashboard.scripts import INTERACTIONS

LETTERS = "otfqwneaslhiku"
"""Those that follow `g`, each the key of a page."""
LOOK_ROUND = ("j", "j", "k", "?", "Escape")
IN_THE_LIST = ("j", "j", "j", "o", "j", "j", "Escape", "x", "x", "PageDown", "End", "Home")
FILTER = "status:failed"
PALETTE = "analytics"
PAUSE_MS = 60
"""Between two keys of somebody who types fast."""
LEAST_SECONDS = 0.008
"""What an interaction counts that was too short to be told."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How long each interaction took until the next frame, in seconds."""

    latencies: tuple[float, ...]
    told: int
    """How many of them took 16 ms or more."""


def walk(browser: Browser, fleet: Fleet, *, rounds: int) -> Walk:
    """Go through all pages by keys and the mouse."""
    with opened(browser) as it:
        _open(it.page, f"{fleet.ui}/")
        for _ in range(rounds):
            for letter in LETTERS:
                _press(it.page, "g", letter)
                _settle(it.page)
                _press(it.page, *LOOK_ROUND)
            _click(it.page, '.rail a[href$="/ui/tasks"]')
            _look_through_tasks(it.page)
            _look_into_a_workflow(it.page)
        return _told(it)


def walk_while_rows_change(browser: Browser, fleet: Fleet, *, rounds: int) -> Walk:
    """Go through the list of tasks while its rows change."""
    with opened(browser) as it:
        _open(it.page, f"{fleet.ui}/tasks")
        for _ in range(rounds):
            _press(it.page, *IN_THE_LIST)
            _click(it.page, ".grid-row [role=gridcell]")
            _press(it.page, "Escape")
        return _told(it)


def _look_through_tasks(page: Page) -> None:
    _settle(page)
    _press(page, *IN_THE_LIST)
    _click(page, ".grid-head button")
    _settle(page)
    _click(page, ".grid-row [role=gridcell]")
    _press(page, "Escape", "/")
    _type(page, FILTER)
    _press(page, "Enter", "Escape")
    _settle(page)
    _press(page, "Control+k")
    _type(page, PALETTE)
    _press(page, "Enter")
    _settle(page)


def _look_into_a_workflow(page: Page) -> None:
    _press(page, "g", "f")
    _settle(page)
    _click(page, ".grid-row a")
    page.locator(".workflow-box").first.wait_for()
    _click(page, ".workflow-box")
    _press(page, "ArrowRight", "ArrowDown", "Enter", "Escape", "+", "-", "0")
    for tab in ("gantt", "steps", "events"):
        _click(page, f'.tabs a[href*="tab={tab}"]')
        _settle(page)


def _open(page: Page, url: str) -> None:
    page.goto(url)
    _settle(page)


def _settle(page: Page) -> None:
    """Wait for what the page has asked for."""
    page.locator("main h1").first.wait_for(state="attached")
    page.locator(".loading").first.wait_for(state="detached")
    page.wait_for_timeout(PAUSE_MS)


def _press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(PAUSE_MS)


def _type(page: Page, text: str) -> None:
    page.keyboard.type(text, delay=PAUSE_MS)


def _click(page: Page, selector: str) -> None:
    page.locator(selector).first.click()
    page.wait_for_timeout(PAUSE_MS)


def _told(it: Opened) -> Walk:
    told = it.page.evaluate(INTERACTIONS)
    slow = tuple(milliseconds / 1000 for milliseconds in told["slow"])
    return Walk(slow + (LEAST_SECONDS,) * (told["all"] - len(slow)), len(slow))
