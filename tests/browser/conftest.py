"""One running stack, one Chromium and one strange site for all tests of this folder."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from structlog.testing import capture_logs

from settings import Settings
from tests.acceptance.stack import Stack, running
from tests.browser.chromium import PATIENCE_MS, chromium, chromium_program, stranger
from tests.browser.pages import Watch, watched
from tests.browser.people import KEYS
from tests.browser.shop import Shop, open_shop
from tests.integration.api.serving import serving


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("browser") / "data", flower=True, CELERIAC_ADOPT_QUEUES="false") as stack:
        yield stack


@pytest.fixture(scope="package")
def shop(stack: Stack) -> Shop:
    return open_shop(stack)


@pytest.fixture
def looked(browser: Browser, stack: Stack, shop: Shop) -> Iterator[tuple[Page, Watch]]:
    """A page on which nothing may go wrong, beside a shop."""
    with watched(browser, stack.url, viewport={"width": 1280, "height": 800}) as (page, watch):
        yield page, watch
        assert watch.problems == []


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if chromium_program() is None:
        pytest.skip("no Chromium is installed here: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def elsewhere() -> Iterator[int]:
    with stranger() as port:
        yield port


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a profile of its own."""
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()


@pytest.fixture
def closed(database_url: str, broker_url: str) -> Iterator[str]:
    """The API alone, for which everybody needs a key."""
    settings = Settings(database_url=database_url, broker_url=broker_url, api_keys=KEYS)
    with capture_logs(), serving(settings) as url:
        yield url
