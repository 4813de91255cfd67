"""Each route with each kind of key: what it asks for by its own word is what lets a caller in."""

from collections.abc import Iterator

import httpx
import pytest

from api.openapi.document import ANY_KEY, OWN_SCOPE_FIELD, SCOPE_FIELD
from api.routing import API_PREFIX
from domain.scopes import Scope
from settings import Settings
from tests.document import document
from tests.integration.api.serving import serving

WRITER, READER = "a-key-that-may-all", "a-key-that-reads"
REFUSALS = {401, 403}


@pytest.fixture
def client(settings: Settings) -> Iterator[httpx.Client]:
    wanted = {"api_keys": (WRITER, f"{READER}:read"), "rate_limit_per_minute": 0}
    with (
        serving(settings.model_copy(update=wanted)) as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as client,
    ):
        yield client


def scopes() -> dict[tuple[str, str], set[str | None]]:
    """Any of these is enough, by method and path; None where no key is asked for.

    Nothing has the id that each of these paths has.
    """
    return {
        (verb.upper(), path): {operation.get(SCOPE_FIELD), operation.get(OWN_SCOPE_FIELD, operation.get(SCOPE_FIELD))}
        for path, verbs in document()["paths"].items()
        for verb, operation in verbs.items()
    }


def keys_of_one_scope(client: httpx.Client) -> list[tuple[str, set[Scope]]]:
    made = []
    for scope in Scope:
        order = {"name": scope.value, "scopes": [scope.value]}
        answer = client.post(f"{API_PREFIX}/api-keys", json=order, headers={"Authorization": f"Bearer {WRITER}"})
        made.append((answer.json()["key"], {scope}))
    return made


def test_a_route_lets_in_who_has_its_scope_and_nobody_else(client: httpx.Client) -> None:
    asked = scopes()
    assert {*Scope, ANY_KEY, None} == set().union(*asked.values())
    keys = [("", set[Scope]()), (READER, {Scope.READ}), (WRITER, set(Scope)), *keys_of_one_scope(client)]
    for (method, path), enough in asked.items():
        for key, has in keys:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            with client.stream(method, path, headers=headers) as answer:  # one of them does not end
                status = answer.status_code
            may = None in enough or (bool(key) and (ANY_KEY in enough or bool(enough & has)))
            expected = None if may else 403 if key else 401
            assert (status if status in REFUSALS else None) == expected, (method, path, has)
