"""Where an address lies that somebody else has chosen, and what the operator opens."""

import pytest

from domain.reach import MAX_NETWORKS, Reach, judge_address, judge_addresses, parse_allowed

PUBLIC = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1")
FORBIDDEN = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "169.254.1.1",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "2001:db8::1",
    "4000::1",
    "fd00:ec2::254",
    "64:ff9b:1::1",
)
PRIVATE = ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12:3456::1", "fec0::1")
WITHIN_IPV6 = (
    ("::ffff:127.0.0.1", Reach.FORBIDDEN),
    ("::ffff:10.0.0.1", Reach.PRIVATE),
    ("::ffff:8.8.8.8", Reach.PUBLIC),
    ("64:ff9b::a9fe:a9fe", Reach.FORBIDDEN),
    ("64:ff9b::808:808", Reach.PUBLIC),
    ("2002:7f00:1::1", Reach.FORBIDDEN),
    ("2002:808:808::1", Reach.PUBLIC),
    ("::10.0.0.1", Reach.PRIVATE),
    ("2a00:1450::5efe:7f00:1", Reach.FORBIDDEN),
    ("2a00:1450::200:5efe:a00:1", Reach.PRIVATE),
    # Teredo: a public server, and a client that is 127.0.0.1 with its bits turned around.
    ("2001:0:808:808::80ff:fffe", Reach.FORBIDDEN),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_dialled(address: str) -> None:
    assert judge_address(address, ()) is Reach.PUBLIC
    assert judge_address(address, ()).may_be_dialled


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_nobody_outside_can_mean_is_forbidden(address: str) -> None:
    assert judge_address(address, ()) is Reach.FORBIDDEN
    assert not judge_address(address, ()).may_be_dialled


@pytest.mark.parametrize("address", PRIVATE)
def test_networks_of_somebodys_own_are_private(address: str) -> None:
    assert judge_address(address, ()) is Reach.PRIVATE
    assert not judge_address(address, ()).may_be_dialled


@pytest.mark.parametrize(("address", "reach"), WITHIN_IPV6)
def test_an_ipv4_address_within_an_ipv6_one_decides(address: str, reach: Reach) -> None:
    assert judge_address(address, ()) is reach


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5", "::1/128"])
def test_what_is_no_address_is_forbidden(text: str) -> None:
    assert judge_address(text, parse_allowed(["0.0.0.0/0", "::/0"])) is Reach.FORBIDDEN


@pytest.mark.parametrize("address", PRIVATE)
def test_a_wide_network_opens_private_addresses(address: str) -> None:
    allowed = parse_allowed(["0.0.0.0/0", "::/0"])
    assert judge_address(address, allowed) is Reach.ALLOWED
    assert judge_address(address, allowed).may_be_dialled


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_wide_network_opens_nothing_forbidden(address: str) -> None:
    assert judge_address(address, parse_allowed(["0.0.0.0/0", "::/0"])) is Reach.FORBIDDEN


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("169.254.1.1", "169.254.0.0/16"),
        ("169.254.169.254", "169.254.169.254/32"),
        ("::ffff:127.0.0.1", "127.0.0.1/32"),
    ],
)
def test_what_is_forbidden_is_opened_by_its_own_network(address: str, network: str) -> None:
    assert judge_address(address, parse_allowed([network])) is Reach.ALLOWED


def test_credentials_of_clouds_are_not_opened_with_what_lies_around_them() -> None:
    assert judge_address("169.254.169.254", parse_allowed(["169.254.0.0/16"])) is Reach.FORBIDDEN
    assert judge_address("100.100.100.200", parse_allowed(["100.64.0.0/10"])) is Reach.FORBIDDEN
    assert judge_address("fd00:ec2::254", parse_allowed(["fc00::/7"])) is Reach.FORBIDDEN


def test_a_network_opens_nothing_outside_of_it() -> None:
    allowed = parse_allowed(["10.1.0.0/16", "127.0.0.2/32"])
    assert judge_address("10.1.2.3", allowed) is Reach.ALLOWED
    assert judge_address("10.2.0.1", allowed) is Reach.PRIVATE
    assert judge_address("127.0.0.1", allowed) is Reach.FORBIDDEN


def test_a_name_is_as_its_worst_address() -> None:
    assert judge_addresses(["8.8.8.8", "1.1.1.1"], ()) is Reach.PUBLIC
    assert judge_addresses(["8.8.8.8", "10.0.0.1"], ()) is Reach.PRIVATE
    assert judge_addresses(["10.0.0.1", "8.8.8.8", "127.0.0.1"], iter(parse_allowed(["10.0.0.0/8"]))) is Reach.FORBIDDEN
    assert judge_addresses([], ()) is Reach.FORBIDDEN


@pytest.mark.parametrize("entry", ["secret.example.com", "10.0.0.1/8", "10.0.0.0/40", ""])
def test_a_setting_that_names_no_network_is_refused_without_showing_it(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^entry 2 is no address and no network such as 10\.1\.0\.0/16$"):
        parse_allowed(["10.0.0.0/8", entry])


def test_a_setting_has_a_bound() -> None:
    assert len(parse_allowed(["10.0.0.0/8"] * MAX_NETWORKS)) == MAX_NETWORKS
    with pytest.raises(ValueError, match=r"^names more than 100 networks$"):
        parse_allowed(["10.0.0.0/8"] * (MAX_NETWORKS + 1))
