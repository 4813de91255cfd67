"""Who writes by a request, and why: what a route passes to the verb that records it. Here `X-Celeriac-Reason` is read.

Refusals for want of a scope are recorded here too, so many a minute, since there is no verb that would.
"""

from typing import Annotated

import structlog
from fastapi import Depends, Header, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from api.declarations import Declared
from api.middleware.client_address import ClientAddress
from api.middleware.failed_keys import FailedKeys
from api.middleware.scopes import PRINCIPAL, headers_of
from domain.audit import MAX_REASON, REASON_HEADER, Author, Change, Outcome, author_of, check_reason
from domain.errors import InvalidRequest
from domain.principals import Principal
from services.audit import record_change
from services.transactions import Transact

log = structlog.get_logger(__name__)


_Reason = Annotated[
    str | None,
    Header(
        alias=REASON_HEADER,
        description="Why this is done, for the audit: one line of text. Operators may demand it "
        "(`CELERIAC_REQUIRE_REASON`).",
        json_schema_extra={"maxLength": MAX_REASON},
    ),
]


async def _get_author(request: Request, _: _Reason = None) -> Author:
    author = await _get_author_with_reason(request)
    declared: Declared = request.scope["route"].declared
    if author.reason is None and declared.scope in request.app.state.settings.require_reason:
        raise _refused("is needed: say why this is done")
    return author


async def _get_author_with_reason(request: Request, _: _Reason = None) -> Author:
    return _author_in(request.scope, reason=_reason_of(request.scope))


RequestAuthor = Annotated[Author, Depends(_get_author)]
"""Who makes the request and why; raises InvalidRequest for what is no reason, or where one is needed."""
ReasonedAuthor = Annotated[Author, Depends(_get_author_with_reason)]
"""Who makes a request whose body must say why: no header is demanded."""


class Refusals:
    """Records who was refused what for want of a scope: so many a minute of each principal, in each process."""

    def __init__(self, transact: Transact) -> None:
        self._transact = transact
        self._counted = FailedKeys()

    async def record(self, scope: Scope, declared: Declared) -> None:
        """Write the row of a refusal; without a database the log line is all that there is."""
        author = _author_in(scope, reason=_harmless_reason(scope))
        if declared.action is None or self._counted.wait_seconds(author.label):
            return
        self._counted.add(author.label)
        subject = ", ".join(map(str, scope.get("path_params", {}).values()))
        try:
            async with self._transact() as connection:
                await record_change(
                    connection, Change(declared.action, subject, outcome=Outcome.REFUSED), author=author
                )
        except (TimeoutError, SQLAlchemyError, OSError) as error:
            log.warning("refusal_not_audited", action=declared.action.value, error=type(error).__name__)


def _author_in(scope: Scope, *, reason: str | None) -> Author:
    principal: Principal = scope[PRINCIPAL]
    address: ClientAddress = scope["app"].state.client_address
    exact = address.exact(scope)
    return author_of(principal, request_id=scope["request_id"], address=str(exact) if exact else None, reason=reason)


def _reason_of(scope: Scope) -> str | None:
    """The reason that was sent; raises InvalidRequest for what is none."""
    lines = headers_of(scope, REASON_HEADER.lower().encode())
    if not lines:
        return None
    if len(lines) > 1:
        raise _refused("is given more than once")
    text = _decoded(lines[0])
    try:
        check_reason(text)
    except ValueError as flaw:
        raise _refused(str(flaw)) from None
    return text


def _harmless_reason(scope: Scope) -> str | None:
    try:
        return _reason_of(scope)
    except InvalidRequest:
        return None


def _decoded(header: str) -> str:
    """Clients send UTF-8, or Latin-1 as HTTP once had it."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def _refused(flaw: str) -> InvalidRequest:
    return InvalidRequest(f"{REASON_HEADER} {flaw}.", errors=((REASON_HEADER, flaw),))
