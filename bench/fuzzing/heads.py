"""Hostile paths, queries, cursors, headers and methods, and what only looks like HTTP."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bench.fuzzing import texts
from bench.fuzzing.bodies import RARE
from bench.fuzzing.operations import API, encoded, sound_body
from bench.fuzzing.requests import Expected, FuzzedRequest, Generator, Headers, Material, request

PIECES = (
    *("%00", "%ff", "%c0%af", "%ed%a0%80", "%2f", "%2e%2e", "%25", "%", "%zz", "..", ".", "//", ";a=b", "\\", "%0d%0a"),
    *("%1b%5b31m", "*", "~", "'", "%22", "{task_id}", "a" * 300, "a" * 3_000, "%F0%9F%92%A9" * 200, "-1", "null"),
    *("export", "batch", "rules", "NaN", "%E2%80%AE", "celery@host", "00000000-0000-0000-0000-000000000000"),
)
VALUES = (
    *("", "0", "-1", "1001", "9007199254740991", "9" * 400, "1e9", "NaN", "Infinity", "1.5", "true", "null", "%00"),
    *("%ff", "%ed%a0%80", "[]", "{}", "2026-02-30", "9999-12-31T23:59:59-23:59", "-999999999999999d", "-1s", "now"),
    *(
        "COMPLETED",
        "completed",
        "a" * 501,
        "a" * 20_000,
        "%25",
        "_",
        "%22",
        "%22%22%22",
        "or",
        "or+or",
        "-",
        "-a",
        "--",
    ),
    *("a+or+b+" * 70, "%22" + "a+" * 200, "%28" * 200, "a*" * 100, "%5C" * 200, "%F0%9F%92%A9" * 100, "..%2f" * 50),
    *("created_at", "password", "asc", "name%3Bdrop", "celery%40host", "00000000-0000-0000-0000-000000000000"),
)
POSITIONS: tuple[Any, ...] = (
    *(["2026-01-25T14:30:00+00:00", "\ud800"], ["2026-01-25T14:30:00+00:00", "\udc00\ud800"], ["9999-99-99", "a"]),
    *(["0001-01-01T00:00:00+23:59", "a"], ["9999-12-31T23:59:59-23:59", "a"], ["2026-01-25T14:30:00", "a"], [1, 2]),
    *(["2026-01-25T14:30:00+00:00", None], ["2026-01-25T14:30:00+00:00", "\0"], ["2026-01-25T14:30:00+00:00", [[]]]),
    *(["2026-01-25T14:30:00+00:00", "a" * 300], ["2026-01-25T14:30:00+00:00"], [], {}, None, 1e300, "ab", [[], {}]),
    *(["20260125T143000Z", "a"], ["2026-W04-7T14:30:00Z", "a"], ["2026-01-25T24:00:00Z", "a"], [True, False]),
)
ODD_TEXTS = (
    *(b"", b" ", b"a" * 128, b"a" * 129, b"a" * 255, b"a" * 256, b"a" * 8_000, b"\xff\xfe", b"\xc3\x28", b"\x80" * 50),
    *("\N{RIGHT-TO-LEFT OVERRIDE}".encode(), "\N{PILE OF POO}".encode() * 50, b"a\tb", b"%0d%0aX-Forged: 1", b"null"),
    *(b"${jndi:ldap://127.0.0.1/a}", b"';--", b"<script>", b"a,b", b'"', b"\\", b"-1", b"1" * 400),
)
ADDRESSES = (
    *(
        "6.6.6.6",
        "6.6.6.6, 127.0.0.1:5555",
        "[2001:db8::1]:5555",
        "fe80::1%anything",
        "unknown",
        "_hidden",
        ", ,",
        "::",
    ),
    *("::ffff:127.0.0.1", "999.1.1.1", "127.0.0.1" + ", 1.2.3.4" * 500, "1.2.3.4\t", "0x7f.1", "2130706433", "[::1"),
)
HOSTS = (
    *(
        "evil.example",
        "evil.example:8000",
        "localhost",
        "localhost.",
        "127.0.0.1:99999",
        "[::1]",
        "[::1",
        "a@127.0.0.1",
    ),
    *("127.0.0.1, evil.example", "127.0.0.1:8000@evil.example", "0", "xn--a", "127.0.0.1#", "a" * 5_000, "", " ", "*"),
)
ORIGINS = ("null", "http://evil.example", "http://127.0.0.1:1", "http://", "file://", "a" * 5_000, "", "http://[::1")
SITES = ("cross-site", "same-site", "same-origin", "none", "x", "")
OTHERS: Mapping[str, tuple[str, ...]] = {
    "Authorization": ("Bearer", "Bearer ", "Bearer x", "Basic YTpi", "Bearer " + "x" * 9_000, "bearer\tx", ","),
    "Accept": ("*/*;q=nan", "text/html", "," * 1_000, "application/json;" * 300),
    "Accept-Encoding": ("gzip;q=9", "br", "*" * 1_000),
    "Range": ("bytes=0-", "bytes=-1", "bytes=" + "0-1," * 1_000),
    "If-None-Match": ("*", 'W/"' + "a" * 4_000),
    "Cookie": ("a=b;" * 1_000, "celeriac_session=x", "=;=;="),
    "Expect": ("100-continue", "200-ok"),
    "Connection": ("close", "keep-alive, close", "Host", "upgrade"),
    "X-HTTP-Method-Override": ("DELETE", "PATCH"),
    "X-Original-URL": ("/api/v1/tasks", "/"),
    "Forwarded": ("for=6.6.6.6;host=evil.example", "for=" + "a" * 4_000),
    "X-Forwarded-Host": ("evil.example",),
    "X-Forwarded-Proto": ("https", "javascript"),
    "Prefer": ("wait=9999999999",),
    "Traceparent": ("00-" + "f" * 32 + "-" + "f" * 16 + "-01", "x"),
}
METHODS = ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "LOCK", "MKCOL", "SEARCH", "PURGE")
NO_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /api/v1/health\r\n\r\n",
    b"GET  /api/v1/health  HTTP/1.1\r\n\r\n",
    b"GET /api/v1/health HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET /api/v1/health HTTP/1.1\nHost: a\n\n",
    b"GET /api/v1/health HTTP/1.1\r\n\r\n",
    b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /api/v1/health HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
    b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nX-\x00: b\r\n\r\n",
    b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n",
    b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n",
    b"GET /api/v1/health HTTP/1.1\r\n: b\r\n\r\n",
    b"GET http://evil.example/api/v1/health HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //evil.example/api/v1/health HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/v1/\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/v1/health?\x01\x02 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /api/v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"G" * 10_000,
    b"\r\n" * 5_000,
    b"\x00" * 1_000,
)


def _sound(material: Material) -> FuzzedRequest:
    return _with_headers(material, ())


def _path(material: Material) -> FuzzedRequest:
    """A sound path with something strange in the place of one of its parts, or behind it."""
    random, operation = material.random, material.any_operation()
    parts = material.path(operation).split("/")
    place = random.randrange(3, len(parts) + 1)
    parts[place : place + random.randrange(2)] = [random.choice(PIECES)]
    target = "/".join(parts)
    # What was hit may still be an operation, and another one; all that is known of it is that it is the API's.
    return request(material, None, method="GET", target=target)


def _query(material: Material) -> FuzzedRequest:
    random = material.random
    operation = random.choice([each for each in material.operations if each.method == "GET" and each.query])
    names = [random.choice((*operation.query, "unknown")) for _ in range(random.choice((1, 1, 2, 5)))]
    query = "&".join(f"{name}={random.choice(VALUES)}" for name in names)
    return request(material, operation, target=f"{material.path(operation)}?{query}")


def _long_query(material: Material) -> FuzzedRequest:
    """A thousand parameters, known and unknown, in less than 64 KiB."""
    operation = material.named("GET /tasks")
    name = material.random.choice(("status", "search", "unknown", "cursor"))
    query = "&".join(f"{name}=PENDING" for _ in range(1_000))
    return request(material, operation, target=f"{API}/tasks?{query}")


def _cursor(material: Material) -> FuzzedRequest:
    random = material.random
    operation = random.choice([each for each in material.operations if "cursor" in each.query])
    position = json.dumps(random.choice(POSITIONS), ensure_ascii=random.random() < 0.9)
    raw = position.encode("utf-8", "surrogatepass")
    if random.random() < 0.2:
        raw = texts.spoilt(raw, random)
    forged = base64.urlsafe_b64encode(raw).decode().rstrip("=" * random.randrange(2))
    cursor = random.choice((forged, forged, forged, forged[:-1], forged + "====", "%00", "a" * 513, texts.deep(150)))
    return request(material, operation, target=f"{material.path(operation)}?cursor={quote(cursor, safe='%')}")


def _registration(material: Material) -> FuzzedRequest:
    hostname = quote(material.random.choice(texts.NAMES)[:2_000], safe="")
    capacity = material.random.choice(VALUES)
    return request(
        material, material.named("POST /workers"), target=f"{API}/workers?hostname={hostname}&capacity={capacity}"
    )


def _method(material: Material) -> FuzzedRequest:
    operation = material.any_operation()
    method = material.random.choice(METHODS)
    # As GET, for no method here is to succeed where a route has it.
    same = [each for each in material.operations if each.path == operation.path and each.method == method]
    return request(material, same[0] if same else None, method=method, target=material.path(operation))


def _request_id(material: Material) -> FuzzedRequest:
    return _with_headers(material, [("X-Request-ID", material.random.choice(ODD_TEXTS))])


def _idempotency_key(material: Material) -> FuzzedRequest:
    return _with_headers(material, [("Idempotency-Key", material.random.choice(ODD_TEXTS))])


def _forwarded_for(material: Material) -> FuzzedRequest:
    return _with_headers(
        material, [("X-Forwarded-For", material.random.choice(ADDRESSES)) for _ in range(material.random.randint(1, 3))]
    )


def _host(material: Material) -> FuzzedRequest:
    return _with_headers(material, [("Host", material.random.choice(HOSTS))], expected=Expected.ANYTHING)


def _origin(material: Material) -> FuzzedRequest:
    random = material.random
    headers = [("Origin", random.choice(ORIGINS)), ("Sec-Fetch-Site", random.choice(SITES))]
    return _with_headers(material, headers[random.randrange(2) :])


def _other_header(material: Material) -> FuzzedRequest:
    name = material.random.choice(list(OTHERS))
    return _with_headers(material, [(name, material.random.choice(OTHERS[name]))])


def _with_headers(material: Material, headers: Headers, *, expected: Expected = Expected.DOCUMENTED) -> FuzzedRequest:
    operation = material.any_operation()
    sound = sound_body(operation, material.random)
    body = None if sound is None else encoded(sound)
    return request(material, operation, headers=headers, body=body, expected=expected)


def _large_head(material: Material) -> FuzzedRequest:
    """Send a head beyond 64 KiB: in one header, or in thousands."""
    random = material.random
    size = random.choice((100_000, 1_000_000))
    one: Headers = [("X-Large", "a" * size)]
    many: Headers = [(f"X-{number}", "a") for number in range(size // 12)]
    headers = random.choice((one, many))
    return request(material, material.named("GET /health/live"), headers=headers, expected=Expected.REFUSED)


def _largest_head(_: Material) -> FuzzedRequest:
    """10 MB of the smallest headers."""
    raw = b"GET /api/v1/health/live HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 1_700_000 + b"\r\n"
    return FuzzedRequest(raw, Expected.REFUSED)


def _no_http(material: Material) -> FuzzedRequest:
    raw = material.random.choice(NO_HTTP)
    return FuzzedRequest(raw, Expected.ANYTHING)


def _spoilt_head(material: Material) -> FuzzedRequest:
    sound = _sound(material)
    return FuzzedRequest(texts.spoilt(sound.raw, material.random), Expected.ANYTHING)


def _unfinished_head(material: Material) -> FuzzedRequest:
    sound = _sound(material)
    whole = sound.raw.index(b"\r\n\r\n")
    return FuzzedRequest(sound.raw[: material.random.randrange(whole)], Expected.NOTHING)


HEADS: Mapping[str, Generator] = {
    "sound request": Generator(_sound, 4),
    "hostile path": Generator(_path, 6),
    "hostile query": Generator(_query, 8),
    "a thousand parameters": Generator(_long_query, 0.5),
    "forged cursor": Generator(_cursor, 3),
    "hostile registration": Generator(_registration),
    "another method": Generator(_method, 2),
    "X-Request-ID": Generator(_request_id, 2),
    "Idempotency-Key": Generator(_idempotency_key, 2),
    "X-Forwarded-For": Generator(_forwarded_for, 2),
    "Host": Generator(_host, 2),
    "Origin": Generator(_origin, 2),
    "another header": Generator(_other_header, 2),
    "large head": Generator(_large_head, 0.2),
    "10 MB of headers": Generator(_largest_head, RARE),
    "no HTTP": Generator(_no_http, 2),
    "spoilt head": Generator(_spoilt_head, 3),
    "unfinished head": Generator(_unfinished_head, 0.1),
}
