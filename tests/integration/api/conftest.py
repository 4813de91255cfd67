"""Settings on the test's own servers, an API on them, and a quiet log."""

from collections.abc import Iterator

import httpx
import pytest
from structlog.testing import capture_logs

from api.routing import API_PREFIX
from settings import Settings
from tests.integration.api.serving import serving


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def settings(database_url: str, broker_url: str, result_url: str, redis_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        broker_url=broker_url,
        result_url=result_url,
        redis_url=redis_url,
        rate_limit_per_minute=0,
        check_task_names=False,
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a whole API on the test's own database; nobody dispatches or runs what it is given."""
    # Certificates, of which there are none here, would take as long to read as the whole application takes to make.
    with serving(settings) as url, httpx.Client(base_url=url + API_PREFIX, timeout=30, verify=False) as client:
        yield client
