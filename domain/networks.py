"""Networks and addresses that settings name: whose `X-Forwarded-For` is believed, and who reaches us."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

WIDEST_IPV4, WIDEST_IPV6 = 8, 7
"""Prefixes of 10.0.0.0/8 and fc00::/7, the widest networks that are anybody's own."""


def check_proxies(proxies: Sequence[str]) -> None:
    """Raises ValueError unless each is an address or a network of somebody's own. No message holds the value."""
    for number, proxy in enumerate(proxies, start=1):
        try:
            network = ip_network(proxy)
        except ValueError:
            # From None: the error's own text holds the value.
            raise ValueError(f"entry {number} is no address and no network such as 10.1.0.0/16") from None
        if network.prefixlen < (WIDEST_IPV4 if network.version == 4 else WIDEST_IPV6):
            raise ValueError(f"entry {number} is so wide that strangers are in it, and each could name any address")


def is_loopback_address(text: str) -> bool:
    """Whether this is an address that only its own machine reaches. False for a name: nobody is asked what it means."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
