"""Whether a request was sent to a name of ours and, where a browser sent it, by a page of ours.

A page that an operator happens to visit can make his browser ask servers on his own machine. Browsers say which page
asks (`Origin`, `Sec-Fetch-Site`), and no page can change that; a page whose own name is pointed at us (DNS rebinding)
looks like ours, but its name stands in `Host`. Programs send neither of the first two and are asked for `Host` alone.

Everything is decided from raw values. What a proxy says of the original request (`X-Forwarded-Host`) is not read: a
page may send that header too.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from domain.networks import is_loopback_address

ANY = "*"
LOCALHOST = "localhost"
MAX_NAME_LENGTH = 253
MAX_KNOWN_HOSTS = 256

HOST, ORIGIN, SITE = b"host", b"origin", b"sec-fetch-site"
MODE, DESTINATION = b"sec-fetch-mode", b"sec-fetch-dest"
_READ = frozenset({HOST, ORIGIN, SITE, MODE, DESTINATION})
_OWN_SITES = frozenset({b"same-origin", b"none"})
"""`none`: the person himself, by a bookmark or the address bar."""

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_PORT = r"(?::(?P<port>[0-9]{0,5}))?"
_AUTHORITY = re.compile(rf"(?:(?P<name>{_NAME})\.?|\[(?P<v6>[0-9A-Fa-f:.]{{2,45}})\]){_PORT}")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#@\\]+)")
_ENTRY = re.compile(rf"(?P<wild>\*\.)?(?P<name>{_NAME}){_PORT}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback_host(host: str) -> bool:
    """Whether an address or a name that is listened on is surely this machine's alone."""
    return host == LOCALHOST or is_loopback_address(host)


class OriginRefusal(Enum):
    """Why a request is not let in."""

    MALFORMED = "malformed"
    """A header that is read here comes twice, or `Host` is none."""
    UNKNOWN_HOST = "unknown_host"
    FOREIGN_PAGE = "foreign_page"


class Authority(NamedTuple):
    """A host in lower case without its last dot, and the port where one is named."""

    host: str
    port: int | None


@dataclass(frozen=True, slots=True)
class OwnOrigins:
    """The names under which we are asked, and with them the pages that may ask.

    An address is always one of ours: nobody can point an address at another machine, only a name.
    """

    names: frozenset[str]
    suffixes: tuple[str, ...]
    """The suffixes, with their leading dot."""
    public: frozenset[Authority]
    """Names whose pages are ours although `Host` says something else, as behind a proxy that rewrites it."""
    any_name: bool

    def refusal(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> OriginRefusal | None:
        """Why this request is refused; None lets it in. Header names are in lower case.

        A request without `Host` is a program's (HTTP/1.0); every browser sends one.
        """
        headers_told: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in _READ:
                if name in headers_told:
                    return OriginRefusal.MALFORMED
                headers_told[name] = value
        host = None
        if HOST in headers_told:
            host = parse_authority(headers_told[HOST])
            if host is None:
                return OriginRefusal.MALFORMED
            if not self.has(host.host):
                return OriginRefusal.UNKNOWN_HOST
        return None if self._is_own_page(method, headers_told, host=host) else OriginRefusal.FOREIGN_PAGE

    def has(self, host: str) -> bool:
        """Whether a host, as `parse_authority` gives it, is one of ours."""
        return self.any_name or host in self.names or is_address(host) or host.endswith(self.suffixes)

    def _is_own_page(self, method: str, headers_told: dict[bytes, bytes], *, host: Authority | None) -> bool:
        if ORIGIN in headers_told and not self._is_own(headers_told[ORIGIN], host):
            return False
        return headers_told.get(SITE, b"none") in _OWN_SITES or _is_visit(method, headers_told)

    def _is_own(self, origin: bytes, host: Authority | None) -> bool:
        """Whether it is the origin of `Host` itself, or a public name of ours. `null` is nobody's."""
        match = _ORIGIN.fullmatch(origin.decode("latin-1"))
        authority = parse_authority(match["authority"].encode("latin-1")) if match else None
        if match is None or authority is None:
            return False
        default = _DEFAULT_PORTS[match["scheme"]]
        asking = _with_port(authority, default)
        return any(asking == _with_port(own, default) for own in (*self.public, *([host] if host else ())))


def own_origins(listening: str, allowed: Sequence[str]) -> OwnOrigins:
    """Return the origins of a server that listens on `listening`, and the `allowed` ones. Raises ValueError for what is
    none.
    """
    entries = [parse_entry(entry) for entry in allowed if entry != ANY]
    names = {LOCALHOST, listening.lower().removesuffix(".")}
    return OwnOrigins(
        names=frozenset(names.union(authority.host for authority, wild in entries if not wild)),
        suffixes=(f".{LOCALHOST}", *(f".{authority.host}" for authority, wild in entries if wild)),
        # All names below a domain are not all ours: such a page is let in only where it asks itself.
        public=frozenset(authority for authority, wild in entries if not wild),
        any_name=ANY in allowed,
    )


def parse_entry(entry: str) -> tuple[Authority, bool]:
    """A name that is to be ours, `name` or `name:port`, and whether it stands for all names below it (`*.name`).

    The port is that of its pages; a request is let in whatever port it names. Raises ValueError.
    """
    match = _ENTRY.fullmatch(entry)
    if match is None or len(match["name"]) > MAX_NAME_LENGTH:
        raise ValueError("takes names such as celeriac.example.com, *.example.com or *, without http:// and paths")
    return Authority(match["name"].lower(), int(match["port"]) if match["port"] else None), bool(match["wild"])


def parse_authority(raw: bytes) -> Authority | None:
    """Host and port of `Host`, or of the end of an origin; None for anything else, say one with a user."""
    return _parse_short(raw) if len(raw) <= MAX_NAME_LENGTH + len(".:65535") else None


@lru_cache(maxsize=MAX_KNOWN_HOSTS)
def _parse_short(raw: bytes) -> Authority | None:
    match = _AUTHORITY.fullmatch(raw.decode("latin-1"))
    if match is None:
        return None
    return Authority((match["name"] or match["v6"]).lower(), int(match["port"]) if match["port"] else None)


@lru_cache(maxsize=MAX_KNOWN_HOSTS)
def is_address(host: str) -> bool:
    """Whether it is an IP address. Browsers write each in its one usual form, whatever a page makes of it."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_visit(method: str, headers_told: dict[bytes, bytes]) -> bool:
    """Whether a person follows a link to us in a window of its own: nothing is changed, and its page reads nothing."""
    return method == "GET" and headers_told.get(MODE) == b"navigate" and headers_told.get(DESTINATION) == b"document"


def _with_port(authority: Authority, default: int) -> Authority:
    return authority if authority.port is not None else authority._replace(port=default)
