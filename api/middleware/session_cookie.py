"""The two cookies: that of a session, and that of a sign-in which is under way.

The first is `SameSite=Strict`: no page of another site can make a browser send it, whatever else fails. A browser that
comes back from the issuer comes from another site, so what it needs for that stands in a cookie of its own, which is
`Lax`, goes to these paths alone and opens nothing.
"""

from starlette.types import Scope

from api.middleware.scopes import SIGN_IN_PATH, headers_of
from domain.sessions import LONGEST
from domain.sign_ins import LASTS

SESSION_COOKIE = "celeriac_session"
SIGN_IN_COOKIE = "celeriac_sign_in"

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PAGE_HEADERS = frozenset({b"origin", b"sec-fetch-site"})

SESSION_ENDS = f"{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
SIGN_IN_ENDS = f"{SIGN_IN_COOKIE}=; Path={SIGN_IN_PATH}; Max-Age=0; HttpOnly; SameSite=Lax"


def session_cookie(text: str, *, is_https: bool) -> str:
    """Return the header value that has a browser keep a session."""
    kept = f"Path=/; Max-Age={int(LONGEST.total_seconds())}; HttpOnly; SameSite=Strict"
    return f"{SESSION_COOKIE}={text}; {kept}{_secure(is_https)}"


def sign_in_cookie(text: str, *, is_https: bool) -> str:
    """Return the header value that has a browser keep what it needs to come back from the issuer."""
    kept = f"Path={SIGN_IN_PATH}; Max-Age={int(LASTS.total_seconds())}; HttpOnly; SameSite=Lax"
    return f"{SIGN_IN_COOKIE}={text}; {kept}{_secure(is_https)}"


def cookie_of(scope: Scope, name: str) -> str:
    """Return the only cookie of this name, or "".

    Also "" where there are several: a page of a neighbouring name or port may have set one of them.
    """
    pairs = (pair.partition("=") for line in headers_of(scope, b"cookie") for pair in line.split(";"))
    found = [value.strip() for key, _, value in pairs if key.strip() == name]
    return found[0] if len(found) == 1 else ""


def comes_of_own_page(scope: Scope) -> bool:
    """Whether a browser has said of a request that changes something which page it comes from.

    That of another site was refused already (`own_origins.py`). What says nothing is no browser of today.
    """
    return scope["method"] in SAFE_METHODS or any(name in _PAGE_HEADERS for name, _ in scope["headers"])


def is_https(scope: Scope, public_url: str | None) -> bool:
    """Whether browsers reach us by https, as far as that is known: a proxy may speak it for us."""
    asked_from = headers_of(scope, b"origin")
    return (
        scope["scheme"] == "https"
        or (public_url or "").startswith("https:")
        or any(origin.startswith("https:") for origin in asked_from)
    )


def _secure(is_https: bool) -> str:
    return "; Secure" if is_https else ""
