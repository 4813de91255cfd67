"""Exceptions that reach the edge of a route, answered in the one error form of `errors.py`.

What no handler here expects is answered with a 500 by `middleware/request_context.py`.
"""

from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from api.bodies.shapes import field_name, message_of
from api.errors import (
    MAX_FIELD_ERRORS,
    STATUS,
    UNAVAILABLE_DRIVER_ERRORS,
    InternalError,
    MethodNotAllowed,
    error_response,
    sentence,
    translate,
)
from domain.errors import CeleriacError, InvalidRequest, Unavailable

FORESEEN: tuple[type[Exception], ...] = (CeleriacError, *UNAVAILABLE_DRIVER_ERRORS)
"""The errors that requests may end with."""
_BY_STATUS = {status: error_class for error_class, status in STATUS.items()}

log = structlog.get_logger(__name__)


def install_handlers(app: FastAPI) -> None:
    """Give every exception that we know of its answer."""
    for error_class in FORESEEN:
        app.add_exception_handler(error_class, _answer_known)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(ResponseValidationError, _answer_our_mistake)
    app.add_exception_handler(HTTPException, _answer_http)


async def _answer_known(request: Request, error: Exception) -> Response:
    return answer_foreseen(error, request.scope)


def answer_foreseen(error: Exception, scope: Scope) -> Response:
    """Return the answer for one of `FORESEEN`."""
    translated = translate(error)
    if isinstance(translated, Unavailable):
        log.warning("component_unavailable", code=translated.code, error=type(error.__cause__ or error).__name__)
    return error_response(translated, scope)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = tuple(_field_error(problem) for problem in error.errors()[:MAX_FIELD_ERRORS])
    return error_response(InvalidRequest(sentence(fields), errors=fields), request.scope)


async def _answer_our_mistake(request: Request, error: Exception) -> Response:
    """A response of another form than declared. Logged by its fields: its text would hold the values, arguments too."""
    assert isinstance(error, ResponseValidationError)
    log.error("response_invalid", fields=[_field_error(problem) for problem in error.errors()[:MAX_FIELD_ERRORS]])
    return error_response(InternalError(), request.scope)


async def _answer_http(request: Request, error: Exception) -> Response:
    """Starlette's and FastAPI's own: 404 and 405."""
    assert isinstance(error, HTTPException)
    error_class = _BY_STATUS.get(error.status_code, InternalError)
    methods = ", ".join(_allowed_methods(request)) if error_class is MethodNotAllowed else ""
    if not methods:
        return error_response(error_class(), request.scope)
    response = error_response(MethodNotAllowed.but(request.method, methods), request.scope)
    response.headers["Allow"] = methods
    return response


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of all routes with this path; FastAPI's own `Allow` names only those of the first."""
    path = request.scope["path"]
    routes = [route for route in iter_route_contexts(request.app.routes) if route.path_regex.fullmatch(path)]
    return sorted({method for route in routes for method in route.methods or ()})


def _field_error(problem: dict[str, Any]) -> tuple[str, str]:
    """Field and message of one of pydantic's errors; never the value, which may be a secret."""
    where, *steps = problem["loc"]
    return field_name(steps or [where]), message_of(problem)
