"""A workflow of very many steps: its graph, one status that changes in it, and when each step ran."""

from dataclasses import dataclass
from statistics import median

from playwright.sync_api import Browser, Page

from bench.dashboard.chromium import opened
from bench.dashboard.fleet import OTHER, Fleet
from bench.dashboard.scripts import LAYOUTS, PRESSED, TOUCHED_BOXES, WATCH_BOXES

BOX, BAR = ".workflow-box", ".workflow-gantt .grid-row"


@dataclass(frozen=True, slots=True)
class LargeWorkflow:
    """What so many steps cost; times in seconds."""

    layout: float
    """Time from the question to the worker until its answer."""
    drawn: float
    """Time from the click on its name until boxes are drawn, with what is asked of the API."""
    boxes_touched: int
    gantt: float
    """Time from the click on the tab until bars are drawn."""


def look_at_workflows(browser: Browser, fleet: Fleet, *, steps: int, rounds: int) -> LargeWorkflow:
    """Open both kinds from the list, some times over."""
    tree, fan = fleet.tree(steps), fleet.fan(steps)
    layouts, drawn, gantts = [], [], []
    for _ in range(rounds):
        with opened(browser) as it:
            drawn.append(_open(it.page, fleet, workflow=tree))
            layouts += it.page.evaluate(LAYOUTS)
        with opened(browser) as it:
            _open(it.page, fleet, workflow=fan)
            gantts.append(it.page.evaluate(PRESSED, ['.tabs a[href*="tab=gantt"]', BAR]))
    return LargeWorkflow(
        layout=median(layouts) / 1000 if layouts else 0.0,
        drawn=median(drawn) / 1000,
        boxes_touched=_touched(browser, fleet, workflow=tree),
        gantt=median(gantts) / 1000,
    )


def _open(page: Page, fleet: Fleet, *, workflow: str) -> float:
    """Click on its name; return milliseconds."""
    page.goto(f"{fleet.ui}/workflows")
    link = f'.grid-row a[href$="/workflows/{workflow}"]'
    page.locator(link).first.wait_for()
    taken: float = page.evaluate(PRESSED, [link, BOX])
    return taken


def _touched(browser: Browser, fleet: Fleet, *, workflow: str) -> int:
    """Return how many boxes changed when one status did."""
    with opened(browser) as it:
        it.page.goto(f"{fleet.ui}/workflows/{workflow}?at={OTHER}")
        box = it.page.locator(f'{BOX}[aria-label^="{OTHER},"]')
        box.wait_for()
        it.page.evaluate(WATCH_BOXES)
        fleet.cancel_step(workflow, OTHER)
        it.page.locator(f'{BOX}[aria-label^="{OTHER}, cancelled"]').wait_for()
        touched: int = it.page.evaluate(TOUCHED_BOXES)
        return touched
