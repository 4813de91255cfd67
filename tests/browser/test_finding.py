"""Find anything: whatever there is, by its name or what its id begins with, and what can be done to it."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.acceptance.stack import Stack
from tests.browser.pages import Watch, open_page
from tests.browser.shop import Shop
from tests.patience import wait_for


def look_for(page: Page, text: str) -> Locator:
    """Look for this; returns what is offered."""
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").get_by_role("combobox")).to_be_focused()
    page.keyboard.type(text)
    return page.get_by_role("option")


def test_whatever_there_is_is_found_by_its_name_or_the_beginning_of_its_id(
    stack: Stack, shop: Shop, looked: tuple[Page, Watch]
) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/")
    hostname = stack.client.get(f"/workers/{shop.worker}").json()["hostname"]
    found = {
        shop.queue[:5]: (f"^{shop.queue}$", f"/queues/{shop.queue}"),
        hostname: (f"^{re.escape(hostname)}", f"/workers/{shop.worker}"),
        "payment": (f"^{shop.name}$", f"/names/{shop.name}"),
        "nightly-rep": ("^nightly-report ·", "/workflows/"),
        shop.workflow[:18]: ("^nightly-report ·", f"/workflows/{shop.workflow}"),
        shop.failed[:18]: (f"^{shop.name} ·", "/tasks/"),
        shop.retried: ("^celeriac.flaky ·", f"/tasks/{shop.retried}"),
        "hooks.example": ("^https://hooks.example.com/shop", f"/webhooks/{shop.webhook}"),
        "pager": ("^pager$", "/notifications"),
        "submit a work": ("^Submit a workflow", "as=workflow"),
        # Last, for its page opens a dialog of its own.
        "no active": ("^no active workers", "rule=NO_ACTIVE_WORKERS"),
    }
    for text, (label, address) in found.items():
        look_for(page, text).filter(has_text=re.compile(label)).first.click()
        expect(page).to_have_url(re.compile(re.escape(address)))


def test_enter_on_the_name_of_a_worker_leads_to_it_and_pausing_it_is_asked_for(
    stack: Stack, shop: Shop, looked: tuple[Page, Watch]
) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/")
    worker = f"/workers/{shop.worker}"
    hostname = stack.client.get(worker).json()["hostname"]
    expect(look_for(page, hostname).first).to_contain_text(re.compile(f"^{re.escape(hostname)}"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(hostname)
    assert stack.client.get(worker).json()["status"] == "ACTIVE"

    offered = look_for(page, "pause")
    expect(offered.first).to_contain_text("Pause this page")
    try:
        offered.filter(has_text=f"Pause worker {hostname}").click()
        wait_for(lambda: stack.client.get(worker).json()["status"] == "PAUSED", "the worker is paused")
        look_for(page, "resume").filter(has_text=f"Resume worker {hostname}").click()
        wait_for(lambda: stack.client.get(worker).json()["status"] == "ACTIVE", "the worker is resumed")
    finally:
        stack.client.patch(f"{worker}/resume")
