"""The document of the REST API as its routes tell it, made once in each process: it takes half a second."""

from functools import cache
from typing import Any

from api.app import create_app
from settings import Settings


@cache
def document() -> dict[str, Any]:
    """The whole of it, not to be changed."""
    found: dict[str, Any] = create_app(Settings()).openapi()
    return found
