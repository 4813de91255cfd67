import pytest

from api.middleware.client_address import MAX_HOPS, UNKNOWN, ClientAddress

PROXIES = ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32")


def address(peer: str | None, *forwarded: str | None, trusted: tuple[str, ...] = PROXIES) -> str:
    """With one header line for each of `forwarded`."""
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded if line is not None]
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
        ("2001:db8::5", "2001:0DB9::0001", "2001:db9::/64"),
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


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        # HAProxy adds a line of its own below the client's.
        (["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        (["6.6.6.6, 7.7.7.7", "198.51.100.1, 10.2.2.2", "10.3.3.3"], "198.51.100.1"),
        (["6.6.6.6", "198.51.100.1", ""], "10.1.2.3"),
    ],
)
def test_all_lines_are_one_list(lines: list[str], client: str) -> None:
    assert address("10.1.2.3", *lines) == client


@pytest.mark.parametrize(
    ("entry", "client"),
    [
        ("198.51.100.1:5555", "198.51.100.1"),
        ("[2001:db9::1]:5555", "2001:db9::/64"),
        ("[2001:db9::1]", "2001:db9::/64"),
        ("[::ffff:198.51.100.1]:5555", "198.51.100.1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("64:ff9b::198.51.100.1", "198.51.100.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[fe80::1%25eth0]:80", "fe80::/64"),
        ("  198.51.100.1\t", "198.51.100.1"),
    ],
)
def test_ports_brackets_zones_and_wrappings_are_no_part_of_an_address(entry: str, client: str) -> None:
    assert address("10.1.2.3", f"5.5.5.5, {entry}") == client


@pytest.mark.parametrize(
    "entry",
    [
        "unknown",
        "_hidden",
        "",
        "198.51.100.1:port",
        "198.51.100.1:123456",
        "198.51.100",
        "198.51.100.1 5.5.5.5",
        "for=198.51.100.1",
        '"198.51.100.1"',
        "[198.51.100.1",
        "1" * 100_000,
        "2001:db9::1%" + "z" * 100,
        "１.１.１.１",  # noqa: RUF001
    ],
)
def test_an_entry_that_is_no_address_ends_the_walk(entry: str) -> None:
    """Else the client chooses what is counted, by what it has sent left of that."""
    assert address("10.1.2.3", f"5.5.5.5, {entry}") == "10.1.2.3"
    assert address("10.1.2.3", f"5.5.5.5, {entry}, 10.7.7.7") == "10.7.7.7"


@pytest.mark.parametrize("trusted", [(), PROXIES])
def test_an_ipv6_network_is_one_client_and_zones_make_no_other(trusted: tuple[str, ...]) -> None:
    peers = ("2001:db9:0:7::1", "2001:db9:0:7:ffff:ffff:ffff:ffff", "2001:db9:0:7::1%a", "2001:db9:0:7::1%b")
    assert {address(peer, trusted=trusted) for peer in peers} == {"2001:db9:0:7::/64"}
    assert address("2001:db9:0:8::1", trusted=trusted) == "2001:db9:0:8::/64"


def test_an_ipv4_peer_of_a_dual_stack_socket_is_that_of_the_other() -> None:
    assert address("::ffff:203.0.113.9", trusted=()) == address("203.0.113.9", trusted=()) == "203.0.113.9"


def test_a_proxy_may_be_trusted_by_its_mapped_address() -> None:
    assert address("10.1.2.3", "198.51.100.1", trusted=("::ffff:10.0.0.0/104",)) == "198.51.100.1"


def test_only_the_last_entries_are_looked_at() -> None:
    chain = ["198.51.100.1", *["10.2.2.2"] * MAX_HOPS]
    for lines in (chain, [", ".join(chain)]):
        assert address("10.1.2.3", *lines) == "10.2.2.2"
    for lines in (chain[:-1], [", ".join(chain[:-1])]):
        assert address("10.1.2.3", *lines) == "198.51.100.1"
