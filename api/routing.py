"""The routers that `routes/` are made of, and what they hold every request against before its function runs.

Unknown query parameters, a body that is not JSON and a body too large are refused here, once for all routes.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.authorship import Refusals
from api.bodies.reading import MAX_BODY_BYTES, pass_on
from api.bodies.shapes import BodyForm, field_name
from api.declarations import Declared, Reach, declared_by
from api.errors import LimitedKey, MissingScope, UnsupportedMediaType
from api.etags import tagged
from api.middleware.scopes import PRINCIPAL, SIGHT
from api.middleware.whole_segments import decode_segments
from api.resilience.guard import Guard, access_of
from domain.errors import InvalidRequest
from domain.principals import Principal, PrincipalKind
from domain.sight import EVERYTHING, Sight

API_PREFIX = "/api/v1"
HEALTH_TAG = "health"
"""Routes with this tag are neither limited nor authenticated."""
MAX_PARAMETERS = 300
"""Parameters in one query string: every filter, and the longest list of statuses."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def api_router(prefix: str = "", *, tag: str) -> APIRouter:
    """Return the router of one noun, e.g. `api_router("/tasks", tag="tasks")`."""
    return APIRouter(prefix=API_PREFIX + prefix, tags=[tag], route_class=StrictRoute)


class StrictRoute(APIRoute):
    """A route that refuses what it does not know. `max_body_size=` of the route decorator raises its body's cap.

    The cap is enforced here and not by FastAPI, whose 413 is plain text.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], *, max_body_size: int | None = None, **options: Any):
        self.max_body_bytes = max_body_size or MAX_BODY_BYTES
        self.declared = declared_by(endpoint)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler, with what is refused for every route before it."""
        handle = super().get_route_handler()
        known_parameters = None if self.declared.any_parameter else _query_parameters(self.dependant)
        form = BodyForm(self.body_field.field_info.annotation) if self.body_field else None

        async def handle_strictly(request: Request) -> Response:
            _refuse_unknown_parameters(request, known_parameters)
            if form is None:
                return await handle(request)
            has_body, length = _promised_length(request)
            if not has_body:
                return await handle(request)
            return await pass_on(handle, request, form=form, max_bytes=self.max_body_bytes, length=length)

        return handle_strictly

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request through the guard, which may answer in the place of the route."""
        decode_segments(scope)
        if scope["method"] == "GET":
            send = tagged(scope, send)
        method, is_known = scope["method"], scope["method"] in (self.methods or ())
        access = access_of(self.declared, method, tag=str(self.tags[0])) if is_known else None
        if is_known:
            try:
                scope[SIGHT] = _sight(self.declared, scope)
            except (MissingScope, LimitedKey):
                await _note_refusal(self.declared, scope)
                raise
        if access is None:
            await super().handle(scope, receive, send)
            return
        guard: Guard = scope["app"].state.guard
        caches = method == "GET" and self.declared.caches_answers
        await guard.pass_through(super().handle, scope, receive=receive, send=send, access=access, caches=caches)


async def _note_refusal(declared: Declared, scope: Scope) -> None:
    """Write into the audit that what would have changed something was refused."""
    if declared.action is not None:
        refusals: Refusals = scope["app"].state.refusals
        await refusals.record(scope, declared)


def _sight(declared: Declared, scope: Scope) -> Sight:
    """What the principal sees on this route.

    Raises MissingScope unless he has what it asks for, LimitedKey if it goes beyond his limits; neither where he is
    the key that it is about.
    """
    if declared.scope is None:
        return EVERYTHING
    principal: Principal = scope[PRINCIPAL]
    is_itself = declared.own_key is not None and principal.id == scope["path_params"].get(declared.own_key)
    if is_itself and principal.kind is PrincipalKind.API_KEY:
        return EVERYTHING
    sees_own = declared.own_scope is not None and principal.may(declared.own_scope)
    if not (principal.may(declared.scope) or sees_own):
        raise MissingScope(declared.scope)
    if principal.limits and declared.reach is not Reach.WITHIN_LIMITS:
        raise LimitedKey
    return Sight(principal.limits, None if principal.may(declared.scope) else principal.author)


def _query_parameters(dependant: Dependant) -> frozenset[str]:
    """Names of all query parameters of a route and its dependencies, those inside a query model included."""
    names: set[str] = set()
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            names.update(inner.alias or name for name, inner in annotation.model_fields.items())
        else:
            names.add(field.alias)
    return frozenset(names.union(*map(_query_parameters, dependant.dependencies)))


def _refuse_unknown_parameters(request: Request, names: frozenset[str] | None) -> None:
    if b"\x00" in request.scope.get("raw_path", b"") or "\x00" in request.scope["path"]:
        raise InvalidRequest("A path cannot hold the character U+0000.", errors=(("path", "holds U+0000"),))
    if not request.scope["query_string"]:
        return
    if request.scope["query_string"].count(b"&") >= MAX_PARAMETERS:
        raise InvalidRequest(
            f"There are more than {MAX_PARAMETERS} query parameters.", errors=(("query", "too many parameters"),)
        )
    parameters = request.query_params
    unknown = [name for name in parameters if names is not None and name not in names]
    if unknown:
        raise InvalidRequest(
            f"Unknown query parameter: {unknown[0][:100]}",
            errors=tuple((name[:100], "unknown query parameter") for name in unknown),
        )
    nul = [name for name, value in parameters.multi_items() if "\x00" in value]
    if nul:
        raise InvalidRequest(
            f"{field_name(nul[:1])} holds the character U+0000.",
            errors=tuple((field_name((name,)), "holds U+0000") for name in nul),
        )


def _promised_length(request: Request) -> tuple[bool, int | None]:
    """Whether the head promises a body, and how long it says it is; raises UnsupportedMediaType if it is not JSON."""
    length = request.headers.get("content-length", "")
    if length == "0" or not (length or "transfer-encoding" in request.headers):
        return False, None
    # All of them: whoever stands before us may have read another than FastAPI does.
    media_types = request.headers.getlist("content-type")
    if not media_types or not all(map(_is_json, media_types)):
        raise UnsupportedMediaType()
    return True, int(length) if length.isdecimal() else None


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))
