"""A Chromium to look at pages with, and what is asked of it while it does."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from bench.dashboard.scripts import PROBE

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    # Root cannot use its sandbox; it visits nothing but this machine.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 60_000
SIZE = {"width": 1280, "height": 800}


def chromium_program() -> str | None:
    """Return its path, if there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Start one, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_program(), args=[*FLAGS, *flags], timeout=PATIENCE_MS
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True, slots=True)
class Opened:
    """A page in a profile of its own, which counts what happens on it (`window.probe`)."""

    page: Page
    devtools: CDPSession

    def heap_mib(self) -> float:
        """Return what its scripts hold once the garbage is gone."""
        self.devtools.send("HeapProfiler.collectGarbage")
        used: float = self.devtools.send("Runtime.getHeapUsage")["usedSize"]
        return used / 2**20

    def metrics(self) -> Mapping[str, float]:
        """Return Chromium's own counters of the page: `LayoutCount`, `ScriptDuration`..."""
        told = self.devtools.send("Performance.getMetrics")["metrics"]
        return {each["name"]: each["value"] for each in told}


@contextmanager
def opened(browser: Browser, headers: Mapping[str, str] | None = None) -> Iterator[Opened]:
    """Open an empty page; nothing is in its cache."""
    with browser.new_context(viewport=SIZE, extra_http_headers=dict(headers or {})) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(PROBE)
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("Performance.enable")
        yield Opened(page, devtools)


def processor_seconds(browser: Browser) -> dict[str, float]:
    """Return what the processes of Chromium have used so far, by their kind: `browser`, `renderer`, `GPU`..."""
    session = browser.new_browser_cdp_session()
    used: dict[str, float] = {}
    for process in session.send("SystemInfo.getProcessInfo")["processInfo"]:
        used[process["type"]] = used.get(process["type"], 0.0) + process["cpuTime"]
    session.detach()
    return used
