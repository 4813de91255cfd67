"""What somebody does who runs Celeriac: rules, webhooks, notifications, failures and the audit, in a real Chromium."""

import re

from playwright.sync_api import Page, expect

from tests.acceptance.stack import Stack
from tests.browser.pages import Watch, open_page
from tests.browser.shop import Shop

Looked = tuple[Page, Watch]
REFUSED = "the server responded with a status of 400"
"""Chromium's word on what the API refuses; the form says so at its field."""


def test_a_rule_is_changed_and_what_is_refused_stands_at_its_field(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, watch = looked
    open_page(page, f"{stack.url}/ui/alerts?tab=rules")
    page.get_by_role("button", name="Change STUCK_TASKS").click()
    page.get_by_label("Above").fill("-1")
    page.get_by_role("button", name="Save the rule").click()
    expect(page.get_by_label("Above")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Above").fill("7200")
    page.get_by_role("button", name="Save the rule").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Raised above 2 h, at once.")).to_be_visible()
    rules = {rule["type"]: rule for rule in stack.client.get("/alerts/rules").json()["data"]}
    assert rules["STUCK_TASKS"]["threshold"] == 7200
    watch.problems[:] = [problem for problem in watch.problems if REFUSED not in problem]


def test_a_webhook_is_made_its_secret_shown_once_and_tried(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/webhooks")
    page.get_by_role("button", name="Make a webhook").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("URL").fill("https://nowhere.invalid/hook?token=of-the-test")
    dialog.get_by_role("button", name="Make a webhook").click()
    expect(dialog.get_by_label("The secret that signs")).to_have_value(re.compile("^whsec_"))
    dialog.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("https://nowhere.invalid/hook?***")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_role("dialog", name="What came of the test")).to_contain_text("Given up after 1 attempt")


def test_one_of_a_group_is_replayed_before_the_rest(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/failures")
    page.get_by_role("button", name="Replay one, then the rest").first.click()
    page.get_by_role("button", name="Replay one", exact=True).click()
    expect(page.get_by_text("It has failed again")).to_be_visible()
    expect(page.get_by_role("button", name="Replay the rest")).to_be_disabled()


def test_what_was_done_is_found_in_the_audit(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/audit")
    page.get_by_label("What was done", exact=True).select_option("webhook.create")
    expect(page.get_by_role("row")).not_to_have_count(1)
    expect(page).to_have_url(re.compile("action=webhook.create"))
    page.get_by_role("button", name="webhook.create").last.click()
    expect(page.get_by_role("group", name="after")).to_contain_text("hooks.example.com")
    page.get_by_role("button", name="Close").last.click()
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("Nobody has tampered with it")).to_be_visible()
