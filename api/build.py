"""Which build answers: a browser whose page is of another one is told to load it anew."""

from functools import cache
from hashlib import sha256
from importlib.resources import files

from api.dashboard_pages import PAGE
from api.version import VERSION

BUILD_HEADER = "X-Celeriac-Build"


@cache
def read_build() -> str:
    """Return the version of the contract and a hash of the dashboard's page, which names its files by their hashes."""
    page = files("dashboard") / "static" / PAGE
    return f"{VERSION}-{sha256(page.read_bytes()).hexdigest()[:8]}" if page.is_file() else VERSION
