"""States of the dashboard that a running system seldom has: nothing submitted yet, nobody signed in, nobody answering.

A browser is told so in the place of the API; pages of a system that really is so look the same.
"""

import json
from collections.abc import Callable, Mapping

from playwright.sync_api import Page, Route

from tests.browser.pages import open_page

NOTHING: Mapping[str, object] = {"total": 0, "total_is_exact": True, "limit": 50, "offset": 0, "data": []}
FIRST = {
    "queue_depth": 0,
    "active_workers": 1,
    "total_workers": 1,
    "total_tasks_submitted": 0,
    "tasks_completed": 0,
    "tasks_failed": 0,
    "tasks_cancelled": 0,
    "undispatched": 0,
    "parked": 0,
    "queue_depth_source": "broker",
    "queues": [],
}
REFUSED = {"detail": "Authentication required", "code": "UNAUTHENTICATED", "request_id": "x", "timestamp": "x"}
EXPECTED = ("401 (Unauthorized)", "net::ERR_FAILED")
"""What Chromium itself says of these answers."""


def show_first_start(page: Page, url: str) -> None:
    """The overview before any task."""
    api = f"{url}/api/v1"
    page.route(f"{api}/dashboard/stats*", lambda route: answer(route, FIRST))
    for path in ("alerts", "queues"):
        page.route(f"{api}/{path}?*", lambda route: answer(route, NOTHING))
    open_page(page, f"{url}/ui/")


def show_sign_in(page: Page, url: str) -> None:
    """What somebody sees who has not signed in."""
    page.route(f"{url}/api/v1/me", lambda route: answer(route, REFUSED, status=401))
    open_page(page, f"{url}/ui/tasks")


def show_nobody_answering(page: Page, url: str) -> None:
    """The list of tasks, which was read before the API went away."""
    open_page(page, f"{url}/ui/tasks")
    page.route(f"{url}/api/**", lambda route: route.abort())
    page.keyboard.press(".")
    page.get_by_text("No answer since").wait_for()


def show_updated(page: Page, url: str) -> None:
    """The list of tasks, with another build answering than the one that it came from."""
    pulses = "".join(f'event: pulse\ndata: {{"build": "{build}"}}\n\n' for build in ("old", "new"))
    page.route(f"{url}/api/v1/live/stream*", lambda route: route.fulfill(content_type="text/event-stream", body=pulses))
    open_page(page, f"{url}/ui/tasks")
    page.get_by_text("Celeriac was updated").wait_for()


SCENES: Mapping[str, Callable[[Page, str], None]] = {
    "first-start": show_first_start,
    "sign-in": show_sign_in,
    "away": show_nobody_answering,
    "updated": show_updated,
}


def answer(route: Route, body: object, *, status: int = 200) -> None:
    """Answer as the API does."""
    headers = {"Content-Type": "application/json", "X-Request-ID": "of-a-scene"}
    route.fulfill(status=status, body=json.dumps(body), headers=headers)
