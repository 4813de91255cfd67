"""How long a person waits after a key or a click until the page shows what came of it, over all pages.

Chromium tells it of each interaction (`interactionId` of Event Timing); what took less than 16 ms it only counts.
"""

from dataclasses import dataclass

from playwright.sync_api import Browser, Page

from bench.dashboard.chromium import Opened, opened
from bench.dashboard.fleet import Fleet
from bench.dashboard.scripts import INTERACTIONS

LETTERS = "otfqwneaslhiku"
"""Each follows `g`, and is the key of a page."""
LOOK_ROUND = ("j", "j", "k", "?", "Escape")
IN_THE_LIST = ("j", "j", "j", "o", "j", "j", "Escape", "x", "x", "PageDown", "End", "Home")
ROW = ".grid-row [role=gridcell]"
FILTER = "status:failed"
PALETTE = "analytics"
LEAST_SECONDS = 0.008
"""What an interaction counts that was too short to be told."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How long each interaction took until the next frame, in seconds."""

    latencies: tuple[float, ...]
    told: int
    """How many of them took 16 ms or more."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a page, who pauses for so many milliseconds after each key."""

    page: Page
    pause: float

    def open(self, url: str) -> None:
        """Go to this address."""
        self.page.goto(url)
        self.settle()

    def settle(self) -> None:
        """Wait for what the page has asked for."""
        self.page.locator("main h1").first.wait_for(state="attached")
        self.page.locator(".loading").first.wait_for(state="detached")
        self.page.wait_for_timeout(self.pause)

    def press(self, *keys: str) -> None:
        """Press these one after another."""
        for key in keys:
            self.page.keyboard.press(key)
            self.page.wait_for_timeout(self.pause)

    def type(self, text: str) -> None:
        """Type this into what has the focus."""
        self.page.keyboard.type(text, delay=self.pause)

    def click(self, selector: str) -> None:
        """Click on the first of these."""
        self.page.locator(selector).first.click()
        self.page.wait_for_timeout(self.pause)


def walk(browser: Browser, fleet: Fleet, *, pause: float) -> Walk:
    """Go through all pages by keys and the mouse."""
    with opened(browser) as it:
        person = Person(it.page, pause)
        person.open(f"{fleet.ui}/")
        for letter in LETTERS:
            person.press("g", letter)
            person.settle()
            person.press(*LOOK_ROUND)
        person.click('.rail a[href$="/ui/tasks"]')
        _look_through_tasks(person)
        _look_into_a_workflow(person)
        return _told(it)


def walk_while_rows_change(browser: Browser, fleet: Fleet, *, rounds: int, pause: float) -> Walk:
    """Go through the list of tasks while its rows change."""
    with opened(browser) as it:
        person = Person(it.page, pause)
        person.open(f"{fleet.ui}/tasks")
        for _ in range(rounds):
            person.press(*IN_THE_LIST)
            person.click(ROW)
            person.press("Escape")
        return _told(it)


def _look_through_tasks(person: Person) -> None:
    person.settle()
    person.press(*IN_THE_LIST)
    person.click(".grid-head button")
    person.settle()
    person.click(ROW)
    person.press("Escape", "/")
    person.type(FILTER)
    person.press("Enter", "Escape")
    person.settle()
    person.press("Control+k")
    person.type(PALETTE)
    person.press("Enter")
    person.settle()


def _look_into_a_workflow(person: Person) -> None:
    person.press("g", "f")
    person.settle()
    person.click(".grid-row a")
    person.click(".workflow-box")
    person.press("ArrowRight", "ArrowDown", "Enter", "Escape", "+", "-", "0")
    for tab in ("gantt", "steps", "events"):
        person.click(f'.tabs a[href*="tab={tab}"]')
        person.settle()


def _told(it: Opened) -> Walk:
    told = it.page.evaluate(INTERACTIONS)
    slow = tuple(milliseconds / 1000 for milliseconds in told["slow"])
    return Walk(slow + (LEAST_SECONDS,) * (told["all"] - len(slow)), len(slow))
