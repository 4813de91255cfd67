import pytest

from api.app import create_app
from settings import Settings
from tests.unit.api.apps import client_of

SETTINGS = Settings(rate_limit_per_minute=0)


@pytest.mark.parametrize("path", ["/nowhere", "/docs", "/openapi.json", "/docs-assets/swagger-ui.css"])
async def test_every_answer_tells_browsers_to_be_strict(path: str) -> None:
    async with client_of(create_app(SETTINGS)) as client:
        headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_answers_of_the_api_may_load_nothing_and_pages_only_our_own() -> None:
    async with client_of(create_app(SETTINGS)) as client:
        assert (await client.get("/nowhere")).headers["content-security-policy"].startswith("default-src 'none'")
        assert (await client.get("/docs")).headers["content-security-policy"].startswith("default-src 'self'")


async def test_other_origins_are_given_no_permission() -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    async with client_of(create_app(SETTINGS)) as client:
        answer = await client.options("/api/v1/tasks", headers=headers)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
