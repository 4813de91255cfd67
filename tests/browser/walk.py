"""A person's way through the dashboard, counted: what was pressed, what was seen then, and after how many seconds."""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

VERDICT = ".verdict-text"


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a way had led to by then."""

    presses: int
    seconds: float


@dataclass(slots=True)
class Walk:
    """One way through one page, from its opening on. Each step of it leaves a picture in the folder."""

    page: Page
    url: str
    folder: Path
    name: str
    way: list[str] = field(default_factory=list)
    presses: int = 0
    _started: float = 0.0
    _pictures: int = 0

    def wait_until_told(self, began: float, word: str) -> float:
        """Look at the Overview until its first sentence has the word; return how long after `began` that was."""
        self.page.goto(f"{self.url}/ui/")
        expect(self.page.locator(VERDICT)).to_contain_text(word, ignore_case=True)
        return round(time.monotonic() - began, 1)

    def open(self) -> None:
        """Begin: from here on seconds are counted."""
        self.page.goto("about:blank")
        self._started = time.monotonic()
        self.page.goto(f"{self.url}/ui/")

    def press(self, what: Locator, words: str) -> None:
        """Press a button or follow a link, as `words` call it, as soon as it can be."""
        what.click()
        self._count(words)

    def key(self, keys: str, words: str) -> None:
        """Press a key, or a letter after another."""
        for one in keys.split(" "):
            self.page.keyboard.press(one)
            self.presses += 1
        self.way.append(f"`{keys}` ({words})")

    def sees(self, sentence: str | re.Pattern[str], within: str = "body") -> Reached:
        """Return when this is on the screen, without scrolling."""
        found = self.page.locator(within).get_by_text(sentence).first
        expect(found).to_be_in_viewport()
        reached = Reached(self.presses, round(time.monotonic() - self._started, 1))
        self.picture()
        return reached

    def verdict(self) -> str:
        """Return the first sentence of the Overview."""
        return self.page.locator(VERDICT).inner_text()

    def picture(self) -> None:
        """Keep how the page looks now."""
        self._pictures += 1
        self.page.screenshot(path=self.folder / f"{self.name}-{self._pictures}.png")

    def _count(self, words: str) -> None:
        self.presses += 1
        self.way.append(words)
