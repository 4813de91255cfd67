"""Which addresses we may dial when a client says where something goes: webhooks and notifications.

Judged is the address that is dialled, not the name that stands in a URL: whoever calls has resolved it. What nobody
outside can have meant is forbidden, networks of somebody's own are private; both are dialled where the operator allows
them.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
MAX_NETWORKS = 100
"""How many networks the operator may allow."""


class Reach(StrEnum):
    """The kind of place where an address lies, for somebody who is about to dial it."""

    PUBLIC = "public"
    ALLOWED = "allowed"
    """Private or forbidden, and named by the operator."""
    PRIVATE = "private"
    FORBIDDEN = "forbidden"

    @property
    def may_be_dialled(self) -> bool:
        """Tell whether we connect to it."""
        return self in (Reach.PUBLIC, Reach.ALLOWED)


_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10")
_METADATA = (
    "169.254.169.254/32",
    "169.254.170.2/32",
    "169.254.170.23/32",
    "168.63.129.16/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "fd00:ec2::254/128",
    "fd00:ec2::23/128",
    "fd20:ce::254/128",
    "fd00:42::42/128",
)
"""The addresses at which clouds tell each of their machines its credentials."""
_SPECIAL = (
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
)
_UNASSIGNED = ("::/3", "4000::/2", "8000::/1")
"""All of IPv6 but 2000::/3, from which public addresses are given out."""


def _blocks() -> tuple[tuple[Network, Reach], ...]:
    """All blocks that are not public, the smallest first: the first that holds an address says what it is."""
    private = [(ip_network(text), Reach.PRIVATE) for text in _PRIVATE]
    forbidden = [(ip_network(text), Reach.FORBIDDEN) for text in (*_METADATA, *_SPECIAL, *_UNASSIGNED)]
    return tuple(sorted((*private, *forbidden), key=lambda block: -block[0].prefixlen))


_BLOCKS = _blocks()
_NAT64, _COMPATIBLE = IPv6Network("64:ff9b::/96"), IPv6Network("::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
_NOBODY = (IPv6Address("::"), IPv6Address("::1"))


def judge_address(address: str, allowed: Iterable[Network]) -> Reach:
    """Return where this address lies. An IPv4 address within an IPv6 one is what is dialled in the end, and decides.

    A network that is allowed opens private addresses that it holds. It opens forbidden ones only if it lies within
    their block: `0.0.0.0/0` opens neither loopback nor the addresses at which clouds tell credentials.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return Reach.FORBIDDEN
    networks = tuple(allowed)
    found = [_judge(each, networks) for each in _inner(parsed) or (parsed,)]
    return max(found, key=list(Reach).index)


def judge_addresses(addresses: Sequence[str], allowed: Iterable[Network]) -> Reach:
    """Return where the worst of these addresses lies, those of one name; a name without any leads nowhere."""
    networks = tuple(allowed)
    return max((judge_address(each, networks) for each in addresses), key=list(Reach).index, default=Reach.FORBIDDEN)


def parse_allowed(entries: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks of a setting. Raises ValueError, which shows no entry."""
    if len(entries) > MAX_NETWORKS:
        raise ValueError(f"names more than {MAX_NETWORKS} networks")
    networks = []
    for number, entry in enumerate(entries, start=1):
        try:
            networks.append(ip_network(entry))
        except ValueError:
            raise ValueError(f"entry {number} is no address and no network such as 10.1.0.0/16") from None
    return tuple(networks)


def _judge(address: Address, allowed: Sequence[Network]) -> Reach:
    block, reach = next((found for found in _BLOCKS if address in found[0]), (None, Reach.PUBLIC))
    if block is None:
        return reach
    naming = [network for network in allowed if address in network]
    if reach is Reach.FORBIDDEN:
        naming = [network for network in naming if _lies_within(network, block)]
    return Reach.ALLOWED if naming else reach


def _lies_within(network: Network, block: Network) -> bool:
    return network.prefixlen >= block.prefixlen and network.network_address in block


def _inner(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that a gateway or a tunnel makes of an IPv6 address; none for most."""
    if isinstance(address, IPv4Address) or address in _NOBODY:
        return ()
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    if address.sixtofour:
        return (address.sixtofour,)
    if address.teredo:
        return address.teredo
    if address in _NAT64 or address in _COMPATIBLE or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return ()
