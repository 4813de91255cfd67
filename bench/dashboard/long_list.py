"""The list of tasks with very many rows, and Flower's table with what it keeps."""

from dataclasses import dataclass
from statistics import median

from playwright.sync_api import Browser

from bench.dashboard.chromium import opened
from bench.dashboard.fleet import Fleet
from bench.dashboard.scripts import LOADED, LONG_TASKS, SCROLLED, TURNED

ROW_PIXELS = 32
FRAMES = 600
"""Jumps with which the list is passed from the first row to the last: with 100,000 rows, seven windows further each."""
FLOWERS_ROW, FLOWERS_NEXT = "#tasks-table tbody tr[id]", "#tasks-table_next"
TURNS = 5


@dataclass(frozen=True, slots=True)
class LongList:
    """What so many rows cost; times in seconds."""

    rows: int
    loaded: float
    longest_while_loading: float
    longest_while_scrolling: float
    """Longest task that kept the page from drawing; 0 if none took 50 ms."""
    row_nodes: int
    heap_mib: float


def scroll_through(browser: Browser, fleet: Fleet, *, rows: int) -> LongList:
    """Load so many rows by going to the end again and again, and then pass all of them."""
    with opened(browser) as it:
        it.page.goto(f"{fleet.ui}/tasks")
        it.page.locator(".grid-row").first.wait_for()
        it.page.evaluate(LONG_TASKS)
        count, seconds = it.page.evaluate(LOADED, [rows, ROW_PIXELS])
        loading = it.page.evaluate(LONG_TASKS)
        nodes = it.page.evaluate(SCROLLED, FRAMES)
        scrolling = it.page.evaluate(LONG_TASKS)
        longest = [max(tasks, default=0.0) / 1000 for tasks in (loading, scrolling)]
        return LongList(count, seconds, longest[0], longest[1], nodes, it.heap_mib())


def turn_flowers_pages(browser: Browser, fleet: Fleet) -> float:
    """Return the seconds from a click on "next" in Flower's table of tasks until it shows other rows."""
    with opened(browser, fleet.flower_login) as it:
        it.page.goto(f"{fleet.flower}/tasks")
        it.page.locator(FLOWERS_ROW).first.wait_for()
        turns: list[float] = [it.page.evaluate(TURNED, [FLOWERS_NEXT, FLOWERS_ROW]) for _ in range(TURNS)]
        return median(turns) / 1000
