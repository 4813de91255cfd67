from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, Query
from httpx import AsyncClient
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from api.bodies.reading import MAX_BODY_BYTES
from api.declarations import needs, needs_or_is, shows_own, whole_fleet, within_limits
from api.dependencies import Sighted
from api.middleware.scopes import PRINCIPAL
from api.middleware.whole_segments import WholeSegments
from api.routing import API_PREFIX, MAX_PARAMETERS, api_router
from api.schemas.base import RequestModel
from api.schemas.pages import DEFAULT_LIMIT, Limit
from api.schemas.types import JsonArray
from domain.principals import Principal, PrincipalKind
from domain.scopes import Scope
from domain.sight import EVERYTHING, UNLIMITED, Limits, Sight
from tests.unit.api.apps import app_of, client_of

THINGS = f"{API_PREFIX}/things"
JSON = {"content-type": "application/json"}
BIG_CAP = 4 * MAX_BODY_BYTES
ETL = Limits(queues=("etl",))

router = api_router("/things", tag="things")


class Thing(RequestModel):
    name: str
    values: JsonArray = Field(default_factory=list)


class Window(BaseModel):
    since: int = 0


async def depth(deep: int = 0) -> int:
    return deep


@router.get("")
async def list_things(
    window: Annotated[Window, Query()],
    deep: Annotated[int, Depends(depth)],
    *,
    wait: Annotated[bool, Query(alias="async")] = True,
    limit: Limit = DEFAULT_LIMIT,
    name: str | None = None,
) -> dict[str, Any]:
    return {"limit": limit, "wait": wait, "since": window.since, "deep": deep, "name": name}


@router.post("", status_code=201)
async def add_thing(thing: Thing) -> dict[str, str]:
    return {"name": thing.name}


@router.post("/many", status_code=201, max_body_size=BIG_CAP)
async def add_things(things: list[Thing]) -> dict[str, int]:
    return {"count": len(things)}


@router.post("/maybe")
async def change_thing(thing: Thing | None = None) -> dict[str, bool]:
    return {"given": thing is not None}


named = api_router("/named", tag="things")


@named.get("/{name}")
async def get_named(name: str) -> dict[str, str]:
    return {"name": name}


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with client_of(app_of(router, named, layers=((WholeSegments, {}),))) as client:
        yield client


async def chunks(total: int) -> AsyncIterator[bytes]:
    yield b'{"name": "'
    for _ in range(total // 65_536):
        yield b"x" * 65_536
    yield b'"}'


async def test_known_parameters_pass_aliases_models_and_dependencies_included(client: AsyncClient) -> None:
    answer = await client.get(THINGS, params={"async": "false", "limit": 3, "since": 7, "deep": 2, "name": "a"})
    assert answer.json() == {"limit": 3, "wait": False, "since": 7, "deep": 2, "name": "a"}


@pytest.mark.parametrize("name", ["statsu", "wait", "window", "Limit", ""])
async def test_an_unknown_query_parameter_is_refused_by_name(client: AsyncClient, name: str) -> None:
    answer = await client.get(f"{THINGS}?limit=3&{name}=1")
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "VALIDATION_ERROR"
    assert body["errors"] == [{"field": name, "message": "unknown query parameter"}]


async def test_a_bad_query_value_is_named_without_its_container(client: AsyncClient) -> None:
    answer = await client.get(THINGS, params={"limit": 1001})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "limit", "message": "Input should be less than or equal to 1000"}]


@pytest.mark.parametrize("url", [f"{THINGS}?name=a%00b", f"{THINGS}/maybe%00"])
async def test_nul_in_a_url_never_reaches_a_route(client: AsyncClient, url: str) -> None:
    assert (await client.get(url)).status_code in (400, 404)


async def test_a_field_of_a_list_is_named_with_dots(client: AsyncClient) -> None:
    things = [{"name": "ok"}, {"name": 5}]
    answer = await client.post(f"{THINGS}/many", json=things)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "1.name", "message": "Input should be a valid string"}]


async def test_unknown_body_fields_are_refused(client: AsyncClient) -> None:
    answer = await client.post(THINGS, json={"name": "a", "nmae": "b"})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["nmae"]


async def test_at_most_a_hundred_errors_are_listed(client: AsyncClient) -> None:
    answer = await client.post(f"{THINGS}/many", json=[{}] * 150)
    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == 100
    assert answer.json()["detail"] == "0.name: Field required (and at least 99 more)"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b"[" * 100_000,
        b"1" * 5_000,
        b'{"name": "a", "values": [NaN]}',
        b'{"name": "a", "values": ["\\u0000"]}',
        b'{"name": "a", "values": ["\\ud800"]}',
        b'{"name": "a", "values": ' + b"[" * 65 + b"]" * 65 + b"}",
    ],
)
async def test_a_body_that_is_no_sound_json_is_a_400(client: AsyncClient, body: bytes) -> None:
    answer = await client.post(THINGS, content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["code"] == "VALIDATION_ERROR"
    assert answer.json()["errors"]


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/jsonx", None])
async def test_a_body_of_another_type_is_a_415(client: AsyncClient, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = await client.post(THINGS, content=b'{"name": "a"}', headers=headers)
    assert answer.status_code == 415
    assert answer.json()["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/a+json"])
async def test_json_by_any_of_its_names_is_read(client: AsyncClient, content_type: str) -> None:
    answer = await client.post(THINGS, content=b'{"name": "a"}', headers={"content-type": content_type})
    assert answer.status_code == 201


async def test_an_optional_body_may_be_left_out_without_a_content_type(client: AsyncClient) -> None:
    assert (await client.post(f"{THINGS}/maybe")).json() == {"given": False}
    assert (await client.post(f"{THINGS}/maybe", json={"name": "a"})).json() == {"given": True}


async def test_a_body_up_to_the_cap_is_read_and_one_byte_more_is_a_413(client: AsyncClient) -> None:
    frame = len(b'{"name": ""}')
    for excess, status in ((0, 201), (1, 413)):
        body = b'{"name": "' + b"x" * (MAX_BODY_BYTES - frame + excess) + b'"}'
        answer = await client.post(THINGS, content=body, headers=JSON)
        assert answer.status_code == status
    assert answer.json()["code"] == "BODY_TOO_LARGE"
    assert str(MAX_BODY_BYTES) in answer.json()["detail"]


async def test_a_body_of_unknown_length_is_counted_while_read(client: AsyncClient) -> None:
    small = await client.post(THINGS, content=chunks(MAX_BODY_BYTES // 2), headers=JSON)
    large = await client.post(THINGS, content=chunks(2 * MAX_BODY_BYTES), headers=JSON)
    assert (small.status_code, large.status_code) == (201, 413)
    assert large.json()["code"] == "BODY_TOO_LARGE"
    assert large.json()["request_id"] == large.headers["x-request-id"]


async def test_a_route_may_have_a_larger_cap_of_its_own(client: AsyncClient) -> None:
    thing = b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}'
    assert (await client.post(f"{THINGS}/many", content=b"[" + thing + b"]", headers=JSON)).status_code == 201
    answer = await client.post(f"{THINGS}/many", content=b"[" + b",".join([thing] * 5) + b"]", headers=JSON)
    assert answer.status_code == 413


@pytest.mark.parametrize(("count", "status"), [(MAX_PARAMETERS, 200), (MAX_PARAMETERS + 1, 400)])
async def test_a_query_has_three_hundred_parameters_at_most(client: AsyncClient, count: int, status: int) -> None:
    answer = await client.get(f"{THINGS}?{'&'.join(['name=a'] * count)}")
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["detail"] == "There are more than 300 query parameters."
        assert answer.json()["errors"] == [{"field": "query", "message": "too many parameters"}]


async def test_of_many_unknown_parameters_the_first_is_in_the_sentence_and_all_are_listed(client: AsyncClient) -> None:
    long = "x" * 5_000
    answer = await client.get(f"{THINGS}?{long}=1&b=s3cret")
    assert answer.json()["detail"] == f"Unknown query parameter: {'x' * 100}"
    assert [error["field"] for error in answer.json()["errors"]] == ["x" * 100, "b"]
    assert "s3cret" not in answer.text


async def test_where_u_0000_stands_is_said(client: AsyncClient) -> None:
    in_path = await client.get(f"{API_PREFIX}/named/a%00b")
    assert in_path.json()["detail"] == "A path cannot hold the character U+0000."
    assert in_path.json()["errors"] == [{"field": "path", "message": "holds U+0000"}]
    in_query = await client.get(f"{THINGS}?limit=1&name=a%00b")
    assert in_query.json()["detail"] == "name holds the character U+0000."
    assert in_query.json()["errors"] == [{"field": "name", "message": "holds U+0000"}]


async def test_an_id_with_a_slash_reaches_its_route_whole(client: AsyncClient) -> None:
    for sent, meant in (("a%2Fb", "a/b"), ("a%2fb%25", "a/b%"), ("a%20b", "a b"), ("%C3%A4", "ä")):
        assert (await client.get(f"{API_PREFIX}/named/{sent}")).json() == {"name": meant}


@pytest.mark.parametrize(
    "types",
    [
        ["application/json", "text/plain"],
        ["text/plain", "application/json"],
        ["application/json, text/plain"],
        [""],
        ["application/+xml"],
    ],
)
async def test_a_type_that_others_may_read_in_another_way_is_a_415(client: AsyncClient, types: list[str]) -> None:
    headers = [("content-type", each) for each in types]
    answer = await client.post(THINGS, content=b'{"name": "a"}', headers=headers)
    assert answer.status_code == 415
    assert answer.json()["detail"] == "The request body must be JSON: send `Content-Type: application/json`."


async def test_a_body_of_no_bytes_is_no_body_whatever_its_type(client: AsyncClient) -> None:
    answer = await client.post(f"{THINGS}/maybe", content=b"", headers={"content-type": "text/plain"})
    assert answer.json() == {"given": False}
    answer = await client.post(THINGS, content=b"")
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_a_route_without_a_body_does_not_look_at_one(client: AsyncClient) -> None:
    answer = await client.request("GET", THINGS, content=b"\xff", headers={"content-type": "text/plain"})
    assert answer.status_code == 200


limited = api_router("/limited", tag="things")
SCOPED = f"{API_PREFIX}/limited"


@limited.get("/within")
@needs(Scope.READ)
@within_limits
@shows_own
async def get_within(sight: Sighted) -> str:
    return repr(sight)


@limited.get("/whole")
@needs(Scope.READ)
@whole_fleet
async def get_whole(sight: Sighted) -> str:
    return repr(sight)


@limited.get("/undeclared")
@needs(Scope.READ)
async def get_undeclared(sight: Sighted) -> str:
    return repr(sight)


@limited.post("/keys/{key_id}")
@needs_or_is(Scope.ADMIN, own_key="key_id")
@whole_fleet
async def change_key(key_id: str) -> str:
    return key_id


def principal(*scopes: Scope, limits: Limits = UNLIMITED) -> Principal:
    return Principal(PrincipalKind.API_KEY, "k1", "etl", frozenset(scopes), limits)


async def as_principal(who: Principal, path: str, *, method: str = "GET") -> tuple[int, Any]:
    async with client_of(app_of(limited, layers=((As, {"who": who}),))) as client:
        answer = await client.request(method, SCOPED + path)
    body = answer.json()
    return answer.status_code, body if answer.is_success else body.get("errors")


class As:
    """Lets this principal in."""

    def __init__(self, app: ASGIApp, who: Principal) -> None:
        self._app, self._who = app, who

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send, /) -> None:
        scope[PRINCIPAL] = self._who
        await self._app(scope, receive, send)


async def test_who_may_read_sees_everything_within_his_limits() -> None:
    assert await as_principal(principal(Scope.READ), "/within") == (200, repr(EVERYTHING))
    assert await as_principal(principal(Scope.READ, limits=ETL), "/within") == (200, repr(Sight(ETL)))
    reader = principal(Scope.READ, Scope.SUBMIT)
    assert await as_principal(reader, "/within") == (200, repr(EVERYTHING))


async def test_who_may_only_submit_sees_his_own_where_a_route_says_so() -> None:
    own = Sight(ETL, "api_key:k1")
    assert await as_principal(principal(Scope.SUBMIT, limits=ETL), "/within") == (200, repr(own))
    assert (await as_principal(principal(Scope.OPERATE), "/within"))[0] == 403
    assert (await as_principal(principal(Scope.SUBMIT), "/whole"))[0] == 403


@pytest.mark.parametrize("path", ["/whole", "/undeclared"])
async def test_what_is_about_all_tasks_needs_a_key_without_limits(path: str) -> None:
    assert (await as_principal(principal(Scope.READ), path))[0] == 200
    refused = [{"field": "limits", "message": "needs a key without limits"}]
    assert await as_principal(principal(Scope.READ, limits=ETL), path) == (403, refused)
    assert (await as_principal(principal(Scope.SUBMIT, limits=ETL), path))[1] == [
        {"field": "scope", "message": "needs read"}
    ]


async def test_a_key_may_do_to_itself_what_its_limits_keep_it_from_with_others() -> None:
    assert await as_principal(principal(Scope.READ, limits=ETL), "/keys/k1", method="POST") == (200, "k1")
    assert (await as_principal(principal(Scope.READ, limits=ETL), "/keys/k2", method="POST"))[0] == 403
