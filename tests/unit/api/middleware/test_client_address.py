import pytest

from api.middleware.client_address import UNKNOWN, ClientAddress

PROXIES = ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32")


def address(peer: str | None, forwarded: str | None, trusted: tuple[str, ...] = PROXIES) -> str:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded is not None else []
    client = (peer, 1) if peer else None
    return ClientAddress(trusted).of({"type": "http", "client": client, "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        # A stranger cannot choose its own address.
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("192.0.2.1", "198.51.100.1", "198.51.100.1"),
        # What the client itself sent stands left of what the proxy saw.
        ("10.1.2.3", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "198.51.100.1, 10.9.9.9, 192.0.2.1", "198.51.100.1"),
        ("10.1.2.3", "10.4.4.4", "10.4.4.4"),
        ("2001:db8::5", "2001:0DB9::0001", "2001:db9::1"),
        ("::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "nonsense", "10.1.2.3"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", None, "10.1.2.3"),
        (None, None, UNKNOWN),
        (None, "198.51.100.1", UNKNOWN),
    ],
)
def test_the_last_address_that_no_trusted_proxy_owns_is_the_clients(
    peer: str | None, forwarded: str | None, client: str
) -> None:
    assert address(peer, forwarded) == client


def test_without_trusted_proxies_the_header_says_nothing() -> None:
    assert address("10.1.2.3", "198.51.100.1", trusted=()) == "10.1.2.3"


def test_a_proxy_that_is_no_address_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"proxy\.example"):
        ClientAddress(("proxy.example",))
