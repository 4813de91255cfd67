"""Sessions: signing in with a key or at the issuer of tokens, signing out, and who is signed in."""

from html import escape
from typing import Annotated

from fastapi import Query, Request, Response
from starlette.datastructures import Headers

from api.authorship import RequestAuthor
from api.declarations import audited_as, needs, needs_any_key, signs_in, takes_any_parameter, whole_fleet
from api.dependencies import ReadConnection, Resources, WriteConnection
from api.errors import Unauthenticated
from api.middleware.authentication import AUTHENTICATION, Authentication
from api.middleware.scopes import SIGN_IN_PATH
from api.middleware.session_cookie import (
    SESSION_ENDS,
    SIGN_IN_COOKIE,
    SIGN_IN_ENDS,
    cookie_of,
    is_https,
    session_cookie,
    sign_in_cookie,
)
from api.middleware.sessions import SESSION_ID, NothingGranted
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from api.schemas.sessions import SessionModel, SessionOrder, SessionPage, SignInWays
from domain.audit import Action
from domain.errors import InvalidRequest, IssuerUnavailable, NotFound, SessionNotFound
from domain.scopes import Scope
from domain.sessions import Owner
from domain.sign_ins import USUAL_PATH, SignIn, is_local_path, read_sign_in
from gateway.oidc import Client
from services import sessions, sign_ins
from services.drawing import draw_secret
from services.resident.issuer import Issuer, TokenRefused
from services.sessions import Browser
from store.queries.sessions import list_sessions

router = api_router(tag="sessions")

NO_STORE = {"Cache-Control": "no-store"}
RETURN_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Signed in</title>
<meta http-equiv="refresh" content="0;url={path}"></head>
<body><p>You are signed in. <a href="{path}">Go on</a></p></body></html>
"""
"""A page of ours leads on, and no redirect: to a browser that a page of another site has sent, a redirect belongs to
that site still, and the strict cookie would stay behind.
"""


@router.get("/session/ways", summary="Get the ways to sign in")
@signs_in
async def get_ways(request: Request) -> SignInWays:
    """What a sign-in page may offer. Both are false where nobody is asked for a key."""
    return SignInWays(api_key=_authentication(request).has_keys, issuer=_issuer_to_sign_in_at(request) is not None)


@router.post("/session", summary="Sign in with an API key", status_code=204, response_class=Response)
@signs_in
@audited_as(Action.SESSION_SIGN_IN)
async def sign_in(request: Request, resources: Resources, *, body: SessionOrder) -> Response:
    """Sets the cookie `celeriac_session`. The session can do what the key can at each moment, and ends with it."""
    shown = await _authentication(request).check_key(body.key, request.scope)
    async with resources.engine.begin() as connection:
        text = await sessions.sign_in(connection, shown.owner, browser=_browser(request), env_key=shown.env_key)
    return _with_session(Response(status_code=204, headers=NO_STORE), text, request=request, resources=resources)


@router.delete("/session", summary="Sign out", status_code=204, response_class=Response)
@needs_any_key
@audited_as(Action.SESSION_SIGN_OUT)
async def sign_out(connection: WriteConnection, request: Request, *, author: RequestAuthor) -> Response:
    """End the session that this request was let in with: its cookie opens nothing any more, in any process."""
    if session_id := request.scope.get(SESSION_ID):
        await sessions.sign_out(connection, session_id, author=author)
    return Response(status_code=204, headers={"Set-Cookie": SESSION_ENDS})


@router.get(
    "/session/oidc/login",
    summary="Sign in at the issuer",
    status_code=302,
    response_class=Response,
    responses=responses(NotFound, IssuerUnavailable),
)
@signs_in
async def begin(
    request: Request,
    resources: Resources,
    *,
    after: Annotated[str, Query(alias="next", description="The path to go to afterwards, on this site.")] = USUAL_PATH,
) -> Response:
    """Sends the browser to the issuer of tokens, and leaves it what it needs to come back within ten minutes."""
    if not is_local_path(after):
        raise InvalidRequest("next: not a path of this site", errors=(("next", "not a path of this site"),))
    begun = SignIn(draw_secret(), after)
    client = _client(request, resources)
    url = await sign_ins.way_to_issuer(_issuer(request), begun, client=client)
    kept = sign_in_cookie(begun.as_text(), is_https=is_https(request.scope, resources.settings.public_url))
    return Response(status_code=302, headers={"Location": url, "Set-Cookie": kept, **NO_STORE})


@router.get(
    "/session/oidc/callback",
    summary="Come back from the issuer",
    response_class=Response,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **responses(NotFound, IssuerUnavailable),
    },
)
@signs_in
@takes_any_parameter
async def come_back(
    request: Request,
    resources: Resources,
    *,
    code: Annotated[str, Query(max_length=4_096)] = "",
    state: Annotated[str, Query(max_length=256)] = "",
    iss: Annotated[str | None, Query(max_length=1_024)] = None,
) -> Response:
    """Exchanges the code for a token, sets the cookie of the session and leads on to where the sign-in began."""
    issuer = _issuer(request)
    begun = _begun_here(request, state, is_of_issuer=iss in (None, issuer.rules.issuer))
    owner = await _redeemed(issuer, begun, code=code, request=request, client=_client(request, resources))
    # Not before: nothing of the database is held while the issuer is asked.
    async with resources.engine.begin() as connection:
        text = await sessions.sign_in(connection, owner, browser=_browser(request))
    page = RETURN_PAGE.format(path=escape(begun.path, quote=True))
    response = Response(page, media_type="text/html", headers=NO_STORE)
    response.headers.append("Set-Cookie", SIGN_IN_ENDS)
    return _with_session(response, text, request=request, resources=resources)


@router.get("/sessions", summary="List sessions", response_model=SessionPage)
@needs(Scope.ADMIN)
@whole_fleet
async def list_all(
    connection: ReadConnection,
    request: Request,
    *,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    rows: RowsShown = Rows.BOTH,
) -> SessionPage | Response:
    """Who is signed in, the newest first; never what is in their cookies."""
    total, page = await list_sessions(connection, limit=limit, offset=offset)
    current = request.scope.get(SESSION_ID)
    found = [SessionModel.from_session(session, current=current) for session in page]
    return SessionPage(total=total, limit=limit, offset=offset, data=found, sessions=found).with_rows(rows)


@router.delete("/sessions/{session_id}", summary="End a session", status_code=204, responses=responses(SessionNotFound))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.SESSION_END)
async def end(connection: WriteConnection, session_id: str, *, author: RequestAuthor) -> None:
    """Sign somebody out: every process refuses his cookie within a second."""
    await sessions.end_session(connection, session_id, author=author)


def _authentication(request: Request) -> Authentication:
    authentication: Authentication = request.scope[AUTHENTICATION]
    return authentication


def _issuer(request: Request) -> Issuer:
    issuer = _issuer_to_sign_in_at(request)
    if issuer is None:
        raise NotFound("Nobody is signed in at an issuer here: CELERIAC_OIDC_CLIENT_ID is not set.")
    return issuer


def _issuer_to_sign_in_at(request: Request) -> Issuer | None:
    issuer: Issuer | None = request.app.state.issuer
    return issuer if issuer is not None and issuer.rules.client_id is not None else None


def _begun_here(request: Request, state: str, *, is_of_issuer: bool) -> SignIn:
    """The sign-in that this browser has begun; raises InvalidRequest where it is another that comes back."""
    begun = read_sign_in(cookie_of(request.scope, SIGN_IN_COOKIE))
    if begun is None or not begun.knows(state) or not is_of_issuer:
        raise InvalidRequest(
            "This sign-in was not begun in this browser, or too long ago: begin it again.",
            errors=(("state", "belongs to no sign-in of this browser"),),
        )
    return begun


async def _redeemed(issuer: Issuer, begun: SignIn, *, code: str, request: Request, client: Client) -> Owner:
    """Who has signed in; raises Unauthenticated, RateLimited or NothingGranted."""
    try:
        if not code:
            raise TokenRefused("was not given")
        owner = await sign_ins.redeem(issuer, begun, client=client, code=code)
    except TokenRefused as refused:
        reason = Unauthenticated(f"The issuer's token {refused}.")
        raise _authentication(request).failure(request.scope, reason) from None
    if not owner.values:
        raise NothingGranted
    return owner


def _client(request: Request, resources: Resources) -> Client:
    settings = resources.settings
    site = settings.public_url or f"{request.scope['scheme']}://{Headers(scope=request.scope).get('host', '')}"
    return Client(settings.oidc_client_id or "", settings.oidc_client_secret, f"{site}{SIGN_IN_PATH}/callback")


def _browser(request: Request) -> Browser:
    address, request_id = _authentication(request).address_of(request.scope), request.scope["request_id"]
    return Browser(request.headers.get("user-agent"), address, request_id=request_id)


def _with_session(response: Response, text: str, *, request: Request, resources: Resources) -> Response:
    secure = is_https(request.scope, resources.settings.public_url)
    response.headers.append("Set-Cookie", session_cookie(text, is_https=secure))
    return response
