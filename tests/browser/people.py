"""Who signs in at a dashboard that asks for a key."""

from playwright.sync_api import Page

KEY = "a-key-of-the-browser-tests"
READER = f"{KEY}-2"
KEYS = (KEY, f"{READER}:read")


def sign_in(page: Page, key: str = KEY) -> None:
    """Into the form, wherever it is shown."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").press("Enter")
