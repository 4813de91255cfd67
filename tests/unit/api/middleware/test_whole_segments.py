"""Ids with a `/` reach every route as one parameter, and other paths are as they were."""

from collections.abc import AsyncIterator

import httpx
import pytest
from httpx import AsyncClient

from api.middleware.whole_segments import WholeSegments
from api.routing import API_PREFIX, api_router
from tests.unit.api.apps import app_of, client_of

router = api_router("/things", tag="things")


@router.get("/{one}")
async def get_one(one: str) -> list[str]:
    return [one]


@router.get("/{one}/compare/{other}")
async def compare(one: str, other: str) -> list[str]:
    return [one, other]


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with client_of(app_of(router, layers=((WholeSegments, {}),))) as found:
        yield found


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("a%2Fb", ["a/b"]),
        ("a%2fb", ["a/b"]),
        ("%2F", ["/"]),
        ("a%2F..%2Fb", ["a/../b"]),
        ("a%2Fb/compare/c%2Fd", ["a/b", "c/d"]),
        ("a%2Fb/compare/c", ["a/b", "c"]),
        ("a%252Fb", ["a%2Fb"]),
        ("a%252Fb%2Fc", ["a%2Fb/c"]),
        ("a%25%2F%25", ["a%/%"]),
        ("%C3%BC%2F%E6%95%B0%20x", ["\N{LATIN SMALL LETTER U WITH DIAERESIS}/\N{CJK UNIFIED IDEOGRAPH-6570} x"]),
        ("plain", ["plain"]),
        ("a%25b", ["a%b"]),
        ("%2Fcompare%2F", ["/compare/"]),
    ],
)
async def test_a_segment_is_one_parameter(client: AsyncClient, path: str, seen: list[str]) -> None:
    answer = await client.get(f"{API_PREFIX}/things/{path}")
    assert (answer.status_code, answer.json()) == (200, seen)


@pytest.mark.parametrize("path", ["a/b", "a%2Fb/c", "a%2Fcompare%2Fb/compare"])
async def test_a_slash_between_segments_is_no_part_of_an_id(client: AsyncClient, path: str) -> None:
    assert (await client.get(f"{API_PREFIX}/things/{path}")).status_code == 404


async def test_a_method_that_the_path_does_not_take_is_named_as_ever(client: AsyncClient) -> None:
    answer = await client.delete(f"{API_PREFIX}/things/a%2Fb")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_a_client_that_resolves_paths_leaves_encoded_ones_alone() -> None:
    assert httpx.URL("http://localhost/things/a%2F..%2Fb").raw_path == b"/things/a%2F..%2Fb"
