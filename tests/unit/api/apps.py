"""Small apps with the real edge (handlers, request context) around routes of a test's own, and a client for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from api.bodies.reading import LargeBodies
from api.handlers import install_handlers
from api.health.metrics import Metrics
from api.middleware.request_context import RequestContext
from api.middleware.scopes import PRINCIPAL
from domain.degradation import Access
from domain.principals import LOCAL, Principal, PrincipalKind
from domain.scopes import Scope
from domain.sight import Limits


class OpenGate:
    """See `api.resilience.guard.Gate`; nothing is marked."""

    async def pass_through(
        self, route: ASGIApp, scope: ASGIScope, *, receive: Receive, send: Send, access: Access, caches: bool
    ) -> None:
        await route(scope, receive, send)


class LetIn:
    """Where no layer of the test asks for keys, everybody may do everything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send, /) -> None:
        scope.setdefault(PRINCIPAL, LOCAL)
        await self._app(scope, receive, send)


class HasLimits:
    """A layer that lets everybody in with a key that may read, and only within these limits."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app = app
        self._principal = Principal(PrincipalKind.API_KEY, "k", "limited", frozenset({Scope.READ}), limits=limits)

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send, /) -> None:
        scope[PRINCIPAL] = self._principal
        await self._app(scope, receive, send)


def app_of(*routers: APIRouter, layers: tuple[tuple[Any, dict[str, Any]], ...] = ()) -> FastAPI:
    """An app of these routers; `layers` are middlewares with their options, innermost first."""
    app = FastAPI(redirect_slashes=False)
    app.state.guard = OpenGate()
    app.state.large_bodies = LargeBodies()
    install_handlers(app)
    for router in routers:
        app.router.routes.extend(router.routes)
    app.add_middleware(LetIn)
    for layer, options in layers:
        app.add_middleware(layer, **options)
    app.state.metrics = Metrics()
    app.add_middleware(RequestContext, metrics=app.state.metrics)
    return app


@asynccontextmanager
async def client_of(app: FastAPI, *, address: str = "127.0.0.1") -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(app=app, client=(address, 50_000))
    async with AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
