"""The server of an OpenID Connect issuer: where its parts are, its public keys, and the exchange of a code for a token.

Everything that it answers is bounded in time and size, and is read from where nobody on the way could change it.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from authlib.oauth2 import ClientAuth, OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from domain.errors import IssuerUnavailable
from domain.oidc import is_safe

ANSWER_SECONDS = 5.0
"""The time limit of each question, from connecting to the last byte."""
MAX_ANSWER_BYTES = 1 << 20
DISCOVERY_PATH = "/.well-known/openid-configuration"
SCOPE = "openid profile email"
"""What a sign-in asks of the issuer."""

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The places of the parts of an issuer."""

    keys: str
    authorization: str
    token: str
    takes_secret_in_body: bool
    """Whether the token endpoint takes a client's secret in the form alone, and not as basic authentication."""


@dataclass(frozen=True, slots=True)
class Client:
    """The client as which we sign people in."""

    client_id: str
    secret: str | None
    redirect_url: str
    """The place that the issuer sends browsers back to."""


class CodeRefused(Exception):
    """The issuer gives no token for this code."""


class IssuerServer:
    """Asks one issuer. All methods raise IssuerUnavailable where it does not answer, or not as it should."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._http = httpx.AsyncClient(timeout=ANSWER_SECONDS, follow_redirects=False, headers=_HEADERS)

    async def close(self) -> None:
        """Close what is open to the issuer."""
        await self._http.aclose()

    async def discover(self) -> Endpoints:
        """Ask where everything is."""
        told = await self._ask("GET", self.issuer.rstrip("/") + DISCOVERY_PATH)
        if told.get("issuer") != self.issuer:
            raise IssuerUnavailable("The issuer of tokens calls itself something else than CELERIAC_OIDC_ISSUER.")
        methods = told.get("token_endpoint_auth_methods_supported")
        return Endpoints(
            keys=_safe(told, "jwks_uri"),
            authorization=_safe(told, "authorization_endpoint"),
            token=_safe(told, "token_endpoint"),
            takes_secret_in_body=isinstance(methods, list) and "client_secret_basic" not in methods,
        )

    async def fetch_keys(self, endpoints: Endpoints) -> list[Any]:
        """Ask for its public keys, each as a JSON Web Key."""
        keys = (await self._ask("GET", endpoints.keys)).get("keys")
        if not isinstance(keys, list):
            raise IssuerUnavailable("The issuer of tokens answers with something else than keys.")
        return keys

    async def redeem(self, endpoints: Endpoints, client: Client, *, code: str, verifier: str) -> str:
        """Exchange a code for the token that says who has signed in; raises CodeRefused."""
        body = prepare_token_request(
            "authorization_code", "", code=code, redirect_uri=client.redirect_url, code_verifier=verifier
        )
        method = "client_secret_post" if endpoints.takes_secret_in_body else "client_secret_basic"
        authentication = ClientAuth(client.client_id, client.secret, method if client.secret else "none")
        url, headers, body = authentication.prepare("POST", endpoints.token, dict(_FORM), body)
        token = (await self._ask("POST", url, headers=headers, content=body)).get("id_token")
        if not isinstance(token, str):
            raise CodeRefused
        return token

    async def _ask(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._http.stream(method, url, **request) as answer:
                body = await _read(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            raise IssuerUnavailable from error
        if method == "POST" and 400 <= answer.status_code < 500:
            raise CodeRefused
        return _parsed(answer.status_code, body)


def authorization_url(endpoints: Endpoints, client: Client, *, state: str, nonce: str, verifier: str) -> str:
    """Return where a browser goes to sign in."""
    flow = OAuth2Client(None, client_id=client.client_id, code_challenge_method="S256", scope=SCOPE)
    url, _ = flow.create_authorization_url(
        endpoints.authorization, state=state, code_verifier=verifier, nonce=nonce, redirect_uri=client.redirect_url
    )
    return str(url)


async def _read(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise IssuerUnavailable("The issuer of tokens answers with more than 1 MiB.")
    return bytes(body)


def _parsed(status: int, body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body) if status == 200 else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise IssuerUnavailable("The issuer of tokens does not answer as an issuer does.")
    return told


def _safe(told: Mapping[str, Any], name: str) -> str:
    url = told.get(name)
    if not is_safe(url):
        raise IssuerUnavailable(f"The issuer of tokens names no {name} with https.")
    return str(url)
