"""Drawing what nobody guesses: the ids and the secrets of keys, sessions, sign-ins and webhooks."""

import secrets
from base64 import b64encode

from domain.api_keys import ALPHABET, ID_LENGTH, SECRET_LENGTH
from domain.webhooks.endpoints import SECRET_BYTES, SECRET_PREFIX


def draw_id() -> str:
    """Return an id; two are never the same, and none tells of another."""
    return _draw(ID_LENGTH)


def draw_secret() -> str:
    """Return a secret of 256 random bits."""
    return _draw(SECRET_LENGTH)


def draw_webhook_secret() -> str:
    """Return a secret to sign deliveries with, as the specification of Standard Webhooks writes it."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _draw(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
