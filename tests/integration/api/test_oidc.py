"""Tokens and sign-ins of a real issuer on loopback, through the whole API."""

import re
import time
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlsplit

import httpx
import pytest

from api.routing import API_PREFIX
from settings import Settings
from tests.integration.api.serving import serving
from tests.oidc_issuer import AUDIENCE, CLIENT_ID, SECRET, OpenIdServer, open_id_server, query_of
from tests.patience import wait_for

SCOPES = {"operators": ["read", "operate"], "roots": ["read", "admin"]}
VISIT = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def issuer() -> Iterator[OpenIdServer]:
    with open_id_server() as server:
        yield server


@pytest.fixture
def with_issuer(settings: Settings, issuer: OpenIdServer) -> Settings:
    wanted = {
        "oidc_issuer": issuer.url,
        "oidc_audience": AUDIENCE,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": SECRET,
        "oidc_scopes": SCOPES,
    }
    return settings.model_copy(update=wanted)


@pytest.fixture
def site(with_issuer: Settings) -> Iterator[str]:
    with serving(with_issuer) as site:
        yield site


@pytest.fixture
def browser(site: str) -> Iterator[httpx.Client]:
    """It keeps cookies and follows nothing by itself."""
    with httpx.Client(base_url=site + API_PREFIX, trust_env=False) as client:
        yield client


def asked(site: str, token: str, *, method: str = "GET", path: str = "/tasks") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.request(method, site + API_PREFIX + path, headers=headers, trust_env=False)


def way_back(browser: httpx.Client, **query: str) -> str:
    """Where the issuer sends the browser that has begun to sign in."""
    begun = browser.get("/session/oidc/login", params=query)
    assert begun.status_code == 302, begun.text
    assert "SameSite=Lax; Path" not in begun.headers["set-cookie"]
    return httpx.get(begun.headers["location"], trust_env=False).headers["location"]


def come_back(browser: httpx.Client, url: str) -> httpx.Response:
    """As a browser comes from the issuer's site: without strict cookies."""
    sent = {name: value for name, value in browser.cookies.items() if name != "celeriac_session"}
    cookies = "; ".join(f"{name}={value}" for name, value in sent.items())
    answer = httpx.get(url, headers={**VISIT, "Cookie": cookies}, trust_env=False)
    browser.cookies.extract_cookies(answer)
    return answer


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_token_opens_what_its_claim_is_worth(site: str, issuer: OpenIdServer) -> None:
    assert httpx.get(f"{site}{API_PREFIX}/tasks", trust_env=False).status_code == 401
    me = asked(site, issuer.token(), path="/me").json()
    assert (me["kind"], me["id"], me["name"], me["scopes"]) == ("oidc", "alice", "Alice", ["read", "operate"])
    assert asked(site, issuer.token()).status_code == 200
    refused = asked(site, issuer.token(), path="/api-keys")
    assert refusal(refused) == (403, "FORBIDDEN")
    assert refused.json()["errors"] == [{"field": "scope", "message": "needs admin"}]
    for groups in (["cooks"], [], "operators2", None):
        assert refusal(asked(site, issuer.token(groups=groups))) == (403, "FORBIDDEN"), groups


def test_a_bad_token_is_refused_says_why_and_is_counted(site: str, issuer: OpenIdServer) -> None:
    past = int(time.time()) - 100
    bad = [
        issuer.confused_token(),
        issuer.unsigned_token(),
        issuer.token(aud=CLIENT_ID),
        issuer.token(iss="https://login.example.com"),
        issuer.token(exp=past),
        issuer.token(nbf=past + 200),
        issuer.token(kid="stranger"),
    ]
    for token in bad:
        answer = asked(site, token)
        assert refusal(answer) == (401, "UNAUTHENTICATED"), token
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["detail"].startswith("This token ")
    assert "has expired" in asked(site, bad[4]).json()["detail"]
    answers = [asked(site, bad[0]).status_code for _ in range(31 - len(bad))]
    assert answers[-2:] == [429, 429]
    assert asked(site, issuer.token()).status_code == 200
    assert issuer.asked["/keys"] == 1


def test_while_the_issuer_is_away_what_is_known_of_it_holds(site: str, issuer: OpenIdServer) -> None:
    issuer.is_down = True
    answer = asked(site, issuer.token())
    assert refusal(answer) == (503, "ISSUER_UNAVAILABLE")
    assert "retry-after" in answer.headers
    with httpx.Client(base_url=site + API_PREFIX, trust_env=False) as client:
        assert refusal(client.get("/session/oidc/login")) == (503, "ISSUER_UNAVAILABLE")


def test_somebody_signs_in_at_the_issuer_and_out_again(browser: httpx.Client, site: str) -> None:
    back = way_back(browser, next="/docs?a=1&b=2")
    assert urlsplit(back).netloc == urlsplit(site).netloc
    page = come_back(browser, back)
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', page.text)
    assert found
    assert unescape(found[1]) == "/docs?a=1&b=2"
    kept, cleared = sorted(page.headers.get_list("set-cookie"), key=len, reverse=True)
    assert kept.endswith("; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict")
    assert cleared.startswith("celeriac_sign_in=; ")
    assert list(browser.cookies) == ["celeriac_session"]
    me = browser.get("/me").json()
    assert (me["kind"], me["id"], me["name"], me["scopes"]) == ("session", "alice", "Alice", ["read", "operate"])
    assert browser.get("/tasks").status_code == 200
    assert browser.get("/api-keys").status_code == 403
    text = browser.cookies["celeriac_session"]
    assert browser.delete("/session", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 204
    again = {"Cookie": f"celeriac_session={text}"}
    assert httpx.get(f"{site}{API_PREFIX}/tasks", headers=again, trust_env=False).status_code == 401


def test_a_sign_in_that_this_browser_did_not_begin_ends_nowhere(browser: httpx.Client, issuer: OpenIdServer) -> None:
    back = way_back(browser)
    state = query_of(back)["state"]
    with httpx.Client(base_url=browser.base_url, trust_env=False) as victim:
        assert refusal(victim.get(back, headers=VISIT)) == (400, "VALIDATION_ERROR")
        way_back(victim)
        assert refusal(come_back(victim, back)) == (400, "VALIDATION_ERROR")
    for forged in (back.replace(state, "x" * 43), back.replace(f"state={state}", ""), back.replace("iss=", "iss=x")):
        assert refusal(come_back(browser, forged)) == (400, "VALIDATION_ERROR")
    kept = dict(browser.cookies)
    assert refusal(come_back(browser, re.sub(r"code=[^&]*", "error=access_denied", back))) == (401, "UNAUTHENTICATED")
    assert come_back(browser, back).status_code == 200
    browser.cookies.update(kept)
    reused = come_back(browser, back)
    assert refusal(reused) == (401, "UNAUTHENTICATED")
    assert "set-cookie" not in reused.headers


def test_whom_nothing_was_given_to_is_not_signed_in(browser: httpx.Client, issuer: OpenIdServer) -> None:
    issuer.person = {"sub": "bob", "groups": ["cooks"]}
    answer = come_back(browser, way_back(browser))
    assert refusal(answer) == (403, "FORBIDDEN")
    assert "celeriac_session" not in browser.cookies


def test_a_sign_in_leads_nowhere_but_to_our_own_site(browser: httpx.Client) -> None:
    for path in ("//example.com", "https://example.com", "/\\example.com", "docs"):
        answer = browser.get("/session/oidc/login", params={"next": path})
        assert refusal(answer) == (400, "VALIDATION_ERROR")
        assert answer.json()["errors"][0]["field"] == "next"


def test_what_people_of_the_issuer_may_do_follows_the_settings(browser: httpx.Client, with_issuer: Settings) -> None:
    come_back(browser, way_back(browser))
    text = browser.cookies["celeriac_session"]
    for changes, expected in (
        ({"oidc_scopes": {"operators": ["operate"]}}, 403),
        ({"oidc_scopes": {"roots": ["read"]}}, 403),
        ({"oidc_issuer": "https://login.example.com"}, 401),
        ({"public_url": "https://celeriac.example.com"}, 200),
    ):
        with serving(with_issuer.model_copy(update=changes)) as other:
            sent = {"Cookie": f"celeriac_session={text}"}
            assert httpx.get(f"{other}{API_PREFIX}/tasks", headers=sent, trust_env=False).status_code == expected
            begun = httpx.get(f"{other}{API_PREFIX}/session/oidc/login", trust_env=False)
            if expected == 200:
                redirect = query_of(begun.headers["location"])["redirect_uri"]
                assert redirect == f"https://celeriac.example.com{API_PREFIX}/session/oidc/callback"
                assert begun.headers["set-cookie"].endswith("; Secure")


def test_everybody_is_told_by_which_ways_one_can_sign_in(api: httpx.Client, browser: httpx.Client, site: str) -> None:
    # Until a process has read whether there are keys, it takes for granted that there are.
    wait_for(lambda: api.get("/session/ways").json() == {"api_key": False, "issuer": False})
    wait_for(lambda: browser.get("/session/ways").json() == {"api_key": False, "issuer": True})
    assert api.post("/api-keys", json={"name": "root", "scopes": ["admin"]}).status_code == 201
    # The other has the same database, and reads there that a key was made.
    wait_for(lambda: browser.get("/session/ways").json() == {"api_key": True, "issuer": True})


def test_without_an_issuer_nobody_signs_in_there(api: httpx.Client) -> None:
    for path in ("/session/oidc/login", "/session/oidc/callback"):
        assert refusal(api.get(path)) == (404, "NOT_FOUND")
