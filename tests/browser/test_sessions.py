"""What somebody sees and may do whose session ends, or whose key may not do everything, in a real Chromium."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.stack import Stack
from tests.browser.pages import addresses, open_page, watched
from tests.browser.people import KEY, KEYS, READER, another_api, sign_in
from tests.browser.shop import NOT_CONSUMED, Shop

ACTIONS = re.compile(
    "^(Cancel|Replay|Hold back|Let go|Set a|Clear$|Pause|Resume|Drain|Capacity|Forget|Submit|Seen|Save|Make|Change"
    "|Test)"
)
"""What the buttons are called of everything that changes something."""
AS_LONG_AS_TWO_POLLS_MS = 20_000


@pytest.fixture(scope="module")
def guarded(stack: Stack) -> Iterator[str]:
    """Another API beside the stack's, for which everybody needs a key."""
    with another_api(stack, api_keys=KEYS) as url:
        yield url


def test_a_session_that_ends_in_a_form_keeps_it_and_the_request_goes_again(
    guarded: str, shop: Shop, browser: Browser
) -> None:
    with watched(browser, guarded) as (page, _):
        page.goto(f"{guarded}/ui/submit?task_name=celeriac.echo")
        sign_in(page)
        words = page.get_by_role("textbox", name="Arguments", exact=True)
        words.fill('["half a form"]')
        page.context.clear_cookies()
        page.get_by_role("button", name=re.compile("^Submit")).press("Enter")
        over = page.get_by_role("dialog", name="Your session is over")
        expect(over).to_be_visible()
        expect(words).to_have_value('["half a form"]')
        sign_in(page)
        # Nobody has pressed the button a second time.
        page.wait_for_url(re.compile("/ui/tasks/"))
        expect(over).to_have_count(0)
        expect(page.get_by_role("group", name="args", exact=True)).to_contain_text("half a form")
        expect(page.get_by_role("button", name="live")).to_be_visible()


def test_a_sign_in_that_is_put_off_is_offered_by_the_page_which_says_that_it_stands_still(
    guarded: str, shop: Shop, browser: Browser
) -> None:
    with watched(browser, guarded) as (page, _):
        page.clock.install()
        page.goto(f"{guarded}/ui/queues")
        sign_in(page)
        expect(page.get_by_role("button", name="live")).to_be_visible()
        page.context.clear_cookies()
        page.keyboard.press(".")
        over = page.get_by_role("dialog", name="Your session is over")
        expect(over).to_be_visible()
        page.keyboard.press("Escape")
        expect(over).to_have_count(0)
        banner = page.get_by_role("status").filter(has_text="You are not signed in any more.")
        expect(banner).to_be_visible()
        expect(page.get_by_role("button", name="signed out")).to_be_visible()
        # What was read stays, and nothing is asked for in vain.
        expect(page.get_by_role("row").filter(has_text=NOT_CONSUMED)).to_be_visible()
        refused: list[str] = []
        page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
        page.clock.run_for(AS_LONG_AS_TWO_POLLS_MS)
        banner.get_by_role("button", name="Sign in").press("Enter")
        sign_in(page)
        expect(banner).to_have_count(0)
        expect(page.get_by_role("button", name="live")).to_be_visible()
        assert refused == []


def test_who_signs_out_leaves_nothing_behind(guarded: str, shop: Shop, browser: Browser) -> None:
    with watched(browser, guarded) as (page, _):
        page.goto(f"{guarded}/ui/queues")
        sign_in(page)
        expect(page.get_by_role("row").filter(has_text=NOT_CONSUMED)).to_be_visible()
        page.route("**/api/v1/session", lambda route: route.abort())
        leave(page)
        expect(page.get_by_text("whether this was done is not known")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text=NOT_CONSUMED)).to_be_visible()
        page.unroute("**/api/v1/session")
        leave(page)
        expect(page.get_by_label("API key")).to_be_visible()
        expect(page.get_by_text(NOT_CONSUMED)).to_have_count(0)


def leave(page: Page) -> None:
    page.get_by_role("button", name="Who you are").press("Enter")
    page.get_by_role("menuitem", name="Sign out").press("Enter")


def test_who_may_only_read_sees_no_button_that_does_something(guarded: str, shop: Shop, browser: Browser) -> None:
    with watched(browser, guarded) as (page, _):
        page.goto(f"{guarded}/ui/")
        sign_in(page, READER)
        expect(page.get_by_text("read only")).to_be_visible()
        found = []
        for name, address in addresses(shop).items():
            open_page(page, f"{guarded}/ui{address}")
            found += [f"{name}: {text}" for text in page.get_by_role("button", name=ACTIONS).all_inner_texts()]
        assert found == []
        page.keyboard.press("Control+k")
        page.keyboard.type("submit a")
        expect(page.get_by_role("option").first).to_contain_text("needs a key that may submit")


def test_who_sees_one_queue_is_shown_and_asks_nothing_that_is_refused(closed: str, browser: Browser) -> None:
    with httpx.Client(base_url=f"{closed}/api/v1", headers={"Authorization": f"Bearer {KEY}"}) as client:
        order = {"name": "etl", "scopes": ["read", "submit", "operate"], "queues": ["etl"]}
        key = client.post("/api-keys", json=order).json()["key"]
        task = client.post("/tasks", json={"task_name": "celeriac.echo", "queue_name": "etl"}).json()["task_id"]
    with watched(browser, closed) as (page, _):
        page.goto(f"{closed}/ui/")
        sign_in(page, key)
        pages = page.get_by_role("navigation", name="Pages")
        expect(pages.get_by_role("link", name="Analytics")).to_be_visible()
        assert not {"Workers", "Alerts", "System"} & set(pages.get_by_role("link").all_inner_texts())
        refused: list[str] = []
        page.on("response", lambda response: refused.append(response.url) if response.status == 403 else None)
        seen = ("/", "/tasks", f"/tasks/{task}", "/queues", "/queues/etl", "/names", "/failures", "/analytics")
        for address in (*seen, "/workflows"):
            open_page(page, f"{closed}/ui{address}")
            expect(page.get_by_role("button", name=re.compile("^(Hold back|Save view|Mark)"))).to_have_count(0)
        page.keyboard.press("Control+k")
        page.keyboard.type("etl")
        expect(page.get_by_role("option", name="etl", exact=True)).to_be_visible()
        page.keyboard.press("Escape")
        # Nothing of it is taken for all that there is.
        expect(page.get_by_text("Your key sees only queue etl. There may be more")).to_be_visible()
        open_page(page, f"{closed}/ui/queues/pay")
        expect(page.get_by_text("As far as your key sees: no task has named this queue")).to_be_visible()
        assert refused == []
        open_page(page, f"{closed}/ui/workers")
        expect(page.get_by_text("This page needs a key without limits.")).to_be_visible()
        assert refused == []


def test_who_may_only_submit_asks_nothing_that_is_refused_and_is_led_to_his_pages(
    closed: str, browser: Browser
) -> None:
    with httpx.Client(base_url=f"{closed}/api/v1", headers={"Authorization": f"Bearer {KEY}"}) as client:
        key = client.post("/api-keys", json={"name": "etl", "scopes": ["submit"]}).json()["key"]
    with httpx.Client(base_url=f"{closed}/api/v1", headers={"Authorization": f"Bearer {key}"}) as client:
        task = client.post("/tasks", json={"task_name": "celeriac.echo"}).json()["task_id"]
        steps = [{"id": "one", "task_name": "celeriac.echo"}]
        workflow = client.post("/workflows", json={"name": "etl", "steps": steps}).json()["workflow_id"]
    with watched(browser, closed) as (page, _):
        refused: list[str] = []
        page.on("response", lambda response: refused.append(response.url) if response.status == 403 else None)
        page.goto(f"{closed}/ui/")
        sign_in(page, key)
        expect(page.get_by_text("This page needs a key that may read.")).to_be_visible()
        page.get_by_role("link", name="Submit a task").first.click()
        page.wait_for_url(f"{closed}/ui/submit")
        for address in (
            *("/submit", f"/submit?from={task}", "/submit?as=workflow", "/workflows", f"/tasks/{task}"),
            *(f"/workflows/{workflow}{tab}" for tab in ("", "?tab=gantt", "?tab=steps", "?tab=events")),
        ):
            open_page(page, f"{closed}/ui{address}")
            # Until it is polled: what is asked then, too, is asked of everybody.
            expect(page.get_by_role("button", name="polling")).to_be_visible()
        assert refused == []


def test_who_has_no_page_is_told_so_and_who_has_one_elsewhere_is_led_there(closed: str, browser: Browser) -> None:
    with httpx.Client(base_url=f"{closed}/api/v1", headers={"Authorization": f"Bearer {KEY}"}) as client:
        keys = {
            scope: client.post("/api-keys", json={"name": scope, "scopes": [scope]}).json()["key"]
            for scope in ("operate", "admin")
        }
    with watched(browser, closed) as (page, _):
        refused: list[str] = []
        page.on("response", lambda response: refused.append(response.url) if response.status == 403 else None)
        page.goto(f"{closed}/ui/")
        sign_in(page, keys["operate"])
        expect(page.get_by_text("Your key has no page here.")).to_be_visible()
        page.get_by_role("button", name="Sign in with another key").click()
        sign_in(page, keys["admin"])
        page.get_by_role("main").get_by_role("link", name="API keys").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
        page.goto(f"{closed}/ui/audit")
        expect(page.get_by_role("row").nth(1)).to_be_visible()
        assert refused == []
