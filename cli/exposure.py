"""Who can reach an address that is listened on, and the refusal to open one to others without any key."""

import socket
from ipaddress import IPv6Address, ip_address

from cli.errors import CliError
from settings import Settings

WAYS_OUT = "Set CELERIAC_API_KEYS to a key of 16 characters or more, or listen on 127.0.0.1."


def refuse_open(settings: Settings) -> None:
    """Raise CliError where others than this machine would reach the API and none would need a key."""
    if is_open(settings):
        raise CliError(
            f"The API would listen on {settings.host} and ask nobody for a key.\n"
            "Whoever can reach that address could run tasks, cancel them and read their arguments.\n"
            f"{WAYS_OUT}"
        )


def is_open(settings: Settings) -> bool:
    """Tell whether others than this machine can reach the API and none needs a key."""
    return not settings.api_keys and not is_loopback(settings.host)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a server that listens there; a name by all addresses that it stands for.

    Asked of the resolver, as the server will: `0` and `127.1` are addresses too. A name that it does not know counts
    as reachable.
    """
    try:
        addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    return all(_is_loopback(str(address[0])) for *_, address in addresses)


def _is_loopback(text: str) -> bool:
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
