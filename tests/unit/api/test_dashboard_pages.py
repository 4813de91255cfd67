"""The dashboard's files as they are served: to anybody, from memory, under a strict policy, below any prefix."""

import gzip
import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import httpx
import pytest

from api.app import create_app
from api.dashboard_pages import DASHBOARD_CONTENT_POLICY, load_assets, load_pages
from settings import Settings

KEY = "k" * 40


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Where everybody else needs a key. Nothing is opened: what is not a file of the dashboard would fail."""
    transport = httpx.ASGITransport(create_app(Settings(api_keys=[KEY])), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


async def test_the_root_leads_to_the_dashboard_below_any_prefix(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.status_code == 307
    assert urljoin("http://h/", answer.headers["location"]) == "http://h/ui/"
    assert urljoin("http://h/ops/celeriac/", answer.headers["location"]) == "http://h/ops/celeriac/ui/"


@pytest.mark.parametrize(
    ("path", "base"),
    [("/ui/", "./"), ("/ui/tasks", "./"), ("/ui/tasks/a%2Fb", "../"), ("/ui/x/y/z", "../../")],
)
async def test_any_address_below_is_the_page_and_its_base_leads_back(
    client: httpx.AsyncClient, path: str, base: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f'<base href="{base}"' in answer.text
    assert urljoin(f"http://h/ops{path}", base) == "http://h/ops/ui/"
    assert answer.headers["cache-control"] == "no-cache"


async def test_an_address_names_all_files_of_its_page(client: httpx.AsyncClient) -> None:
    everywhere = named_in((await client.get("/ui/nothing/of/the/kind")).text)
    assert everywhere <= load_assets().keys()
    for pattern, files in load_pages().items():
        address = pattern.replace(":id", "a%2Fb").replace(":name", "any")
        named = named_in((await client.get(f"/ui{address}")).text)
        assert named == everywhere | set(files)
        assert named <= load_assets().keys()
        assert any(file.endswith(".js") for file in files)


def named_in(page: str) -> set[str]:
    return set(re.findall(r'(?:src|href)="(?:\./)?([\w/.-]+\.\w+)"', page))


async def test_nothing_inline_and_nothing_from_elsewhere_is_allowed(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/ui/")).headers["content-security-policy"]
    assert policy == DASHBOARD_CONTENT_POLICY
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "require-trusted-types-for 'script'" in policy


async def test_an_unknown_address_elsewhere_is_an_error_in_json(client: httpx.AsyncClient) -> None:
    for path in ("/foo", "/uix", "/api/v1/ui"):
        answer = await client.get(path, headers={"Authorization": f"Bearer {KEY}"})
        assert answer.headers["content-type"] == "application/json"
        assert answer.status_code in (404, 500)
        assert "code" in answer.json()


async def test_assets_are_packed_kept_for_ever_and_not_sent_twice(client: httpx.AsyncClient) -> None:
    scripts = [name for name in load_assets() if name.startswith("assets/") and name.endswith(".js")]
    assert scripts
    name = max(scripts, key=lambda name: len(load_assets()[name].body))
    whole = await client.get(f"/ui/{name}", headers={"Accept-Encoding": "identity"})
    packed = await client.get(f"/ui/{name}", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in whole.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == whole.content == gzip.decompress(load_assets()[name].packed or b"")
    assert "immutable" in packed.headers["cache-control"]
    again = await client.get(f"/ui/{name}", headers={"If-None-Match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_file_that_may_change_under_its_name_is_asked_for_again(client: httpx.AsyncClient) -> None:
    for name in ("theme.js", "icon.svg", "build.json", "pages.json"):
        answer = await client.get(f"/ui/{name}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"


async def test_the_dashboard_takes_no_other_method(client: httpx.AsyncClient) -> None:
    answer = await client.post("/ui/tasks", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 405
    assert (await client.head("/ui/tasks")).status_code == 200
