"""A real OpenID Connect issuer on loopback: discovery, keys, and the code flow with PKCE, with keys made in the test.

Whoever comes to `/authorize` is signed in at once as `people`'s claims say. What it is asked is counted.
"""

import json
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

AUDIENCE, CLIENT_ID, SECRET = "celeriac-api", "celeriac-web", "the-secret-of-the-client"


class Everything(JWSRegistry):
    """Signs with whatever a test wants to be refused."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


class OpenIdServer:
    """What the issuer knows, and how it behaves."""

    def __init__(self) -> None:
        self.url = ""
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec"})
        self.ed = OKPKey.generate_key("Ed25519", {"kid": "ed"})
        self.secret = OctKey.generate_key(256, {"kid": "rsa"})
        self.encrypting = RSAKey.generate_key(2048, {"kid": "enc", "use": "enc"})
        self.listed: list[Key] = [self.rsa, self.ec, self.ed]
        self.person: dict[str, Any] = {"sub": "alice", "name": "Alice", "groups": ["operators", "cooks"]}
        self.is_down = False
        self.oversized = False
        self.asked: Counter[str] = Counter()
        self.codes: dict[str, dict[str, str]] = {}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token for programs; None leaves one out."""
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "iat": now, "exp": now + 300, **self.person}
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(self, alg: str = "RS256", *, key: Key | None = None, kid: str | None = None, **changes: Any) -> str:
        """A token of these claims."""
        own: dict[str, Key] = {"RS256": self.rsa, "ES256": self.ec, "EdDSA": self.ed}
        signing = own[alg] if key is None else key
        header = {"alg": alg, "kid": kid if kid is not None else signing.kid}
        return jwt.encode(header, self.claims(**changes), signing, registry=Everything())

    def token_without_kid(self) -> str:
        """A good token that does not say which key it is signed with."""
        bare = RSAKey.import_key(self.rsa.as_pem(private=True))
        return jwt.encode({"alg": "RS256"}, self.claims(), bare, registry=Everything())

    def confused_token(self) -> str:
        """A token that is signed with the public key as if that were a secret."""
        public = self.rsa.as_pem(private=False)
        return self.token("HS256", key=OctKey.import_key(b64encode(public).decode()), kid="rsa")

    def unsigned_token(self) -> str:
        """A token of the algorithm `none`."""
        parts = ({"alg": "none", "typ": "JWT"}, self.claims())
        return ".".join([*(_encoded(json.dumps(part).encode()) for part in parts), ""])

    def answer(self, method: str, target: str, *, body: bytes, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for one request."""
        url = urlsplit(target)
        self.asked[url.path] += 1
        if self.is_down:
            return 503, {}, b"{}"
        match method, url.path:
            case "GET", "/.well-known/openid-configuration":
                return _json(self._places())
            case "GET", "/keys":
                padding = {"padding": "x" * (2 << 20)} if self.oversized else {}
                return _json({"keys": [self._shown(key) for key in self.listed]} | padding)
            case "GET", "/authorize":
                return self._authorize(dict(parse_qsl(url.query)))
            case "POST", "/token":
                return self._redeem(dict(parse_qsl(body.decode())), authorization)
        return 404, {}, b""

    def _shown(self, key: Key) -> Any:
        return key.as_dict() if isinstance(key, OctKey) else key.as_dict(private=False)

    def _places(self) -> dict[str, Any]:
        names = {"jwks_uri": "keys", "authorization_endpoint": "authorize", "token_endpoint": "token"}
        return {"issuer": self.url} | {name: f"{self.url}/{path}" for name, path in names.items()}

    def _authorize(self, wanted: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        assert wanted["client_id"] == CLIENT_ID
        assert wanted["response_type"] == "code"
        assert wanted["code_challenge_method"] == "S256"
        assert "openid" in wanted["scope"].split()
        code = token_urlsafe(16)
        self.codes[code] = wanted
        back = {"code": code, "state": wanted["state"], "iss": self.url, "session_state": "unknown-to-us"}
        return 302, {"Location": f"{wanted['redirect_uri']}?{urlencode(back)}"}, b""

    def _redeem(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], bytes]:
        wanted = self.codes.pop(form.get("code", ""), None)
        expected = "Basic " + b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        if (
            wanted is None
            or authorization != expected
            or form["redirect_uri"] != wanted["redirect_uri"]
            or _encoded(sha256(form["code_verifier"].encode()).digest()) != wanted["code_challenge"]
        ):
            return 400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}'
        return _json(
            {"id_token": self.token(aud=CLIENT_ID, nonce=wanted["nonce"]), "access_token": "a", "token_type": "b"}
        )


@contextmanager
def open_id_server() -> Iterator[OpenIdServer]:
    """The issuer while it serves."""
    issuer = OpenIdServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ConnectionError):  # who has read enough goes away
                super().handle()

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            authorization = self.headers.get("Authorization") or ""
            status, headers, answer = issuer.answer(method, self.path, body=body, authorization=authorization)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()


def _json(value: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def query_of(url: str) -> dict[str, str]:
    """The parameters of a URL."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
