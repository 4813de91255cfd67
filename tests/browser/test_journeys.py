"""What somebody does at the dashboard, from the question to the cure, on a running system in a real Chromium."""

import json
import re
from urllib.parse import parse_qs, quote, urlsplit

from playwright.sync_api import Browser, Page, expect

from tests.acceptance.stack import Stack
from tests.browser.pages import Watch, open_page, watched
from tests.browser.people import KEY, READER
from tests.browser.prefix import proxied
from tests.browser.shop import NOT_CONSUMED, Shop

Looked = tuple[Page, Watch]
TABS = 7

CREATED = re.compile(r"\d\d:\d\d:\d\d\.\d")
"""What tells rows apart: when each was created. Other cells may fill meanwhile."""


def query_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_a_failed_task_is_found_by_words_looked_into_and_opened_without_a_mouse(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/tasks")
    # The list scrolls, and not the page, which would draw every row.
    seen = page.locator(".grid.fill").bounding_box()
    assert seen is not None
    assert seen["y"] + seen["height"] <= 800
    page.keyboard.press("/")
    page.keyboard.type("status:failed name:process_payment onerror")
    page.keyboard.press("Enter")
    # The header, the task that failed so and its replay.
    expect(page.get_by_role("row")).to_have_count(3)
    assert query_of(page) == {"status": ["FAILED"], "task_name": ["process_payment"], "search": ["onerror"]}
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("o")
    beside = page.get_by_role("complementary", name="Task")
    expect(beside).to_contain_text("InvalidOperation")
    # Text, and no element of the page.
    expect(beside).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("img").count() == 0
    page.keyboard.press("Escape")
    expect(beside).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("process_payment")
    # With every digit, which a double would not have kept.
    expect(page.get_by_role("group", name="args", exact=True)).to_contain_text("1970670598291982290")
    page.go_back()
    assert query_of(page)["search"] == ["onerror"]


def test_no_text_of_a_task_turns_a_line_around(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    evil = "\u202eevil"
    task = stack.submit("celeriac.echo", evil, {evil: evil})
    stack.wait_for_end(task)
    for path in (f"/tasks/{task}", f"/names/{quote(evil)}", f"/queues/{quote(evil)}"):
        open_page(page, f"{stack.url}/ui{path}")
        expect(page.locator("main")).to_contain_text(r"\u202eevil")
        assert "\u202e" not in page.content() + page.title()
    # What is submitted again is the same value all the same.
    open_page(page, f"{stack.url}/ui/submit?from={task}")
    arguments = page.get_by_label("Arguments", exact=True)
    expect(arguments).to_have_value(re.compile(r"\\u202eevil"))
    assert json.loads(arguments.input_value()) == [evil, {evil: evil}]


def test_a_waiting_task_says_why_and_its_cancel_is_proven(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    task = stack.submit("celeriac.echo", "to be cancelled", queue_name=NOT_CONSUMED)
    open_page(page, f"{stack.url}/ui/tasks/{task}")
    expect(page.get_by_text(f"No worker that is online consumes {NOT_CONSUMED}.").first).to_be_visible()
    page.keyboard.press("c")
    page.get_by_role("button", name="Cancel the task").press("Enter")
    expect(page.get_by_text("Proven: it never ran")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    assert stack.task(task)["status"] == "CANCELLED"


def test_several_tasks_are_cancelled_at_once(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    tasks = [stack.submit("celeriac.echo", "many of them", queue_name=NOT_CONSUMED) for _ in range(3)]
    open_page(page, f"{stack.url}/ui/tasks?queue_name={NOT_CONSUMED}&search=many&status=PENDING")
    expect(page.get_by_role("row")).to_have_count(4)
    page.keyboard.press("j")
    expect(page.locator("[role=row]:focus")).to_have_count(1)
    page.keyboard.press("Control+a")
    expect(page.locator("[role=row][aria-selected=true]")).to_have_count(3)
    page.keyboard.press("c")
    page.get_by_role("button", name="Cancel 3 tasks").press("Enter")
    expect(page.get_by_text("Cancel asked for 3 tasks.")).to_be_visible()
    assert {stack.task(task)["status"] for task in tasks} == {"CANCELLED"}


def test_what_is_newer_waits_behind_a_button_and_nothing_moves(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/tasks?queue_name={NOT_CONSUMED}")
    first = page.get_by_role("row").nth(1)
    before = first.get_attribute("aria-rowindex"), CREATED.findall(first.inner_text())
    stack.submit("celeriac.echo", "newer", queue_name=NOT_CONSUMED)
    newer = page.get_by_role("button", name="1 newer")
    expect(newer).to_be_visible()
    assert (first.get_attribute("aria-rowindex"), CREATED.findall(first.inner_text())) == before
    newer.click()
    expect(newer).to_have_count(0)


def test_below_a_prefix_every_address_holds_and_without_a_stream_it_polls(
    stack: Stack, shop: Shop, browser: Browser
) -> None:
    with proxied(stack.url) as url, watched(browser, url) as (page, watch):
        page.goto(f"{url}/")
        page.get_by_role("link", name="Tasks").first.click()
        page.wait_for_url(f"{url}/ui/tasks")
        open_page(page, f"{url}/ui/tasks/{shop.failed}")
        expect(page.get_by_role("button", name="polling")).to_be_visible()
        page.get_by_role("link", name="celeriac", exact=True).click()
        page.wait_for_url(f"{url}/ui/")
        expect(page.locator(".verdict-text")).to_be_visible()
        assert watch.problems == []


def test_seven_tabs_share_one_stream(stack: Stack, shop: Shop, browser: Browser) -> None:
    with watched(browser, stack.url) as (page, watch):
        streams: list[str] = []
        page.context.on("request", lambda request: streams.append(request.url) if "/live/" in request.url else None)
        tabs = [page, *(page.context.new_page() for _ in range(TABS - 1))]
        for tab in tabs:
            open_page(tab, f"{stack.url}/ui/workers")
        for tab in tabs:
            expect(tab.get_by_role("button", name="live")).to_be_visible()
        assert len(streams) == 1
        assert watch.problems == []


def test_somebody_signs_in_with_a_key_and_sees_only_what_he_may(closed: str, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{closed}/ui/tasks?status=FAILED")
        key = page.get_by_label("API key")
        key.fill("not-a-key")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        key.fill(READER)
        key.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")
        assert query_of(page) == {"status": ["FAILED"]}
        expect(page.get_by_text("read only")).to_be_visible()
        expect(page.get_by_role("button", name="Save view")).to_have_count(0)
        assert KEY not in str(context.storage_state())
        page.get_by_role("button", name="Who you are").click()
        page.get_by_role("menuitem", name="Sign out").click()
        expect(page.get_by_label("API key")).to_be_visible()
        assert context.cookies() == []


def test_buttons_name_keys_only_where_there_are_some(stack: Stack, shop: Shop, browser: Browser) -> None:
    for is_phone in (False, True):
        with watched(browser, stack.url, has_touch=is_phone, is_mobile=is_phone) as (page, watch):
            open_page(page, f"{stack.url}/ui/tasks/{shop.waiting}")
            cancel = page.get_by_role("button", name="Cancel")
            expect(cancel).to_be_visible()
            expect(cancel.locator("kbd:visible")).to_have_count(0 if is_phone else 1)
            page.keyboard.press("?")
            # The list of them has them everywhere: whoever opens it has keys.
            expect(page.get_by_role("dialog").locator("kbd:visible").first).to_be_visible()
            assert watch.problems == []
