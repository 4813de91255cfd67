"""Why something is done: where operators demand it, the page asks for it, once for all that is done in one go."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect
from structlog.testing import capture_logs

from domain.scopes import Scope
from settings import Settings
from tests.browser.pages import open_page, watched
from tests.integration.api.serving import serving

REASON = "Lager 7 geräumt, 午前三時"
TASKS = 3
REFUSED = "the server responded with a status of 400"


@pytest.fixture
def demanding(database_url: str, broker_url: str) -> Iterator[str]:
    """The API alone, with waiting tasks, which wants to hear why anything is operated."""
    settings = Settings(database_url=database_url, broker_url=broker_url, require_reason=(Scope.OPERATE,))
    with capture_logs(), serving(settings) as url:
        tasks = [{"task_name": "shop.pack", "task_args": [number]} for number in range(TASKS)]
        httpx.post(f"{url}/api/v1/tasks/batch", json={"tasks": tasks}, timeout=60).raise_for_status()
        yield url


def reasons(url: str) -> list[str | None]:
    rows = httpx.get(f"{url}/api/v1/audit", params={"action": "task.cancel"}).json()["data"]
    return [row["reason"] for row in rows]


def test_a_reason_that_is_demanded_is_asked_for_once_and_kept(demanding: str, browser: Browser) -> None:
    with watched(browser, demanding, viewport={"width": 1280, "height": 800}) as (page, watch):
        open_page(page, f"{demanding}/ui/tasks")
        page.get_by_role("grid").focus()
        page.keyboard.press("Control+a")
        page.keyboard.press("c")
        page.get_by_role("button", name=f"Cancel {TASKS} tasks").press("Enter")
        asked = page.get_by_role("dialog", name="Why is this done?")
        expect(asked.get_by_label("Reason")).to_be_focused()
        # Left alone, nothing is done.
        assert reasons(demanding) == []
        asked.get_by_label("Reason").fill(REASON)
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"Cancel asked for {TASKS} tasks.")).to_be_visible()
        expect(asked).to_have_count(0)
        assert reasons(demanding) == [REASON] * TASKS
        assert [problem for problem in watch.problems if REFUSED not in problem] == []
