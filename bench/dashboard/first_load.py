"""The first load, as somebody has it who has never been here: until the page says how the fleet is."""

import gzip
from dataclasses import dataclass
from statistics import median

from playwright.sync_api import Browser, Request, Response

from bench.dashboard.chromium import opened
from bench.dashboard.fleet import Fleet
from bench.dashboard.scripts import FIRST_PAINT, SHOWN

VERDICT = ".verdict-mark:not([data-tone=quiet])"
"""The sentence of the Overview, once it is known."""
FLOWERS_TABLE = "#workers-table .badge"
"""A row of Flower's table of workers, once it says whether that worker is there: before, figures are dashes."""
LIST, FLOWERS_LIST = ".grid-row", "#tasks-table tbody td:nth-child(3)"
AFTERWARDS_MS = 500


@dataclass(frozen=True, slots=True)
class Load:
    """One first load; times in seconds."""

    requests: int
    files: int
    """Requests that are not of the API."""
    wire_bytes: float
    """Heads and bodies as they came."""
    packed_bytes: int
    """The bodies, if each were compressed by gzip."""
    painted: float
    usable: float


def load_ours(browser: Browser, fleet: Fleet) -> Load:
    """Open the Overview."""
    return _load(browser, f"{fleet.ui}/", usable=VERDICT)


def load_flower(browser: Browser, fleet: Fleet) -> Load:
    """Open Flower's table of workers, which is its first page."""
    return _load(browser, f"{fleet.flower}/", usable=FLOWERS_TABLE, headers=dict(fleet.flower_login))


def load_our_list(browser: Browser, fleet: Fleet) -> Load:
    """Open the list of tasks."""
    return _load(browser, f"{fleet.ui}/tasks", usable=LIST)


def load_flowers_list(browser: Browser, fleet: Fleet) -> Load:
    """Open Flower's table of tasks."""
    return _load(browser, f"{fleet.flower}/tasks", usable=FLOWERS_LIST, headers=dict(fleet.flower_login))


def describe(loads: list[Load]) -> str:
    """Return the medians of what does not depend on the machine, in words."""
    wire, packed = (median(getattr(load, name) for load in loads) / 1024 for name in ("wire_bytes", "packed_bytes"))
    requests, files = (median(getattr(load, name) for load in loads) for name in ("requests", "files"))
    return f"{wire:,.0f} KiB on the wire ({packed:,.0f} if gzipped), {requests:.0f} requests, {files:.0f} of files"


def _load(browser: Browser, url: str, *, usable: str, headers: dict[str, str] | None = None) -> Load:
    finished: list[Request] = []
    with opened(browser, headers) as it:
        # Streams do not end, and what the page gives up has no body.
        it.page.on("requestfinished", lambda request: finished.append(request))  # Playwright marks the function.
        it.page.goto(url, wait_until="commit")
        stands = it.page.evaluate(SHOWN, usable)
        it.page.wait_for_timeout(AFTERWARDS_MS)
        came = list(finished)
        return Load(
            requests=len(came),
            files=sum("/api/" not in request.url for request in came),
            wire_bytes=sum(_wire(request) for request in came),
            packed_bytes=sum(_packed(request.response()) for request in came),
            painted=it.page.evaluate(FIRST_PAINT) / 1000,
            usable=stands / 1000,
        )


def _wire(request: Request) -> int:
    sizes = request.sizes()
    return sizes["responseHeadersSize"] + sizes["responseBodySize"]


def _packed(answer: Response | None) -> int:
    """Redirects have no body."""
    return len(gzip.compress(answer.body())) if answer and answer.ok else 0
