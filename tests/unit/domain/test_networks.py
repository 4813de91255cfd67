import pytest

from domain.networks import check_proxies, is_loopback_address
from tests.raised import raised_by


@pytest.mark.parametrize("proxy", ["10.1.2.3", "10.0.0.0/8", "172.16.0.0/12", "::1", "fd00::/8", "fc00::/7", "0.0.0.0"])
def test_addresses_and_networks_of_ones_own_are_proxies(proxy: str) -> None:
    assert raised_by(check_proxies, (proxy,)) is None


@pytest.mark.parametrize("proxy", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "8.0.0.0/7", "2000::/3"])
def test_a_network_with_strangers_in_it_is_refused(proxy: str) -> None:
    with pytest.raises(ValueError, match="entry 2 is so wide"):
        check_proxies(("127.0.0.1", proxy))


@pytest.mark.parametrize(
    "proxy", ["", "proxy", "10.0.0.0.0", "10.1.2.3/8", "10.0.0.0/33", "*", "fe80::1/64", "010.0.0.1"]
)
def test_what_is_no_network_is_refused_without_its_text(proxy: str) -> None:
    with pytest.raises(ValueError, match="entry 1 is no address") as raised:
        check_proxies((proxy,))
    assert not proxy or proxy == "*" or proxy not in str(raised.value)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_an_address_of_loopback_is_only_this_machines(text: str) -> None:
    assert is_loopback_address(text)


@pytest.mark.parametrize(
    "text", ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "localhost", "127.1", ""]
)
def test_any_other_address_and_every_name_is_not(text: str) -> None:
    assert not is_loopback_address(text)
