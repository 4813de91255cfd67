"""Whose request this is: the peer's address, or what trusted proxies say of it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

from api.middleware.scopes import header_of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
"""Of a peer without an address, e.g. on a Unix socket."""


class ClientAddress:
    """`trusted_proxies`: addresses or networks. Raises ValueError for anything else."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted: list[Network] = [ip_network(proxy, strict=False) for proxy in trusted_proxies]

    def of(self, scope: Scope) -> str:
        """The peer's, or behind trusted proxies the last address in `X-Forwarded-For` that is none of theirs."""
        peer = scope["client"][0] if scope.get("client") else UNKNOWN
        if not self._trusted:
            return str(peer)
        address = _parse(peer)
        for forwarded in reversed(header_of(scope, b"x-forwarded-for").split(",")):
            if address is None or not self._is_trusted(address):
                break
            address = _parse(forwarded.strip()) or address
        return str(address or peer)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
