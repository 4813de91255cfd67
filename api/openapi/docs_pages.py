"""Swagger UI and ReDoc from our own assets, and the document that they show: where they are, what they may load."""

import asyncio
import json
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.requests import Request
from starlette.responses import Response

DOCS_URL = "/docs"
REDOC_URL = "/redoc"
OPENAPI_URL = "/openapi.json"
ASSETS_URL = "/docs-assets"

_PAGES = (DOCS_URL, REDOC_URL, OPENAPI_URL)

# Both pages start from an inline script and inline styles; ReDoc searches in a worker made from a blob.
DOCS_CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)


def app_with_docs(title: str, **options: Any) -> FastAPI:
    """Return a FastAPI app, made with these options, whose two documentation pages work without internet."""
    app: FastAPI = FastAPIOffline(
        docs_url=DOCS_URL,
        redoc_url=REDOC_URL,
        openapi_url=OPENAPI_URL,
        static_url=ASSETS_URL,
        title=title,
        # Its badge would send our document's address to the validator's public server.
        swagger_ui_parameters={"validatorUrl": None},
        **options,
    )
    return app


def serve_document(app: FastAPI) -> None:
    """Serve the OpenAPI document in the place of FastAPI's own route, which writes it anew for each request: 20 ms."""
    routes = app.router.routes
    routes[:] = [route for route in routes if getattr(route, "path", None) != OPENAPI_URL]
    app.add_route(OPENAPI_URL, Document(app).answer, include_in_schema=False)


class Document:
    """The text of the OpenAPI document, written when it is first asked for, beside the event loop: it takes half a
    second.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._writing = asyncio.Lock()
        self._text: str | None = None

    async def answer(self, _: Request) -> Response:
        """Return the document as a response."""
        async with self._writing:
            if self._text is None:
                self._text = await asyncio.to_thread(self._write)
        return Response(self._text, media_type="application/json")

    def _write(self) -> str:
        return json.dumps(self._app.openapi(), ensure_ascii=False, separators=(",", ":"))


def is_docs_page(path: str) -> bool:
    """Tell whether the path is one of the two pages, their assets or the document."""
    return path.startswith(f"{ASSETS_URL}/") or path in _PAGES
