from ipaddress import ip_network

import pytest

from domain.webhooks.endpoints import (
    MAX_HEADERS,
    MAX_URL,
    Egress,
    check_headers,
    parse_endpoint,
    shown_url,
)

STRICT = Egress()
LOOSE = Egress(allow_http=True, networks=(ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8")))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://EXAMPLE.com:443/h?x=1", "https://example.com/h?x=1"),
        ("https://example.com:8443/h", "https://example.com:8443/h"),
        ("https://example.com:50000/h", "https://example.com:50000/h"),
        ("https://b\u00fccher.example/h", "https://xn--bcher-kva.example/h"),
        ("https://1.1.1.1/h", "https://1.1.1.1/h"),
        ("https://[2606:4700::1111]:8443/h", "https://[2606:4700::1111]:8443/h"),
        ("https://a_b.example./h", "https://a_b.example./h"),
    ],
)
def test_a_url_has_one_form(url: str, expected: str) -> None:
    assert parse_endpoint(url, STRICT).url == expected


@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        ("http://example.com/", "https"),
        ("ftp://example.com/", "https"),
        ("example.com", "https"),
        ("https://user@example.com/", "no user"),
        ("https://:pw@example.com/", "no user"),
        ("https://example.com/#x", "fragment"),
        ("https://example.com:22/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:99999/", "port"),
        ("https://example.com:x/", "port"),
        ("https://[::1/", "no URL"),
        ("https:///h", "no name"),
        ("https://exa mple.com/", "space"),
        ("https://example.com\\@evil.example/", "backslash"),
        ("https://example.com/\u00fc", "percent-encoded"),
        ("https://a..b/", "no name"),
        ("https://" + "a" * 64 + ".example/", "no name"),
        ("https://%31/", "no name"),
        ("https://127.0.0.1/", "may not be dialled"),
        ("https://[::1]/", "may not be dialled"),
        ("https://[::ffff:127.0.0.1]/", "may not be dialled"),
        ("https://[64:ff9b::7f00:1]/", "may not be dialled"),
        ("https://10.0.0.1/", "may not be dialled"),
        ("https://169.254.169.254/latest", "may not be dialled"),
        ("https://Metadata.Google.Internal/", "may not be dialled"),
        ("https://instance-data./", "may not be dialled"),
        ("https://example.com/" + "a" * MAX_URL, "characters"),
    ],
)
def test_what_may_not_be_dialled_is_refused_with_the_rule_and_without_the_url(url: str, flaw: str) -> None:
    with pytest.raises(ValueError, match=flaw) as refused:
        parse_endpoint(url, STRICT)
    assert "example" not in str(refused.value)


def test_what_the_operator_allows_is_dialled() -> None:
    assert parse_endpoint("http://127.0.0.1:9000/h", LOOSE).url == "http://127.0.0.1:9000/h"
    assert parse_endpoint("http://10.1.2.3/h", LOOSE).port == 80
    with pytest.raises(ValueError, match="may not be dialled"):
        parse_endpoint("http://127.0.0.2/h", LOOSE)


def test_a_query_is_not_shown() -> None:
    assert shown_url("https://example.com/h?token=abc") == "https://example.com/h?***"
    assert shown_url("https://example.com/h") == "https://example.com/h"


@pytest.mark.parametrize(
    "headers",
    [
        {f"X-{number}": "1" for number in range(MAX_HEADERS + 1)},
        {"x-team": "2"},
        {"Host": "elsewhere"},
        {"content-length": "0"},
        {"Webhook-Id": "x"},
        {"X Team": "1"},
        {"": "1"},
        {"X-Team": "a\r\nX-Evil: 1"},
        {"X-Team": "\u00fc"},
        {"X-Team": " x"},
        {"X-Team": "x" * 1_025},
    ],
)
def test_headers_that_are_ours_or_none_are_refused_and_others_are_not(headers: dict[str, str]) -> None:
    sound = {"X-Team": "etl", "Authorization": "Bearer x", "X-Empty": ""}
    check_headers(sound)
    with pytest.raises(ValueError, match=r"header|value|name"):
        check_headers(sound | headers)
