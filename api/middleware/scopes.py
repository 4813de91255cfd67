"""What the middlewares read from an ASGI scope."""

from starlette.types import Scope

BUILD_HEADER = "X-Celeriac-Build"
"""The header that says which build of the dashboard belongs to this API."""
HEALTH_PATH = "/api/v1/health"
METRICS_PATH = "/metrics"
DASHBOARD_PATH = "/ui"
SESSION_PATH = "/api/v1/session"
SIGN_IN_PATH = f"{SESSION_PATH}/oidc"
SIGN_INS = frozenset(
    {
        ("GET", f"{SESSION_PATH}/ways"),
        ("POST", SESSION_PATH),
        ("GET", f"{SIGN_IN_PATH}/login"),
        ("GET", f"{SIGN_IN_PATH}/callback"),
    }
)
"""The requests by which somebody signs in, and learns how."""
PRINCIPAL = "celeriac.principal"
"""The place where a scope has the `Principal` who makes the request; empty on paths that are open to all."""
SIGHT = "celeriac.sight"
"""The place where a scope has the `Sight` of that principal on this route; empty where PRINCIPAL is."""


def headers_of(scope: Scope, name: bytes) -> list[str]:
    """Return every header line of this lower-case name, in the order in which they came."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def header_of(scope: Scope, name: bytes) -> str:
    """Return the only header of this lower-case name, or "".

    Also "" of one that came more than once: a proxy and we might each believe another of them.
    """
    values = headers_of(scope, name)
    return values[0] if len(values) == 1 else ""


def is_open(scope: Scope) -> bool:
    """Tell whether this is `/metrics`, `/health` or below it, or a file of the dashboard: neither limited nor
    authenticated, for who watches.
    """
    path: str = scope["path"]
    return path in (METRICS_PATH, "/") or _is_within(HEALTH_PATH, path) or is_dashboard(path)


def is_dashboard(path: str) -> bool:
    """Tell whether the path is the dashboard's page or one of its files, which hold no data."""
    return _is_within(DASHBOARD_PATH, path)


def _is_within(folder: str, path: str) -> bool:
    return path.startswith(folder) and path[len(folder) :][:1] in ("", "/")


def signs_in(scope: Scope) -> bool:
    """Tell whether this is somebody who wants to sign in: limited, but asked for nothing before."""
    return (scope["method"], scope["path"]) in SIGN_INS
