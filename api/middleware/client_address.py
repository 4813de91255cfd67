"""Whose request this is: the peer's address, or what trusted proxies say of it in `X-Forwarded-For`.

`X-Real-IP`, `Forwarded`, `CF-Connecting-IP` and their like are not read: a proxy that does not set one of them lets a
client's own through. `X-Forwarded-For` is appended to by every common proxy, so its right end is theirs
(docs/operations.md has the settings of each).
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

from api.middleware.scopes import headers_of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
"""The address of a peer that has none, e.g. on a Unix socket."""
MAX_HOPS = 32
"""Entries that are looked at, from the right. Nobody has so many proxies; a client can send as many as it likes."""
MAX_ENTRY = 64
"""Characters; the longest address has 45, with brackets, zone and port a few more."""
CLIENT_PREFIX = 64
"""How many bits of an IPv6 address count as the client: it may choose every address behind them."""

_WITH_PORT = re.compile(r"\[(?P<v6>[^\[\]]*)\](:\d{1,5})?|(?P<v4>\d[\d.]*):\d{1,5}")
_MAPPED = ip_network("::ffff:0:0/96")
_TRANSLATED = ip_network("64:ff9b::/96")
"""The network into which gateways from IPv4 put the whole Internet: one /64 (RFC 6052)."""


class ClientAddress:
    """Finds whose request it is. `trusted_proxies` are addresses or networks; raises ValueError for anything else."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted: list[Network] = [_network(proxy) for proxy in trusted_proxies]

    def of(self, scope: Scope) -> str:
        """Return the peer's address, or behind trusted proxies the last in `X-Forwarded-For` that is none of theirs.

        An entry that is no address ends the walk: whoever wrote it is the last of whom something is known. Of an IPv6
        address the network that is the client's, e.g. `2001:db8:1:2::/64`.
        """
        address = self.exact(scope)
        return UNKNOWN if address is None else _counted(address)

    def exact(self, scope: Scope) -> Address | None:
        """The address itself, of which `of` makes what is counted; None of a peer without one."""
        address = _parse(scope["client"][0]) if scope.get("client") else None
        if address is None:
            return None
        for entry in _entries(scope) if self._trusted else ():
            if not self._is_trusted(address) or (forwarded := _parse(entry)) is None:
                break
            address = forwarded
        return address

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _entries(scope: Scope) -> Iterator[str]:
    """Yield the entries of all header lines from the right: what the nearest proxy added comes first."""
    left = MAX_HOPS
    for line in reversed(headers_of(scope, b"x-forwarded-for")):
        # Only so many are taken apart, however long the line is.
        for entry in reversed(line.rsplit(",", left)[-left:]):
            yield entry.strip()
            left -= 1
        if not left:
            return


def _parse(text: str) -> Address | None:
    """`192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`; the zone of an IPv6 address is dropped."""
    return _address(text) if len(text) <= MAX_ENTRY else None


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    """Takes 4 us, which is much for each request of one client."""
    if match := _WITH_PORT.fullmatch(text):
        text = match["v6"] or match["v4"] or ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return _as_ipv4(address) or address


def _as_ipv4(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address only wraps."""
    if isinstance(address, IPv4Address):
        return address
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _MAPPED or address in _TRANSLATED else None


def _network(text: str) -> Network:
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):  # type: ignore[arg-type]
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


@lru_cache(maxsize=1024)
def _counted(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, CLIENT_PREFIX), strict=False))
