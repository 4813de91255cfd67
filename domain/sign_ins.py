"""A sign-in that is under way: what a browser keeps from leaving for the issuer until it comes back.

All that is sent to the issuer comes of one secret, which the browser alone has: `state` shows that it was this browser
that left, `nonce` that the token was made for this sign-in, and `verifier` that whoever redeems the code is who asked
for it (PKCE). Where the way leads afterwards stands beside the secret.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import timedelta

from domain.api_keys import ALPHABET, SECRET_LENGTH

LASTS = timedelta(minutes=10)
"""How long a browser keeps what it needs to come back."""
MAX_PATH = 1_000
USUAL_PATH = "/docs"

_CHARACTERS = frozenset(ALPHABET)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that is under way."""

    secret: str = field(repr=False)
    path: str = USUAL_PATH
    """The path of ours to which the browser goes when it is signed in."""

    @property
    def state(self) -> str:
        """What the issuer sends back with the browser."""
        return self._drawn("state")

    @property
    def nonce(self) -> str:
        """What the issuer puts into the token."""
        return self._drawn("nonce")

    @property
    def verifier(self) -> str:
        """What the code is redeemed with; the issuer was sent its hash before."""
        return self._drawn("verifier")

    def knows(self, state: str) -> bool:
        """Whether this is the state that the browser left with."""
        return hmac.compare_digest(self.state.encode(), state.encode("utf-8", "replace"))

    def as_text(self) -> str:
        """Return what the browser keeps."""
        return f"{self.secret}.{_encode(self.path.encode())}"

    def _drawn(self, purpose: str) -> str:
        return _encode(hmac.digest(self.secret.encode(), purpose.encode(), "sha256"))


def read_sign_in(text: str) -> SignIn | None:
    """Return the sign-in that a browser has kept; None for anything else."""
    secret, _, encoded = text.partition(".")
    if len(secret) != SECRET_LENGTH or not _CHARACTERS.issuperset(secret):
        return None
    try:
        path = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        return None
    return SignIn(secret, path) if is_local_path(path) else None


def is_local_path(text: str) -> bool:
    """Whether every browser takes this for a path of the site that it is on, whatever else it may look like."""
    is_plain = all("!" <= character <= "~" for character in text) and "\\" not in text
    return len(text) <= MAX_PATH and is_plain and text.startswith("/") and not text.startswith("//")


def _encode(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")
