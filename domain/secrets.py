"""What keys and passwords from settings must be like, so that no slip of an operator leaves a door open.

A message says what is wrong and never holds the value.
"""

from collections.abc import Sequence

SHORTEST_SECRET = 16
"""Characters. 24 of `secrets.token_urlsafe` are 144 bits; what people think of in fewer than 16 can be guessed."""
PLACEHOLDER = "replace-me"
"""What stands in `.env.example`."""
READ_ONLY_SUFFIX = ":read"
_HOW = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"


def check_api_keys(keys: Sequence[str]) -> None:
    """Raises ValueError unless each is a key, alone or with `:read`, and none is given for two roles."""
    roles: dict[str, str] = {}
    for number, given in enumerate(keys, start=1):
        key = given.removesuffix(READ_ONLY_SUFFIX)
        if ":" in key:
            raise ValueError(f"key {number} ends in an unknown role: only {READ_ONLY_SUFFIX} is one")
        check_secret(key, what=f"key {number}")
        if roles.setdefault(key, given) != given:
            raise ValueError(f"key {number} is given once for reading and once for everything; keep one of them")


def check_logins(logins: Sequence[str]) -> None:
    """Raises ValueError unless each is `user:password`."""
    for number, login in enumerate(logins, start=1):
        user, colon, password = login.partition(":")
        if not (user and colon):
            raise ValueError(f"login {number} is not of the form user:password")
        check_characters(user, what=f"the user of login {number}")
        check_secret(password, what=f"the password of login {number}")


def check_secret(secret: str, *, what: str) -> None:
    """Raises ValueError for a secret that is empty, the example's, short, or of characters that get lost on the way."""
    if not secret:
        raise ValueError(f"{what} is empty")
    if is_placeholder(secret):
        raise ValueError(f"{what} is still that of the example; {_HOW}")
    check_characters(secret, what=what)
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"{what} has fewer than {SHORTEST_SECRET} characters; {_HOW}")


def check_characters(text: str, *, what: str) -> None:
    """Raises ValueError unless all are visible ASCII: anything else, clients and proxies encode or cut as they like."""
    if not all("!" <= character <= "~" for character in text):
        raise ValueError(f"{what} holds a space or a character that is not ASCII")


def is_placeholder(secret: str) -> bool:
    """Whether somebody copied the example and replaced nothing."""
    return secret.lower().startswith(PLACEHOLDER)
