"""The rules for the URL and the headers of a webhook, before anything is dialled.

Which address a name leads to is judged when it is dialled (`domain/reach.py`). What stands in the URL itself is judged
here, so that whoever makes a webhook hears of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from domain.reach import Network, judge_address

MAX_URL = 2_048
MAX_WEBHOOKS = 100
MAX_HEADERS = 20
MAX_HEADER = 1_024
MOST_IN_FLIGHT = 50
HIGHEST_RATE = 1_000
USUAL_OVERLAP_SECONDS = 86_400
LONGEST_OVERLAP_SECONDS = 30 * 86_400
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105  no secret, but what one begins with
HIDDEN = "?***"
LOWEST_FREE_PORT = 1_024
_PORTS = {"https": (443, 8443), "http": (80, 8080)}
_METADATA = ("metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal")
"""Names under which clouds tell their machines credentials."""
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\x20-\x7e]*")
_OURS = frozenset(
    (
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect"),
        *("host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"),
        *("proxy-authenticate", "proxy-authorization", "proxy-connection"),
    )
)
"""Headers that are for us to send."""


@dataclass(frozen=True, slots=True)
class Egress:
    """What the operator allows beyond https to public addresses."""

    allow_http: bool = False
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL, taken apart; the host is in the form in which it is looked up."""

    scheme: str
    host: str
    port: int
    target: str
    """The path and the query."""

    @property
    def url(self) -> str:
        """Return the URL in its normal form."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme][0] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def parse_endpoint(url: str, egress: Egress) -> Endpoint:
    """Take a URL apart. Raises ValueError, which says which rule it breaks and never repeats it."""
    parts = _split(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and egress.allow_http):
        raise ValueError("must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("may hold no user and no password")
    if parts.fragment:
        raise ValueError("may hold no fragment")
    try:
        port = _PORTS[parts.scheme][0] if parts.port is None else parts.port
    except ValueError:
        raise ValueError("has a port that is none") from None
    if port not in _PORTS[parts.scheme] and port < LOWEST_FREE_PORT:
        raise ValueError("may name port 443, 8443, or one from 1024 on")
    path = parts.path or "/"
    return Endpoint(parts.scheme, _checked_host(parts.hostname or "", egress), port, path + _query(parts.query))


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL:
        raise ValueError(f"has more than {MAX_URL} characters")
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise ValueError("holds a space, a backslash or a control character")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no URL") from None
    if not (parts.path + parts.query).isascii():
        raise ValueError("must have its path and query percent-encoded")
    return parts


def _query(query: str) -> str:
    return f"?{query}" if query else ""


def _checked_host(host: str, egress: Egress) -> str:
    """The host in ASCII. A name is not looked up here: what that answered would be told."""
    try:
        ip_address(host)
    except ValueError:
        return _checked_name(host)
    if not judge_address(host, egress.networks).may_be_dialled:
        raise ValueError("names an address that may not be dialled")
    return host


def _checked_name(host: str) -> str:
    try:
        name = host.encode("idna").decode().lower()
    except UnicodeError:
        raise ValueError("has a host that is no name") from None
    if not _HOST.fullmatch(name) or ".." in name:
        raise ValueError("has a host that is no name")
    if name.rstrip(".") in _METADATA:
        raise ValueError("names a host that may not be dialled")
    return name


def shown_url(url: str) -> str:
    """Return a URL as it is shown: a query may hold what lets somebody in."""
    before, mark, _ = url.partition("?")
    return before + HIDDEN if mark else before


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ValueError for headers that cannot be sent, or that are for us to send."""
    if len(headers) > MAX_HEADERS:
        raise ValueError(f"has more than {MAX_HEADERS} headers")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("names a header twice")
    for name, value in headers.items():
        _check_name(name)
        if len(value) > MAX_HEADER or not _VALUE.fullmatch(value) or value != value.strip():
            raise ValueError(f"has a value that takes up to {MAX_HEADER} printable ASCII characters")


def _check_name(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError("has a name that no header can have")
    if name.lower() in _OURS or name.lower().startswith("webhook-"):
        raise ValueError("names a header that is sent anyway")
