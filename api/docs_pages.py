"""Swagger UI and ReDoc from our own assets: where they are, and what their pages may load."""

from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

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
    """A FastAPI app, made with these options, whose two documentation pages work without internet."""
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


def is_docs_page(path: str) -> bool:
    """Whether the path is one of the two pages, their assets or the document."""
    return path.startswith(f"{ASSETS_URL}/") or path in _PAGES
