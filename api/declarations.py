"""What a route declares beside what FastAPI takes: decorators of its function, below that of the router.

    @router.get("", summary="List tasks")
    @needs(Scope.READ)
    @caches_answers
    async def list_tasks() -> TaskPage: ...

A `StrictRoute` has it as `declared`; the guard, the OpenAPI document and the links in that go by it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from domain.audit import Action
from domain.degradation import Access
from domain.scopes import Scope

_ATTRIBUTE = "celeriac_declared"


class Reach(StrEnum):
    """What a route tells of or acts on, where a key is limited to queues or task names."""

    WITHIN_LIMITS = "within_limits"
    """Nothing that lies outside the limits of the key: that does not exist for it."""
    WHOLE_FLEET = "whole_fleet"
    """What cannot be told apart by them. So a key with limits is refused."""


Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Declared:
    """What one route has declared."""

    scope: Scope | None = None
    """What a key must have; None where no key is asked for."""
    own_key: str | None = None
    """The parameter of the path with the id of a key that needs no scope for what is done to itself."""
    any_key: bool = False
    """Whether it asks for a key, whatever that may do."""
    reach: Reach | None = None
    """Each route that asks for a scope has one; without it a key with limits is refused."""
    own_scope: Scope | None = None
    """What a key may have instead, to be shown no more than what it has submitted itself."""
    signs_in: bool = False
    """Whether nothing is asked for, since this is where somebody shows who he is."""
    any_parameter: bool = False
    """Whether its query may have parameters that it does not know, as an issuer of tokens adds some."""
    access: Access | None = None
    """What a request needs, where its method and the route's tag do not tell."""
    caches_answers: bool = False
    action: Action | None = None
    """What a request is in the audit; its author is an argument of the function."""
    not_audited: str | None = None
    """Why a route that writes leaves no row in the audit."""
    id_field: str | None = None
    """The field of its 201 that holds the id which the routes below its path take."""


def needs(scope: Scope) -> Callable[[Endpoint], Endpoint]:
    """Declare what a key must have to call this."""

    def declare(endpoint: Endpoint) -> Endpoint:
        return _declare(endpoint, scope=scope)

    return declare


def needs_or_is(scope: Scope, *, own_key: str) -> Callable[[Endpoint], Endpoint]:
    """Declare what a key must have to call this for another key than itself, which this parameter names."""

    def declare(endpoint: Endpoint) -> Endpoint:
        return _declare(endpoint, scope=scope, own_key=own_key)

    return declare


def within_limits(endpoint: Endpoint) -> Endpoint:
    """Declare that nothing outside the limits of a key is told or touched: the route asks for `Sighted`."""
    return _declare(endpoint, reach=Reach.WITHIN_LIMITS)


def whole_fleet(endpoint: Endpoint) -> Endpoint:
    """Declare that a key with limits may not call this."""
    return _declare(endpoint, reach=Reach.WHOLE_FLEET)


def shows_own(endpoint: Endpoint) -> Endpoint:
    """Declare that a key which may submit and not read is shown what it has submitted: the route asks for `Sighted`."""
    return _declare(endpoint, own_scope=Scope.SUBMIT)


def needs_any_key(endpoint: Endpoint) -> Endpoint:
    """Declare that every key may call this."""
    return _declare(endpoint, any_key=True)


def signs_in(endpoint: Endpoint) -> Endpoint:
    """Declare that this is where somebody shows who he is (`api/middleware/scopes.py` has the paths)."""
    return _declare(endpoint, signs_in=True)


def takes_any_parameter(endpoint: Endpoint) -> Endpoint:
    """Declare that parameters which are not known here are passed over."""
    return _declare(endpoint, any_parameter=True)


def audited_as(action: Action) -> Callable[[Endpoint], Endpoint]:
    """Declare under which name the audit has what this does."""

    def declare(endpoint: Endpoint) -> Endpoint:
        return _declare(endpoint, action=action)

    return declare


def not_audited(reason: str) -> Callable[[Endpoint], Endpoint]:
    """Declare why this writes and leaves no row in the audit."""

    def declare(endpoint: Endpoint) -> Endpoint:
        return _declare(endpoint, not_audited=reason)

    return declare


def submits(endpoint: Endpoint) -> Endpoint:
    """Declare that a request makes tasks to be dispatched."""
    return _declare(endpoint, access=Access.SUBMIT)


def reads_result(endpoint: Endpoint) -> Endpoint:
    """Declare that the answer holds a result."""
    return _declare(endpoint, access=Access.READ_RESULT)


def caches_answers(endpoint: Endpoint) -> Endpoint:
    """Declare that good answers to GET are kept, and shown again while a component is degraded."""
    return _declare(endpoint, caches_answers=True)


def answers_with_id(field: str) -> Callable[[Endpoint], Endpoint]:
    """Declare that this field of the 201 is the id which all routes below this one's path take."""

    def declare(endpoint: Endpoint) -> Endpoint:
        return _declare(endpoint, id_field=field)

    return declare


def declared_by(endpoint: Callable[..., Any]) -> Declared:
    """Return what was declared of the function; nothing for one without such decorators."""
    declared: Declared = getattr(endpoint, _ATTRIBUTE, Declared())
    return declared


def _declare(endpoint: Endpoint, **changes: Any) -> Endpoint:
    setattr(endpoint, _ATTRIBUTE, replace(declared_by(endpoint), **changes))
    return endpoint
