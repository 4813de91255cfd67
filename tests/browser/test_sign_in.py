"""A sign-in from end to end in a real Chromium, with an issuer on another site, as it is everywhere.

That the strict cookie is there on the page after the way back is nothing that an HTTP client could show.
"""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Response, expect
from structlog.testing import capture_logs

from settings import Settings
from tests.browser.chromium import EVIL, fetch
from tests.integration.api.serving import serving
from tests.oidc_issuer import CLIENT_ID, SECRET, open_id_server

ME, SESSION = "/api/v1/me", "/api/v1/session"


@pytest.fixture
def site(database_url: str, broker_url: str) -> Iterator[str]:
    """The API as `localhost`; its issuer is at `127.0.0.1`, which browsers take for another site."""
    with open_id_server() as issuer, capture_logs():
        settings = Settings(
            database_url=database_url,
            broker_url=broker_url,
            oidc_issuer=issuer.url,
            oidc_client_id=CLIENT_ID,
            oidc_client_secret=SECRET,
            oidc_scopes={"operators": ["read"]},
        )
        with serving(settings) as url:
            yield url.replace("127.0.0.1", "localhost")


def arrival(page: Page, url: str, *, by: Callable[[], object]) -> Response:
    """The answer of the page to which this leads, by whatever way."""
    with page.expect_response(lambda answer: answer.url == url) as answered:
        by()
    answered.value.finished()
    return answered.value


def test_somebody_signs_in_reads_and_signs_out(page: Page, site: str, elsewhere: int) -> None:
    back = arrival(page, site + ME, by=lambda: page.goto(f"{site}{SESSION}/oidc/login?next={ME}"))
    assert (back.status, back.json()["kind"], back.json()["name"]) == (200, "session", "Alice")
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("celeriac_session", True, "Strict")

    page.goto(f"http://{EVIL}:{elsewhere}/")
    assert fetch(page, site + ME, credentials="include")[0] == "error"
    page.set_content(f'<a href="{site}{ME}">go</a>')
    assert arrival(page, site + ME, by=lambda: page.click("a")).status == 401

    page.goto(f"{site}/docs")
    assert fetch(page, site + ME)[1] == 200
    assert fetch(page, site + SESSION, method="DELETE")[1] == 204
    assert page.context.cookies() == []
    assert fetch(page, site + ME)[1] == 401


def test_a_page_offers_the_ways_to_sign_in_that_there_are(page: Page, site: str) -> None:
    page.goto(f"{site}/ui/queues")
    at_issuer = page.get_by_role("button", name="Sign in at your organisation")
    expect(at_issuer).to_be_visible()
    # There is no key that anybody could have.
    expect(page.get_by_label("API key")).to_have_count(0)
    at_issuer.click()
    page.wait_for_url(f"{site}/ui/queues")
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")


def test_where_no_issuer_is_set_up_nobody_is_led_to_one(page: Page, closed: str) -> None:
    with page.expect_response(f"{closed}{SESSION}/ways") as answered:
        page.goto(f"{closed}/ui/queues")
    assert answered.value.json() == {"api_key": True, "issuer": False}
    expect(page.get_by_label("API key")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in")).to_have_count(1)
