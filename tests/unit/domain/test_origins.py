"""Who is let in, as a table of raw headers. What real browsers send is in `tests/browser`."""

import pytest

from domain.origins import (
    Authority,
    OriginRefusal,
    OwnOrigins,
    is_address,
    is_loopback_host,
    own_origins,
    parse_authority,
    parse_entry,
)

LOCAL = own_origins("127.0.0.1", ())
NAMED = own_origins("Celeriac.internal.", ("celeriac.example.com", "ops.example.com:8443", "*.apps.example.com"))
ANY = own_origins("0.0.0.0", ("*",))

VISIT = ((b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document"))


def refusal(
    own: OwnOrigins, *more: tuple[bytes, bytes], host: bytes | None = b"127.0.0.1:8000", method: str = "POST"
) -> OriginRefusal | None:
    return own.refusal(method, [*([(b"host", host)] if host is not None else []), (b"accept", b"*/*"), *more])


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1",
        b"127.0.0.1:8000",
        b"127.8.9.1:1",
        b"localhost",
        b"LocalHost:8000",
        b"localhost.",
        b"localhost.:8000",
        b"localhost:",
        b"celeriac.localhost:8000",
        b"[::1]",
        b"[::1]:8000",
        b"10.1.2.3:8000",
        b"[2001:DB8::1]:8000",
        b"0.0.0.0:8000",
    ],
)
def test_loopback_and_every_address_are_ours(host: bytes) -> None:
    """An address of a pod is what an orchestrator asks, and no page can have it for its own."""
    assert refusal(LOCAL, host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"evil.example:8000",
        b"localhost.evil.example",
        b"127.0.0.1.evil.example",
        b"evillocalhost",
        b"localhost-evil",
        b"127.1",
        b"2130706433",
        b"0x7f.0.0.1",
        b"127.0.0.1.nip.io",
        b"celeriac.example.com",
        b"[::::]",
        b"1.2.3.4.5",
    ],
)
def test_any_other_name_is_not(host: bytes) -> None:
    assert refusal(LOCAL, host=host) is OriginRefusal.UNKNOWN_HOST
    assert refusal(LOCAL, host=host, method="GET") is OriginRefusal.UNKNOWN_HOST


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b" ",
        b"localhost,evil.example",
        b"localhost evil.example",
        b"evil.example@localhost",
        b"localhost@evil.example",
        b"user:password@localhost",
        b"http://localhost",
        b"localhost/evil.example",
        b"localhost#evil.example",
        b"localhost\\evil.example",
        b"localhost:8000:8000",
        b"localhost:http",
        b"localhost:123456",
        b"localhost..",
        b".localhost",
        b"::1",
        b"[::1",
        b"[::1%25lo]",
        b"[localhost]",
        b"*",
        b"local\x00host",
        b"local\thost",
        "localhöst".encode(),
        b"%6cocalhost",
        b"-localhost",
        b"a" * 64,
        b"a." * 200 + b"localhost",
        b"a" * 100_000,
    ],
)
def test_what_is_no_host_is_malformed(host: bytes) -> None:
    assert refusal(LOCAL, host=host) is OriginRefusal.MALFORMED


@pytest.mark.parametrize("name", [b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"])
def test_a_header_that_comes_twice_is_malformed_even_if_both_agree(name: bytes) -> None:
    value = {b"host": b"localhost", b"origin": b"http://localhost"}.get(name, b"same-origin")
    twice = [(name, value), (name, value)]
    assert LOCAL.refusal("GET", twice) is OriginRefusal.MALFORMED


def test_a_program_sends_none_of_them() -> None:
    assert refusal(LOCAL) is None
    assert refusal(LOCAL, host=None) is None


def test_what_a_proxy_or_a_page_says_of_another_host_is_not_read() -> None:
    forwarded = ((b"x-forwarded-host", b"localhost"), (b"forwarded", b"host=localhost"), (b":authority", b"localhost"))
    assert refusal(LOCAL, *forwarded, host=b"evil.example") is OriginRefusal.UNKNOWN_HOST
    assert refusal(LOCAL, (b"x-forwarded-host", b"evil.example")) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"Same-Origin", b"", b"same-origin, none", b"other"])
def test_pages_of_other_sites_neither_write_nor_read(method: str, site: bytes) -> None:
    assert refusal(LOCAL, (b"sec-fetch-site", site), method=method) is OriginRefusal.FOREIGN_PAGE


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("site", [b"same-origin", b"none"])
def test_our_own_pages_and_the_address_bar_may(method: str, site: bytes) -> None:
    assert refusal(LOCAL, (b"sec-fetch-site", site), method=method) is None


@pytest.mark.parametrize("site", [b"cross-site", b"same-site"])
def test_a_link_may_be_followed_in_a_window_of_its_own(site: bytes) -> None:
    assert refusal(LOCAL, (b"sec-fetch-site", site), *VISIT, method="GET") is None


@pytest.mark.parametrize(
    ("method", "mode", "destination"),
    [
        ("POST", b"navigate", b"document"),
        ("HEAD", b"navigate", b"document"),
        ("GET", b"navigate", b"iframe"),
        ("GET", b"navigate", b"embed"),
        ("GET", b"no-cors", b"document"),
        ("GET", b"no-cors", b"image"),
        ("GET", b"websocket", b"websocket"),
        ("GET", b"cors", b"empty"),
    ],
)
def test_nothing_else_of_another_site_counts_as_a_visit(method: str, mode: bytes, destination: bytes) -> None:
    asked = ((b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", mode), (b"sec-fetch-dest", destination))
    assert refusal(LOCAL, *asked, method=method) is OriginRefusal.FOREIGN_PAGE


def test_a_visit_has_no_origin() -> None:
    asked = ((b"sec-fetch-site", b"cross-site"), (b"origin", b"https://evil.example"))
    assert refusal(LOCAL, *asked, *VISIT, method="GET") is OriginRefusal.FOREIGN_PAGE


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (b"127.0.0.1:8000", b"http://127.0.0.1:8000"),
        (b"LOCALHOST:8000", b"http://localhost:8000"),
        (b"localhost.", b"http://localhost"),
        (b"localhost:80", b"http://localhost"),
        (b"localhost", b"https://localhost:443"),
        (b"localhost:443", b"https://localhost"),
        (b"[::1]:8000", b"http://[::1]:8000"),
        (b"192.168.1.5:8000", b"http://192.168.1.5:8000"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_origin_of_the_host_itself_is_ours(host: bytes, origin: bytes, method: str) -> None:
    assert refusal(LOCAL, (b"origin", origin), host=host, method=method) is None


@pytest.mark.parametrize(
    "origin",
    [
        b"null",
        b"",
        b"https://evil.example",
        b"http://evil.example:8000",
        b"http://127.0.0.1",
        b"http://127.0.0.1:8399",
        b"http://localhost:8000",
        b"http://127.0.0.1:8000/",
        b"http://127.0.0.1:8000@evil.example",
        b"http://127.0.0.1:8000, https://evil.example",
        b"http://127.0.0.1:8000.evil.example",
        b"HTTP://127.0.0.1:8000",
        b"file://",
        b"chrome-extension://abcdefghijklmnop",
        b"127.0.0.1:8000",
        b"//127.0.0.1:8000",
        b"http://\xff",
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST", "DELETE"])
def test_any_other_origin_is_not_whatever_the_browser_says_of_the_site(origin: bytes, method: str) -> None:
    assert refusal(LOCAL, (b"origin", origin), method=method) is OriginRefusal.FOREIGN_PAGE
    asked = ((b"origin", origin), (b"sec-fetch-site", b"same-origin"))
    assert refusal(LOCAL, *asked, method=method) is OriginRefusal.FOREIGN_PAGE


def test_without_a_host_no_origin_is_ours() -> None:
    assert refusal(LOCAL, (b"origin", b"http://localhost"), host=None) is OriginRefusal.FOREIGN_PAGE


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        (b"celeriac.internal:8000", None),
        (b"celeriac.example.com", None),
        (b"CELERIAC.example.com:444", None),
        (b"ops.example.com", None),
        (b"one.apps.example.com", None),
        (b"a.b.apps.example.com", None),
        (b"apps.example.com", OriginRefusal.UNKNOWN_HOST),
        (b"evilapps.example.com", OriginRefusal.UNKNOWN_HOST),
        (b"example.com", OriginRefusal.UNKNOWN_HOST),
        (b"x.celeriac.example.com", OriginRefusal.UNKNOWN_HOST),
        (b"localhost", None),
    ],
)
def test_names_that_an_operator_lists_are_ours_and_no_others(host: bytes, refused: OriginRefusal | None) -> None:
    assert refusal(NAMED, host=host) is refused


@pytest.mark.parametrize(
    ("origin", "refused"),
    [
        (b"https://celeriac.example.com", None),
        (b"http://celeriac.example.com", None),
        (b"https://ops.example.com:8443", None),
        (b"https://celeriac.example.com:8443", OriginRefusal.FOREIGN_PAGE),
        (b"https://ops.example.com", OriginRefusal.FOREIGN_PAGE),
        (b"https://one.apps.example.com", OriginRefusal.FOREIGN_PAGE),
        (b"http://localhost", OriginRefusal.FOREIGN_PAGE),
    ],
)
def test_behind_a_proxy_that_rewrites_the_host_pages_of_listed_names_are_ours(
    origin: bytes, refused: OriginRefusal | None
) -> None:
    assert refusal(NAMED, (b"origin", origin), host=b"10.0.0.7:8000") is refused


def test_a_page_below_a_listed_domain_may_ask_itself() -> None:
    own_page = (b"origin", b"https://one.apps.example.com")
    assert refusal(NAMED, own_page, host=b"one.apps.example.com") is None


def test_any_host_still_means_pages_of_that_host_only() -> None:
    assert refusal(ANY, host=b"whatever.example") is None
    assert refusal(ANY, (b"origin", b"http://whatever.example"), host=b"whatever.example") is None
    assert refusal(ANY, (b"origin", b"http://evil.example"), host=b"whatever.example") is OriginRefusal.FOREIGN_PAGE
    assert refusal(ANY, host=b"no host") is OriginRefusal.MALFORMED


@pytest.mark.parametrize(
    ("entry", "parsed"),
    [
        ("Example.com", (Authority("example.com", None), False)),
        ("example.com:8443", (Authority("example.com", 8443), False)),
        ("*.example.com", (Authority("example.com", None), True)),
        ("api", (Authority("api", None), False)),
    ],
)
def test_an_entry_is_a_name_perhaps_with_a_port_or_all_names_below(entry: str, parsed: tuple[Authority, bool]) -> None:
    assert parse_entry(entry) == parsed


@pytest.mark.parametrize(
    "entry",
    ["", "http://example.com", "example.com/", "*", "*.*.com", ".example.com", "a b", "ex*mple.com", "a." * 200],
)
def test_anything_else_is_none(entry: str) -> None:
    with pytest.raises(ValueError, match="takes names"):
        parse_entry(entry)


def test_hosts_are_parsed_and_addresses_told_from_names() -> None:
    assert parse_authority(b"A.b:1") == ("a.b", 1)
    assert parse_authority(b"[::1]") == ("::1", None)
    assert parse_authority(b"a:") == ("a", None)
    assert (is_address("::1"), is_address("127.0.0.1"), is_address("127.1")) == (True, True, False)


@pytest.mark.parametrize(
    ("host", "ours"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("celeriac.example", False)],
)
def test_what_is_listened_on_is_this_machines_alone(host: str, ours: bool) -> None:
    assert is_loopback_host(host) is ours
