"""What the middlewares read from an ASGI scope."""

from starlette.types import Scope

HEALTH_PATH = "/api/v1/health"
METRICS_PATH = "/metrics"


def header_of(scope: Scope, name: bytes) -> str:
    """The first header of this lower-case name, or ""."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def is_open(scope: Scope) -> bool:
    """Whether this is `/metrics`, `/health` or below it: neither limited nor authenticated, for who watches."""
    path: str = scope["path"]
    return path == METRICS_PATH or (path.startswith(HEALTH_PATH) and path[len(HEALTH_PATH) :][:1] in ("", "/"))
