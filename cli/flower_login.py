"""Who may open Flower: whom the operator names, or else one user with a password that is made and kept here.

The password lies in the data folder (`flower/password`, readable by its owner only), and is never on a command line or
in a log. What Flower does with it is in `cli/commands/flower.py`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from cli.embedded.files import kept_password, make_folder
from cli.errors import CliError
from domain.secrets import is_placeholder
from settings import Settings

USER = "celeriac"
FOLDER = "flower"
OAUTH, BASIC_AUTH = "FLOWER_AUTH", "FLOWER_BASIC_AUTH"
"""Flower's own variables."""
OWN_FILE = "flowerconfig.py"
"""Python code of somebody's, which Flower runs where it was started; only then is it known whom it lets in."""


def password_file(data: Path) -> Path:
    """Return where the password of Flower lies."""
    return data / FOLDER / "password"


def kept_login(data: Path) -> str:
    """Return `user:password`, made at first use."""
    make_folder(data)
    make_folder(data / FOLDER)
    return f"{USER}:{kept_password(data / FOLDER)}"


def login_of(settings: Settings) -> str | None:
    """Return the login with which programs open Flower; None where people sign in with OAuth."""
    if settings.flower_basic_auth:
        return settings.flower_basic_auth[0]
    if BASIC_AUTH in os.environ:
        named = os.environ[BASIC_AUTH].split(",")
        check_logins_of_flower(named)
        return named[0]
    return None if told_to_flower() else kept_login(settings.data)


def told_to_flower() -> list[str]:
    """The variables, and the file, by which Flower itself may be told here whom to let in."""
    file = Path(os.environ.get("FLOWER_CONF") or OWN_FILE)
    return [*(name for name in (BASIC_AUTH, OAUTH) if os.environ.get(name)), *([file.name] if file.exists() else [])]


def check_logins_of_flower(logins: Sequence[str]) -> None:
    """Raise CliError for what Flower takes for a login and everybody knows: an empty one, or the example's."""
    for login in logins:
        user, _, password = login.partition(":")
        if not user or not password or is_placeholder(password):
            raise CliError("FLOWER_BASIC_AUTH: a login has no user, no password or that of the example.")


def with_login(url: str, login: str | None) -> str:
    """Return the URL as programs want it: never printed."""
    if login is None:
        return url
    user, _, password = login.partition(":")
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"
