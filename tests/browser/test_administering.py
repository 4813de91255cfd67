"""What somebody does who lets people in and has them told: keys, notifications and webhooks, in a real Chromium."""

import re

import httpx
from playwright.sync_api import Browser, Page, expect
from structlog.testing import capture_logs

from settings import Settings
from tests.acceptance.stack import Stack
from tests.browser.pages import Watch, open_page, watched
from tests.browser.people import sign_in
from tests.browser.shop import Shop
from tests.integration.api.serving import serving
from tests.patience import PATIENCE_SECONDS, wait_for

Looked = tuple[Page, Watch]
NOWHERE = "nowhere.invalid"
"""A host of which every resolver says that there is none."""


def test_the_first_key_says_that_it_closes_the_door_and_for_whom_before_it_does(
    database_url: str, broker_url: str, browser: Browser
) -> None:
    with (
        capture_logs(),
        serving(Settings(database_url=database_url, broker_url=broker_url)) as url,
        watched(browser, url) as (page, watch),
    ):
        for _ in range(2):
            httpx.post(f"{url}/api/v1/tasks", json={"task_name": "celeriac.echo"}).raise_for_status()
        open_page(page, f"{url}/ui/")
        page.keyboard.press("g")
        page.keyboard.press("k")
        page.get_by_role("button", name="Make the first key").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("note")).to_contain_text("closes the door")
        expect(dialog.get_by_role("note")).to_contain_text("2 tasks were submitted without a key in the last hour")
        dialog.get_by_label("Name", exact=True).fill("root")
        assert httpx.get(f"{url}/api/v1/tasks").status_code == 200
        dialog.get_by_role("button", name="Make the key and close the door").click()
        # A step back in the browser does not lose what nobody can read again.
        expect(dialog.get_by_role("button", name="I have kept it")).to_be_visible()
        page.evaluate("history.back()")
        expect(dialog.get_by_role("alert")).to_contain_text("You have not copied it")
        expect(page).to_have_url(f"{url}/ui/keys")
        dialog.get_by_role("button", name="I have kept it").click()
        assert httpx.get(f"{url}/api/v1/tasks").status_code == 401
        refused = page.get_by_text("1 request was refused for want of a valid key in the last hour")
        expect(refused).to_contain_text("from 127.0.0.1", timeout=PATIENCE_SECONDS * 1000)
        page.get_by_role("button", name="Make a key").click()
        expect(dialog.get_by_label("Name", exact=True)).to_be_visible()
        expect(dialog.get_by_role("note")).to_have_count(0)
        assert watch.problems == []


def test_a_key_that_was_not_copied_is_not_lost_by_a_key_stroke(closed: str, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{closed}/ui/keys")
        sign_in(page)
        page.get_by_role("button", name="Make a key").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name", exact=True).fill("kept")
        dialog.get_by_role("button", name="Make a key").click()
        expect(dialog.get_by_label("The key kept")).to_have_value(re.compile("."))
        for _ in range(3):
            page.keyboard.press("Escape")
        page.mouse.click(2, 2)
        expect(dialog.get_by_role("alert")).to_contain_text("You have not copied it")
        expect(dialog.get_by_label("The key kept")).to_be_visible()
        dialog.get_by_role("button", name="Close without it").click()
        expect(dialog).to_have_count(0)


def test_a_key_is_made_opens_is_switched_off_and_revoked(closed: str, browser: Browser) -> None:
    def answer(key: str) -> int:
        return httpx.get(f"{closed}/api/v1/me", headers={"Authorization": f"Bearer {key}"}).status_code

    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{closed}/ui/keys")
        sign_in(page)
        page.get_by_role("button", name="Make a key").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name", exact=True).fill("etl")
        dialog.get_by_label("Only queues").fill("etl.*")
        dialog.get_by_role("button", name="Make a key").click()
        key = dialog.get_by_label("The key etl").input_value()
        dialog.get_by_role("button", name="I have kept it").click()
        assert answer(key) == 200
        expect(page.get_by_text("only queues etl.*")).to_be_visible()
        expect(page.get_by_text("by key 1 of CELERIAC_API_KEYS")).to_be_visible()
        open_page(page, f"{closed}/ui/audit?action=key.create")
        named = page.get_by_role("gridcell", name="etl", exact=True)
        expect(named.get_by_title(key.split("_")[1])).to_be_visible()
        open_page(page, f"{closed}/ui/audit?action=session.sign_in")
        expect(page.get_by_role("gridcell", name="session of CELERIAC_API_KEYS 1")).to_be_visible()
        page.goto(f"{closed}/ui/keys")
        assert key not in page.content()

        actions = page.get_by_role("button", name="Actions for key etl")
        actions.click()
        page.get_by_role("menuitem", name="Switch off").click()
        expect(page.locator(".keys-row[data-off]")).to_have_count(1)
        wait_for(lambda: answer(key) == 401)
        actions.click()
        page.get_by_role("menuitem", name="Switch on").click()
        wait_for(lambda: answer(key) == 200)
        actions.click()
        page.get_by_role("menuitem", name="Revoke").click()
        page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("Revoked and expired")).to_be_visible()
        expect(actions).to_have_count(0)
        wait_for(lambda: answer(key) == 401)


def test_a_channel_is_made_tried_led_to_switched_off_and_deleted(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    open_page(page, f"{stack.url}/ui/notifications")
    page.get_by_role("button", name="Make a channel").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("ops")
    dialog.get_by_label("URL of Apprise").fill(f"json://operator:of-the-test@{NOWHERE}/ops")
    dialog.get_by_role("button", name="Make a channel").click()
    channel = page.locator(".notifications-row").filter(has_text=NOWHERE)
    expect(channel).to_contain_text("Nothing has been sent to it yet.")
    assert "of-the-test" not in page.content()
    channel.get_by_role("button", name="Test").click()
    expect(channel).to_contain_text("last tried")

    page.get_by_role("button", name="Make a route").click()
    dialog.get_by_label("Name", exact=True).fill("to ops")
    dialog.get_by_role("checkbox", name="pager").uncheck()
    dialog.get_by_role("checkbox", name="ops").check()
    dialog.get_by_role("checkbox", name="critical").check()
    dialog.get_by_role("button", name="Make a route").click()
    expect(page.locator(".notifications-row").filter(has_text="to ops")).to_contain_text("takes critical alerts")

    channel.get_by_role("button", name="Actions for channel ops").click()
    page.get_by_role("menuitem", name="Switch off").click()
    expect(channel).to_contain_text("off")
    channel.get_by_role("button", name="Actions for channel ops").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(channel).to_have_count(0)


def test_a_webhook_is_told_of_some_tasks_only_asked_for_what_it_missed_and_deleted(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, _ = looked
    order = {"url": f"https://{NOWHERE}/of-some", "events": ["task.cancelled"]}
    webhook = stack.client.post("/webhooks", json=order).json()["webhook_id"]
    open_page(page, f"{stack.url}/ui/webhooks/{webhook}")
    more, dialog = page.get_by_role("button", name="More"), page.get_by_role("dialog")
    more.click()
    page.get_by_role("menuitem", name="Change").click()
    dialog.get_by_text("Only some tasks").click()
    dialog.get_by_label("Name", exact=True).fill("process_payment")
    dialog.get_by_label("Queue", exact=True).fill("payments")
    dialog.get_by_role("group", name="Status").get_by_role("checkbox", name="failed").check()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("status=FAILED")).to_be_visible()
    filters = stack.client.get(f"/webhooks/{webhook}").json()["filters"]
    assert filters == {"task_name": "process_payment", "queue_name": "payments", "status": ["FAILED"]}

    more.click()
    page.get_by_role("menuitem", name="Send again").click()
    dialog.get_by_label("What").select_option("MISSED")
    dialog.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("What was missed is looked for")).to_be_visible()

    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("Nothing is sent.")).to_be_visible()
    more.click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("/ui/webhooks$"))
    assert stack.client.get(f"/webhooks/{webhook}").status_code == 404


def test_what_a_webhook_asks_for_is_chosen_by_keys_on_a_phone(stack: Stack, shop: Shop, browser: Browser) -> None:
    def toggle(name: str) -> None:
        box = dialog.get_by_role("checkbox", name=name, exact=True)
        box.focus()
        page.keyboard.press("Space")

    with watched(browser, stack.url, viewport={"width": 320, "height": 640}) as (page, watch):
        open_page(page, f"{stack.url}/ui/webhooks?make=1")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("URL").fill(f"https://{NOWHERE}/of-all")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(dialog.get_by_role("checkbox", name="all of task.*")).to_be_focused()
        known = {
            each["name"] for each in stack.client.get("/webhooks/event-types").json()["data"] if each["selectable"]
        }
        boxes = dialog.get_by_role("group", name="Events").get_by_role("checkbox")
        assert {text for text in boxes.locator("xpath=..").all_inner_texts() if "all of" not in text} == known
        page.keyboard.press("Space")
        # It is one of those that all of them are.
        expect(dialog.get_by_role("checkbox", name="task.failed")).to_be_checked()
        expect(dialog.get_by_role("checkbox", name="task.failed")).to_be_disabled()
        toggle("all of alert.*")
        toggle("worker.offline")
        dialog.get_by_label("Others").fill("shop.order.*")
        assert dialog.evaluate("it => it.scrollWidth <= it.clientWidth")
        dialog.get_by_role("button", name="Make a webhook").press("Enter")
        dialog.get_by_role("button", name="I have kept it").press("Enter")
        page.wait_for_url(re.compile("/ui/webhooks/.+"))
        webhook = page.url.rpartition("/")[2]
        made = stack.client.get(f"/webhooks/{webhook}").json()["events"]
        assert made == ["task.*", "worker.offline", "shop.order.*"]

        page.get_by_role("button", name="More", exact=True).press("Enter")
        page.get_by_role("menuitem", name="Change").press("Enter")
        expect(dialog.get_by_role("checkbox", name="all of task.*")).to_be_checked()
        expect(dialog.get_by_label("Others")).to_have_value("shop.order.*")
        toggle("all of task.*")
        toggle("task.failed")
        dialog.get_by_role("button", name="Save").press("Enter")
        expect(dialog).to_have_count(0)
        changed = stack.client.get(f"/webhooks/{webhook}").json()["events"]
        assert changed == ["worker.offline", "task.failed", "shop.order.*"]
        assert watch.problems == []
