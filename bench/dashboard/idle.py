"""What an open page costs while nothing happens: the processor time of Chromium, and how often it is laid out."""

import time
from dataclasses import dataclass

from playwright.sync_api import Browser

from bench.dashboard.chromium import opened, processor_seconds
from bench.dashboard.first_load import FLOWERS_TABLE, VERDICT
from bench.dashboard.fleet import Fleet

SETTLED_SECONDS = 5.0
"""Time in which everything is drawn that the first load asked for, and the first hints are followed."""
COUNTED = ("LayoutCount", "RecalcStyleCount", "ScriptDuration")


@dataclass(frozen=True, slots=True)
class Idle:
    """What a page costs for as long as it was looked at."""

    seconds: float
    used: dict[str, float]
    """Percent of a core of each kind of process of Chromium."""
    layouts: float
    style_changes: float

    @property
    def percent(self) -> float:
        """Return the percent of a core of all of them."""
        return sum(self.used.values())


def rest_on_nothing(browser: Browser, *, seconds: float) -> Idle:
    """Look at an empty page, which is what Chromium itself costs."""
    return _rest(browser, "about:blank", shown="body", seconds=seconds)


def rest_on_ours(browser: Browser, fleet: Fleet, *, seconds: float) -> Idle:
    """Look at the Overview, with its stream."""
    return _rest(browser, f"{fleet.ui}/", shown=VERDICT, seconds=seconds)


def rest_on_flower(browser: Browser, fleet: Fleet, *, seconds: float) -> Idle:
    """Look at Flower's workers, which it asks for each second."""
    return _rest(browser, fleet.flower, shown=FLOWERS_TABLE, seconds=seconds, headers=dict(fleet.flower_login))


def _rest(browser: Browser, url: str, *, shown: str, seconds: float, headers: dict[str, str] | None = None) -> Idle:
    with opened(browser, headers) as it:
        it.page.goto(url)
        it.page.locator(shown).first.wait_for()
        it.page.wait_for_timeout(min(SETTLED_SECONDS, seconds) * 1000)
        before, counted, begun = processor_seconds(browser), it.metrics(), time.perf_counter()
        it.page.wait_for_timeout(seconds * 1000)
        after, counts, taken = processor_seconds(browser), it.metrics(), time.perf_counter() - begun
        layouts, styles, _ = (counts[name] - counted[name] for name in COUNTED)
        used = {kind: (spent - before.get(kind, 0.0)) / taken * 100 for kind, spent in after.items()}
        return Idle(taken, used, layouts, styles)
