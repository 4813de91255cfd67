"""Who signs in at a dashboard that asks for a key, and the API that asks."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page
from structlog.testing import capture_logs

from settings import Settings
from tests.acceptance.stack import Stack
from tests.integration.api.serving import serving

KEY = "a-key-of-the-browser-tests"
READER = f"{KEY}-2"
KEYS = (KEY, f"{READER}:read")


def sign_in(page: Page, key: str = KEY) -> None:
    """Into the form, wherever it is shown."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").press("Enter")


@contextmanager
def another_api(stack: Stack, **settings: object) -> Iterator[str]:
    """The URL of an API with settings of its own on the servers of a stack."""
    found = stack.addresses
    urls = {name: getattr(found, name) for name in ("database_url", "broker_url", "result_url", "redis_url")}
    with capture_logs(), serving(Settings(**urls, **settings)) as url:  # type: ignore[arg-type]
        yield url
