import asyncio
import re
from typing import Any

import pytest
from httpx import AsyncClient

from api.app import create_app
from settings import Settings
from tests.unit.api.apps import client_of

LINK = re.compile(r"""(?:src|href)\s*=\s*["']([^"']+)["']""")


async def page(client: AsyncClient, path: str) -> str:
    answer = await client.get(path)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_names_no_address_but_ours_and_all_that_it_loads_is_served(path: str) -> None:
    async with client_of(create_app(Settings(rate_limit_per_minute=0))) as client:
        html = await page(client, path)
        assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+", html.replace("http://www.w3.org", ""))
        links = LINK.findall(html)
        assert len(links) >= 2
        for link in links:
            assert link.startswith("/docs-assets/"), link
            assert (await client.get(link)).content


async def test_both_pages_show_our_document() -> None:
    async with client_of(create_app(Settings(rate_limit_per_minute=0))) as client:
        assert "/openapi.json" in await page(client, "/docs")
        assert "/docs-assets/redoc.standalone.js" in await page(client, "/redoc")


async def test_swagger_ui_does_not_ask_the_public_validator() -> None:
    async with client_of(create_app(Settings(rate_limit_per_minute=0))) as client:
        assert '"validatorUrl": null' in await page(client, "/docs")


async def test_the_document_is_written_once_for_all_who_ask() -> None:
    app = create_app(Settings(rate_limit_per_minute=0))
    written = 0
    describe_app = app.openapi

    def counting() -> dict[str, Any]:
        nonlocal written
        written += 1
        return describe_app()

    app.openapi = counting  # type: ignore[method-assign]
    async with client_of(app) as client:
        answers = await asyncio.gather(*(client.get("/openapi.json") for _ in range(5)))
    assert written == 1
    assert [answer.json() for answer in answers] == [describe_app()] * 5
