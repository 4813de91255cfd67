"""`make map` writes docs/permissions.md too: the scope that each route asks for, as the routes declare it.

A test compares the page with the code, so a route that asks for something else is a line that changes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.app import create_app
from api.declarations import Reach
from api.openapi.document import ANY_KEY, OWN_SCOPE_FIELD, REACH_FIELD, SCOPE_FIELD
from api.routing import API_PREFIX
from domain.scopes import MEANINGS, Scope
from settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "permissions.md"

HEAD = """# Who may call what

`make map` writes this page from the routes, and a test compares the two. Each route asks for one scope, which stands in
`/openapi.json` as `x-celeriac-scope`. An [API key](keys.md) has the scopes that it was made with, and none of them
includes another. A key of `CELERIAC_API_KEYS` has all four, or `read` alone if it ends in `:read`. A token has what the
settings give to its claim, and a session what it was made from ([Signing in](sign-in.md)). While there is neither a
key nor an issuer of tokens, every program that reaches the API has all of them: [security.md](security.md) says who
that is.

Where a key is [limited](keys.md#limits) to queues or task names, `within` means that nothing outside of them exists for
it: not in what it is shown, and not in what it does. `refused` means 403, since the route is about all tasks together.
`x-celeriac-reach` says the same. *own* means that a key with `submit` and without `read` may call it as well, and is
shown what it has submitted itself.

| Scope | Lets you |
|---|---|
"""
TAIL = """
A key may rotate itself without `admin`, whatever its limits.

## Without a scope

`GET /health` and what is below it need no key, for orchestrators have none, and neither do the files of the dashboard
(`/` and all below `/ui/`), which hold no data. `GET /metrics` is open on loopback;
elsewhere it needs any key, or that of `CELERIAC_METRICS_KEY`. `/docs`, `/redoc` and `/openapi.json` need any key.
Whoever signs in (`POST /session`, `GET /session/oidc/login`, `GET /session/oidc/callback`) shows there who he is; `GET
/session/ways` says by which of them one can. A token or a session stands for a key everywhere.
"""


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(render())


def render() -> str:
    """The text of docs/permissions.md, as the routes are now."""
    scopes = "".join(f"| `{scope}` | {meaning} |\n" for scope, meaning in MEANINGS.items())
    sections = "".join(_section(scope) for scope in (*Scope, ANY_KEY))
    return HEAD + scopes + sections + TAIL


def _section(scope: str) -> str:
    rows = "".join(
        f"| `{route}` | {summary} | {limited} |\n" for route, summary, limited, asked in _routes() if asked == scope
    )
    heading = f"## {str(scope).capitalize()}{' key' if scope == ANY_KEY else ''}"
    return f"\n{heading}\n\n| Route | | With limits |\n|---|---|---|\n{rows}"


def _routes() -> Iterator[tuple[str, str, str, str | None]]:
    """Each route with its summary, what a key with limits may do there, and the scope that it asks for, if any."""
    for path, operations in create_app(Settings()).openapi()["paths"].items():
        for verb, operation in operations.items():
            route = f"{verb.upper()} {path.removeprefix(API_PREFIX)}"
            yield route, operation["summary"], _limited(operation), operation.get(SCOPE_FIELD)


def _limited(operation: dict[str, Any]) -> str:
    if OWN_SCOPE_FIELD in operation:
        return "within, *own*"
    return {None: "", Reach.WITHIN_LIMITS: "within", Reach.WHOLE_FLEET: "refused"}[operation.get(REACH_FIELD)]


if __name__ == "__main__":
    main()
