"""Errors as HTTP: the status of each class, the body, and drivers' errors translated. Handlers are in `handlers.py`.

The classes that the whole system knows are in `domain/errors.py`; those below only make sense over HTTP.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

import redis.exceptions
import sqlalchemy.exc
from starlette.responses import Response
from starlette.types import Scope

from api.schemas.base import ErrorResponse, FieldError
from domain.errors import (
    BuiltInPreset,
    CeleriacError,
    Conflict,
    DatabaseUnavailable,
    InvalidRequest,
    NotFound,
    Unavailable,
    WorkerExists,
)

MAX_FIELD_ERRORS = 100
MAX_DETAIL = 4_000
MAX_FIELD = 200
MAX_MESSAGE = 300
"""Characters of a message. It often names things of the client, which may be of any length."""


class Unauthenticated(CeleriacError):
    """This needs an API key: send `Authorization: Bearer <key>`."""

    code = "UNAUTHENTICATED"


class SessionOver(Unauthenticated):
    """This session is over: sign in again."""


class Forbidden(CeleriacError):
    """You may not do that."""

    code = "FORBIDDEN"

    def __init__(self, detail: str | None = None, *, errors: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)
        """Pairs of (field, message)."""


class MissingScope(Forbidden):
    """A scope is missing."""

    def __init__(self, needed: str) -> None:
        super().__init__(f"This needs the scope {needed}.", errors=[("scope", f"needs {needed}")])


class LimitedKey(Forbidden):
    """This API key has limits."""

    def __init__(self) -> None:
        super().__init__(
            "This is about all queues and tasks together: it needs an API key without limits to queues or task names.",
            errors=[("limits", "needs a key without limits")],
        )


class OutsideLimits(Forbidden):
    """This lies outside the limits of this API key."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__(sentence(errors), errors=errors)


class UnknownHost(CeleriacError):
    """This host name is not one of ours; an operator may add it to CELERIAC_ALLOWED_HOSTS."""

    code = "UNKNOWN_HOST"


class MethodNotAllowed(CeleriacError):
    """This path does not take this method."""

    code = "METHOD_NOT_ALLOWED"

    @classmethod
    def but(cls, method: str, methods: str) -> Self:
        """The error for a path that takes these methods, and not the one asked for."""
        return cls(f"This path takes {methods}, not {method}.")


class BodyTooLarge(CeleriacError):
    """The request body is too large."""

    code = "BODY_TOO_LARGE"


class RequestTimeout(CeleriacError):
    """The request took too long to arrive."""

    code = "REQUEST_TIMEOUT"


class HeadTooLarge(CeleriacError):
    """The request's path, query and headers are too large together, or the headers too many."""

    code = "HEAD_TOO_LARGE"


class UnsupportedMediaType(CeleriacError):
    """The request body must be JSON: send `Content-Type: application/json`."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class RateLimited(CeleriacError):
    """Too many requests; try again later."""

    code = "RATE_LIMITED"

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class TooManyWrongKeys(RateLimited):
    """Too many wrong API keys; try again later."""


class InternalError(CeleriacError):
    """Something went wrong on our side; the log line with this request id says more."""


STATUS: dict[type[CeleriacError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    BuiltInPreset: 403,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    RequestTimeout: 408,
    Conflict: 409,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    UnknownHost: 421,
    RateLimited: 429,
    HeadTooLarge: 431,
    InternalError: 500,
    Unavailable: 503,
}
"""The HTTP status of each class of errors. A subclass has that of its nearest ancestor; any other error is a 500."""

UNAVAILABLE_DRIVER_ERRORS: dict[type[Exception], type[Unavailable]] = {
    sqlalchemy.exc.OperationalError: DatabaseUnavailable,
    sqlalchemy.exc.InterfaceError: DatabaseUnavailable,
    sqlalchemy.exc.TimeoutError: DatabaseUnavailable,
    redis.exceptions.ConnectionError: Unavailable,
    redis.exceptions.TimeoutError: Unavailable,
    TimeoutError: Unavailable,
}
"""Errors that drivers raise when a server is down, hangs or shuts down. Any other is a fault of ours."""


def http_status_of(error_class: type[CeleriacError]) -> int:
    """Return the HTTP status of an error class."""
    return next((STATUS[ancestor] for ancestor in error_class.__mro__ if ancestor in STATUS), 500)


def translate(error: Exception) -> CeleriacError:
    """Return our errors as they are, a driver's for a server that is down as `Unavailable`, anything else as
    internal."""
    if isinstance(error, CeleriacError):
        return error
    for driver_error, unavailable in UNAVAILABLE_DRIVER_ERRORS.items():
        if isinstance(error, driver_error):
            return unavailable()
    return InternalError()


def error_response(error: CeleriacError, scope: Scope) -> Response:
    """Return the answer for an error, in the one form that all errors have."""
    body = ErrorResponse(
        detail=_cut(error.detail, MAX_DETAIL),
        code=error.code,
        request_id=scope["request_id"],
        timestamp=datetime.now(UTC),
        errors=_field_errors(error),
        worker_id=error.worker_id if isinstance(error, WorkerExists) else None,
    )
    return Response(
        body.model_dump_json(exclude_none=True),
        status_code=http_status_of(type(error)),
        headers=_headers(error),
        media_type="application/json",
    )


def sentence(errors: Sequence[tuple[str, str]], *, more: bool = False) -> str:
    """Say in one sentence what is wrong with a request, from pairs (field, message); `more`: these are not all."""
    field, message = errors[0]
    others = f"{'at least ' if more else ''}{len(errors) - 1} more"
    return f"{field}: {message} (and {others})" if len(errors) > 1 else f"{field}: {message}"


def _field_errors(error: CeleriacError) -> list[FieldError] | None:
    if not isinstance(error, InvalidRequest | Forbidden):
        return None
    if not (error.errors or error.code == InvalidRequest.code):
        return None
    first_errors = error.errors[:MAX_FIELD_ERRORS]
    return [
        FieldError(field=_cut(field, MAX_FIELD), message=_cut(message, MAX_MESSAGE)) for field, message in first_errors
    ]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _headers(error: CeleriacError) -> dict[str, str]:
    if isinstance(error, Unavailable) or (isinstance(error, RateLimited) and error.retry_after_seconds):
        return {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="celeriac"'}
    return {}
