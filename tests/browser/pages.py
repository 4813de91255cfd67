"""The dashboard's pages as a browser sees them: where they are, and what must never happen on one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from tests.browser.chromium import PATIENCE_MS
from tests.browser.shop import Shop

NOT_THERE = "the server responded with a status of 404"
"""Chromium's word on a request for what this version of the API lacks; the page says so itself."""


ADDRESSES = {
    "overview": "/",
    "tasks": "/tasks",
    "tasks-failed": "/tasks?status=FAILED&peek={failed}",
    "tasks-none": "/tasks?search=nothing-has-this-word",
    "task-failed": "/tasks/{failed}",
    "task-completed": "/tasks/{completed}",
    "task-retried": "/tasks/{retried}",
    "task-waiting": "/tasks/{waiting}",
    "task-running": "/tasks/{running}",
    "task-unknown": "/tasks/no-such-task",
    "compare": "/compare?a={failed}&b={completed}",
    "compare-choose": "/compare",
    "workflows": "/workflows",
    "workflow": "/workflows/{workflow}",
    "workflow-step": "/workflows/{workflow}?at=report",
    "workflow-fan": "/workflows/{workflow}?at=fan+pay-0",
    "workflow-gantt": "/workflows/{workflow}?tab=gantt",
    "workflow-steps": "/workflows/{workflow}?tab=steps",
    "workflow-events": "/workflows/{workflow}?tab=events",
    "workflow-unknown": "/workflows/no-such-workflow",
    "queues": "/queues",
    "queue": "/queues/{queue}",
    "queue-unknown": "/queues/no-such-queue",
    "workers": "/workers",
    "workers-gone": "/workers?offline=1",
    "worker": "/workers/{worker}",
    "worker-unknown": "/workers/nobody",
    "names": "/names",
    "name": "/names/{name}",
    "name-unknown": "/names/no.such.name",
    "failures": "/failures",
    "analytics": "/analytics",
    "alerts": "/alerts",
    "alerts-past": "/alerts?tab=past",
    "alerts-rule": "/alerts?tab=rules&rule=HIGH_FAILURE_RATE",
    "system": "/system",
    "submit": "/submit",
    "submit-workflow": "/submit?as=workflow",
    "replay": "/submit?from={failed}",
    "webhooks": "/webhooks?make=1",
    "webhook": "/webhooks/{webhook}",
    "notifications": "/notifications",
    "keys": "/keys?make=1",
    "audit": "/audit",
    "not-found": "/nothing/of/the/kind",
}
"""Every page's address below `/ui`, by its name; in braces what it is of in a shop."""


def addresses(shop: Shop) -> dict[str, str]:
    """Those of what a shop has."""
    return {name: address.format_map(asdict(shop)) for name, address in ADDRESSES.items()}


class Watch:
    """What went wrong on the pages of a context: errors of the console, exceptions, refusals of the policy, requests
    that would have left this machine.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.problems: list[str] = []
        self._origin = origin
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.problems.append(f"exception: {error.error}"))
        context.on("request", self._see)
        context.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => "
            "console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"
        )

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and NOT_THERE not in message.text:
            self.problems.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self._origin, "data:", "blob:")):
            self.problems.append(f"elsewhere: {request.url}")


@contextmanager
def watched(browser: Browser, origin: str, **options: object) -> Iterator[tuple[Page, Watch]]:
    """A page in a profile of its own, and what goes wrong on it."""
    with browser.new_context(**options) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        watch = Watch(context, origin)
        yield context.new_page(), watch


def open_page(page: Page, url: str) -> None:
    """Go there, and return when the page is drawn and what it has asked for is answered.

    It never falls silent, for it polls: settled is what has neither lines in the place of rows nor a bar.
    """
    page.goto(url)
    page.wait_for_selector("main h1")
    # Not by a function of the page, which the policy would refuse to evaluate.
    page.locator(".loading, .progress").first.wait_for(state="detached")
    page.evaluate("document.fonts.ready")
