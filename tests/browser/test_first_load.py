"""What waits for what when a page is opened, and what an open one writes: counted in a real Chromium, never timed."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, CDPSession, Page, Request, Route, expect
from structlog.testing import capture_logs

from settings import Settings
from tests.acceptance.stack import Stack
from tests.browser.pages import Watch, open_page, watched
from tests.browser.shop import Shop
from tests.integration.api.serving import serving
from tests.patience import wait_for

ASKED = {
    "/": {
        "health",
        "alerts",
        "resilience/summary",
        "dashboard/stats",
        "queues",
        "analytics/trends",
        "analytics/failures",
        "workflows",
        "mirror/gaps",
    },
    # The frame asks how the whole is, and how much has failed in this hour.
    "/tasks": {"search/tasks", "search/presets", "search/histogram", "search/facets", "health", "analytics/failures"},
}
WINDOW_PIXELS, ROW_PIXELS = 800, 32
TASKS = 300
PULSES = 4

WATCH_WRITES = """() => {
    window.writes = { idle: [], texts: 0 };
    const name = (node) => (node instanceof Element ? node : node.parentElement)?.outerHTML.slice(0, 120);
    new MutationObserver((changes) => {
        let isText = false;
        for (const { type, target, attributeName, oldValue, addedNodes, removedNodes } of changes) {
            const is = type === "attributes" ? target.getAttribute(attributeName) : target.data;
            const said = (nodes) => [...nodes].map((node) => node.textContent).join("");
            const isSame = type === "childList" ? said(addedNodes) === said(removedNodes) : is === oldValue;
            if (isSame) writes.idle.push(`${type} ${attributeName ?? ""} ${name(target)}`);
            isText ||= type !== "attributes";
        }
        writes.texts += isText;
    }).observe(document, {
        subtree: true, childList: true, attributes: true, attributeOldValue: true, characterData: true,
        characterDataOldValue: true,
    });
}"""
"""`idle` are writes of what stood there already, `texts` how often one or more texts were changed."""


@pytest.fixture
def listed(database_url: str, broker_url: str) -> Iterator[str]:
    """The API alone, which knows so many tasks that no window shows them all."""
    with capture_logs(), serving(Settings(database_url=database_url, broker_url=broker_url)) as url:
        tasks = [{"task_name": "shop.pack", "task_args": [number]} for number in range(TASKS)]
        httpx.post(f"{url}/api/v1/tasks/batch", json={"tasks": tasks}, timeout=60).raise_for_status()
        yield url


@pytest.mark.parametrize("address", ASKED)
def test_all_that_a_page_asks_at_first_it_asks_once_it_knows_who_asks(stack: Stack, page: Page, address: str) -> None:
    held: dict[str, Route] = {}

    def hold(route: Route) -> None:
        name = urlsplit(route.request.url).path.removeprefix("/api/v1/")
        if name in ("me", "live/stream"):
            route.continue_()
        else:
            held[name] = route

    page.route("**/api/v1/**", hold)
    page.goto(f"{stack.url}/ui{address}")
    wait_for(lambda: page.title() and held.keys() >= ASKED[address], f"all questions, not only {sorted(held)}")
    assert held.keys() == ASKED[address]


@pytest.mark.parametrize("address", ["/", "/tasks", "/tasks/some%2Fid"])
def test_no_file_waits_until_another_has_said_that_it_is_needed(stack: Stack, page: Page, address: str) -> None:
    held: list[Route] = []
    asked: list[str] = []
    page.route("**/ui/assets/*.js", lambda route: held.append(route))  # Playwright marks the function.
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/api/v1/me") else None)
    page.goto(f"{stack.url}/ui{address}", wait_until="commit")
    wait_for(lambda: page.evaluate("document.readyState") and len(held) >= _scripts(page), "its scripts")
    # Nor does the question who it is wait for them, and it is asked once.
    wait_for(lambda: page.evaluate("document.readyState") and asked, "who looks is asked")
    # Now that they come, none is found that had not been asked for.
    first = len(held)
    for route in held[:]:
        route.continue_()
    expect(page.locator("main h1")).to_be_visible()
    assert len(held) == first
    assert len(asked) == 1


def test_what_lays_out_a_graph_starts_while_its_workflow_is_awaited(stack: Stack, page: Page) -> None:
    held: list[Route] = []
    page.route("**/api/v1/workflows/some-id", lambda route: held.append(route))  # Playwright marks the function.
    with page.expect_worker() as worker:
        page.goto(f"{stack.url}/ui/workflows/some-id", wait_until="commit")
    assert "layout" in worker.value.url
    wait_for(lambda: page.title() and held, "the question for the workflow")


def _scripts(page: Page) -> int:
    named = page.locator("script[type=module], link[rel=modulepreload]").count()
    return named or 1


def test_the_list_reads_what_fills_the_window_and_the_rest_as_it_is_scrolled(browser: Browser, listed: str) -> None:
    with watched(browser, listed, viewport={"width": 1280, "height": WINDOW_PIXELS}) as (page, watch):
        asked: list[dict[str, list[str]]] = []
        page.on("request", lambda request: asked.append(_question(request)) if _is_search(request) else None)
        open_page(page, f"{listed}/ui/tasks")
        expect(page.get_by_text(f"{TASKS} tasks", exact=True)).to_be_visible()
        wait_for(lambda: page.title() and len(asked) >= 2, "the rows, and how many are newer")
        rows, newer = asked
        assert int(rows["limit"][0]) < TASKS
        assert int(rows["limit"][0]) > WINDOW_PIXELS // ROW_PIXELS
        # None of the batch, which was made in one moment, is newer than its first.
        assert newer["limit"] == ["1"]
        expect(page.locator(".pill")).to_have_count(0)
        grid = page.get_by_role("grid")
        wait_for(
            lambda: (
                grid.evaluate("it => { it.scrollTop = it.scrollHeight; return it.scrollHeight }") >= TASKS * ROW_PIXELS
            ),
            "the last row",
        )
        assert watch.problems == []


def _is_search(request: Request) -> bool:
    return urlsplit(request.url).path.endswith("/search/tasks")


def _question(request: Request) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.url).query)


@pytest.mark.parametrize("address", ["/", "/tasks", "/queues"])
def test_an_open_page_writes_only_what_differs_and_lays_out_only_for_a_text(
    stack: Stack, shop: Shop, looked: tuple[Page, Watch], address: str
) -> None:
    page, _ = looked
    devtools = page.context.new_cdp_session(page)
    pulses: list[object] = []
    devtools.on("Network.eventSourceMessageReceived", lambda message: pulses.append(message))
    devtools.send("Network.enable")
    devtools.send("Performance.enable")
    open_page(page, f"{stack.url}/ui{address}")
    heard_to(page, pulses, count=PULSES)
    page.evaluate(WATCH_WRITES)
    laid_out = layouts(devtools)
    heard_to(page, pulses, count=len(pulses) + PULSES)
    laid_out = layouts(devtools) - laid_out
    writes = page.evaluate("writes")
    assert writes["idle"] == []
    assert laid_out <= writes["texts"]


def heard_to(page: Page, pulses: list[object], *, count: int) -> None:
    """Until so many messages of the stream have come; they are told while the page is asked something."""
    wait_for(lambda: page.title() and len(pulses) >= count, "a pulse each second")


def layouts(devtools: CDPSession) -> float:
    counters = devtools.send("Performance.getMetrics")["metrics"]
    return next(float(each["value"]) for each in counters if each["name"] == "LayoutCount")
