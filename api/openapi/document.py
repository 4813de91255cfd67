"""The OpenAPI document: each route's errors by class, and what all routes have in common.

FastAPI writes the document; `describe_app` adds what it cannot know (the errors that any route may answer with, headers
of every response, the bearer key, links) and drops its 422, since validation errors are 400 here.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from api.bodies.idempotency import KEY_HEADER, REPLAYED_HEADER
from api.errors import (
    BodyTooLarge,
    Forbidden,
    HeadTooLarge,
    InternalError,
    RateLimited,
    RequestTimeout,
    Unauthenticated,
    UnknownHost,
    UnsupportedMediaType,
    http_status_of,
)
from api.middleware.scopes import BUILD_HEADER
from api.middleware.session_cookie import SESSION_COOKIE
from api.openapi.links import add_links
from api.openapi.webhooks import add_webhooks
from api.routing import HEALTH_TAG, StrictRoute
from api.schemas.base import ErrorResponse
from domain.errors import (
    CeleriacError,
    DatabaseUnavailable,
    IdempotencyConflict,
    InvalidRequest,
    Overloaded,
    ServiceDegraded,
)

Json = dict[str, Any]
Responses = dict[int | str, Json]

SCOPE_FIELD = "x-celeriac-scope"
OWN_SCOPE_FIELD = "x-celeriac-own-scope"
"""The scope that is enough to be shown what one has submitted oneself."""
REACH_FIELD = "x-celeriac-reach"
"""What a key with limits may do there: a `Reach`."""
ANY_KEY = "any"
"""The word in the place of a scope where a key is needed, whatever it may do."""

TOKENS = "A token of the issuer that CELERIAC_OIDC_ISSUER names, for CELERIAC_OIDC_AUDIENCE. Without one, none."
SESSIONS = (
    "What `POST /session` or a sign-in at the issuer has put into a browser. Requests that change something must have "
    "`Origin` or `Sec-Fetch-Site`, as browsers send them."
)
KEYS = "A key that `POST /api-keys` has made, or one of CELERIAC_API_KEYS. While there is neither, none is needed."

SECURITY_SCHEMES: Json = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": KEYS},
    "oidc": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": TOKENS},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": SESSIONS},
}
HEADERS: Json = {
    "X-Request-ID": {
        "description": "The client's own (at most 128 printable characters), or one made here; also in the log.",
        "schema": {"type": "string"},
    },
    "X-RateLimit-Limit": {
        "description": "Requests a minute for each client IP.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Remaining": {
        "description": "Requests left until the reset.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Reset": {
        "description": "When the count starts anew, in Unix seconds.",
        "schema": {"type": "integer"},
    },
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}},
    BUILD_HEADER: {"description": "Which build answers.", "schema": {"type": "string"}},
    "ETag": {
        "description": "Of JSON up to 1 MiB. `If-None-Match` with it is answered with 304 while nothing has changed.",
        "schema": {"type": "string"},
    },
    REPLAYED_HEADER: {
        "description": "true: this is the first answer to the Idempotency-Key again; nothing was done twice.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Warning": {
        "description": "110: the last good answer, while a service is degraded (see /resilience/degradation/mark).",
        "schema": {"type": "string"},
    },
    "Age": {
        "description": "How old the answer is, in seconds: with Warning, or as `Cache-Control: max-age` accepts it.",
        "schema": {"type": "integer"},
    },
}
_OF_KEPT_ANSWERS = ("Warning", "Age")
_RATE_LIMIT = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_ERROR_SCHEMA = {"$ref": "#/components/schemas/ErrorResponse"}


def responses(*errors: type[CeleriacError]) -> Responses:
    """Return the `responses=` of a route that may raise these: one entry for each status, an example for each code."""
    declared: Responses = {}
    for error in errors:
        status = http_status_of(error)
        response = declared.setdefault(status, {"model": ErrorResponse, "description": "", "content": _no_examples()})
        response["description"] = ", ".join(filter(None, (response["description"], f"`{error.code}`")))
        response["content"]["application/json"]["examples"][error.code] = {"value": _example(error)}
    return declared


def describe_app(app: FastAPI) -> Json:
    """Return the document of the app, made once; FastAPI calls it as `app.openapi`."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for operation in _operations(document):
            _complete(operation)
        _add_scopes(document, _strict_routes(app))
        declared = [(route.path_format, route.declared) for route in _strict_routes(app)]
        _add_headers_of_kept_answers(document, [path for path, each in declared if each.caches_answers])
        _add_tags_of_answers(document)
        add_links(document, {path: each.id_field for path, each in declared if each.id_field})
        add_webhooks(document)
        _add_components(document)
        app.openapi_schema = document
    return app.openapi_schema


def _strict_routes(app: FastAPI) -> Iterator[StrictRoute]:
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, StrictRoute):
            yield context.original_route


def _add_scopes(document: Json, routes: Iterable[StrictRoute]) -> None:
    for route in routes:
        asked = ANY_KEY if route.declared.any_key else route.declared.scope
        said = {SCOPE_FIELD: asked, OWN_SCOPE_FIELD: route.declared.own_scope, REACH_FIELD: route.declared.reach}
        for method in (route.methods or ()) if asked or route.declared.signs_in else ():
            operation = document["paths"][route.path_format][method.lower()]
            operation.update({name: str(value) for name, value in said.items() if value is not None})
            if not asked:
                operation["security"] = []


def _operations(document: Json) -> Iterator[Json]:
    for path in document.get("paths", {}).values():
        yield from path.values()


def _complete(operation: Json) -> None:
    declared: Json = operation["responses"]
    declared.pop("422", None)
    open_to_all = HEALTH_TAG in operation["tags"]
    if not open_to_all:
        operation["security"] = [{scheme: []} for scheme in SECURITY_SCHEMES]
    for status, response in responses(*_errors_of_any(operation, open_to_all=open_to_all)).items():
        _merge(response, into=declared.setdefault(str(status), {}))
    for status, response in declared.items():
        response["headers"] = _headers(status, limited=not open_to_all, keyed=_is_keyed(operation))


def _errors_of_any(operation: Json, *, open_to_all: bool) -> Iterator[type[CeleriacError]]:
    yield from (InvalidRequest, Forbidden, UnknownHost, InternalError, HeadTooLarge, RequestTimeout, Overloaded)
    if not open_to_all:
        yield from (Unauthenticated, RateLimited, DatabaseUnavailable, ServiceDegraded)
    if "requestBody" in operation:
        yield from (BodyTooLarge, UnsupportedMediaType)
    if _is_keyed(operation):
        yield IdempotencyConflict


def _is_keyed(operation: Json) -> bool:
    return any(parameter["name"] == KEY_HEADER for parameter in operation.get("parameters", ()))


def _merge(common: Json, *, into: Json) -> None:
    """Adds a common error to what the route declares itself for the same status."""
    codes = [into.get("description"), common["description"]]
    into["description"] = ", ".join(dict.fromkeys(filter(None, codes)))
    content = into.setdefault("content", {}).setdefault("application/json", {"schema": _ERROR_SCHEMA})
    content["examples"] = content.get("examples", {}) | common["content"]["application/json"]["examples"]


def _headers(status: str, *, limited: bool, keyed: bool) -> Json:
    names = ["X-Request-ID", BUILD_HEADER, *(_RATE_LIMIT if limited else ())]
    if status in ("429", "503"):
        names.append("Retry-After")
    if keyed and status.startswith("2"):
        names.append(REPLAYED_HEADER)
    return _references(names)


def _references(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _add_headers_of_kept_answers(document: Json, paths: Iterable[str]) -> None:
    for path in paths:
        document["paths"][path]["get"]["responses"]["200"]["headers"] |= _references(_OF_KEPT_ANSWERS)


def _add_tags_of_answers(document: Json) -> None:
    for operation in (methods["get"] for methods in document["paths"].values() if "get" in methods):
        good = operation["responses"].get("200", {})
        if "application/json" in good.get("content", ()):
            good["headers"] |= _references(["ETag"])
            headers = {name: ref for name, ref in good["headers"].items() if name != "Warning"}
            unchanged = {"description": "What `If-None-Match` names is still the answer.", "headers": headers}
            operation["responses"]["304"] = unchanged


def _add_components(document: Json) -> None:
    components: Json = document.setdefault("components", {})
    components["headers"] = HEADERS
    components["securitySchemes"] = SECURITY_SCHEMES
    for unused in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(unused, None)


def _no_examples() -> Json:
    return {"application/json": {"examples": {}}}


def _example(error: type[CeleriacError]) -> Json:
    example: Json = {
        "detail": error().detail,
        "code": error.code,
        "request_id": "01985a2c-7d1e-7c3a-b2f0-5d2f7c1e9a44",
        "timestamp": "2026-01-25T14:00:00Z",
    }
    if error.code == "VALIDATION_ERROR":
        example["errors"] = [{"field": "priority", "message": "Input should be less than or equal to 10"}]
    return example
