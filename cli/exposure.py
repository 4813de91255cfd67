"""Who can reach an address that is listened on, and the refusal to open one to others without any key."""

import socket

import psycopg

from cli.errors import OpenAccess
from domain.networks import is_loopback_address
from settings import Settings
from store.inspection import was_closed

WAYS_OUT = (
    "Set CELERIAC_API_KEYS to a key of 16 characters or more or make one with `celeriac keys create --admin`, "
    "or CELERIAC_ALLOW_OPEN=yes where all who reach it may."
)


def refuse_open(settings: Settings) -> None:
    """Raise CliError where others than this machine would reach the API and none would need a key.

    Unless the operator has said that this is what he wants. A database that does not answer has told of no key.
    """
    if not settings.allow_open and is_open(settings):
        raise OpenAccess(
            f"The API would listen on {settings.host} and ask nobody for a key.\n"
            "Whoever can reach that address could run tasks, cancel them and read their arguments.\n"
            f"{WAYS_OUT}"
        )


def is_open(settings: Settings) -> bool:
    """Tell whether others than this machine can reach the API and none needs a key."""
    return not is_loopback(settings.host) and not asks_for_key(settings)


def asks_for_key(settings: Settings) -> bool:
    """Tell whether a key or a token is needed: a key of the environment, or of the database, if that answers."""
    if settings.asks_everybody:
        return True
    try:
        return settings.database_url is not None and was_closed(settings.database_url)
    except psycopg.Error:
        return False


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a server that listens there; a name by all addresses that it stands for.

    Asked of the resolver, as the server will: `0` and `127.1` are addresses too. A name that it does not know counts
    as reachable.
    """
    try:
        addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    return all(is_loopback_address(str(address[0])) for *_, address in addresses)
