"""Drawing what nobody guesses: the ids and the secrets of keys, sessions and sign-ins."""

import secrets

from domain.api_keys import ALPHABET, ID_LENGTH, SECRET_LENGTH


def draw_id() -> str:
    """Return an id; two are never the same, and none tells of another."""
    return _draw(ID_LENGTH)


def draw_secret() -> str:
    """Return a secret of 256 random bits."""
    return _draw(SECRET_LENGTH)


def _draw(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
