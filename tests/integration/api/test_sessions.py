"""Sessions that are made from keys, on real PostgreSQL and Valkey: signing in and out, and what a cookie opens."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from api.routing import API_PREFIX
from settings import Settings
from tests.integration.api.serving import serving
from tests.patience import wait_for

ENV_KEY = "a-key-of-this-test"
PAGE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def closed(settings: Settings) -> Settings:
    return settings.model_copy(update={"api_keys": (ENV_KEY, "another-of-this-test:read")})


@pytest.fixture
def url(closed: Settings) -> Iterator[str]:
    with serving(closed) as url:
        yield url + API_PREFIX


@pytest.fixture
def root(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {ENV_KEY}"}, trust_env=False) as client:
        yield client


@pytest.fixture
def browser(url: str) -> Iterator[httpx.Client]:
    """It keeps cookies, and says of each request that a page of ours makes it."""
    with httpx.Client(base_url=url, headers=PAGE, trust_env=False) as client:
        yield client


def made(root: httpx.Client, *scopes: str, **more: Any) -> dict[str, Any]:
    answer = root.post("/api-keys", json={"name": "etl", "scopes": scopes} | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def signed_in(browser: httpx.Client, key: str) -> str:
    """The value of the cookie."""
    answer = browser.post("/session", json={"key": key})
    assert answer.status_code == 204, answer.text
    assert answer.content == b""
    return browser.cookies["celeriac_session"]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def statuses(url: str, text: str, *, method: str = "GET", path: str = "/tasks", **headers: str) -> int:
    """What a program is answered that sends this cookie."""
    sent = {"Cookie": f"celeriac_session={text}", **headers}
    return httpx.request(method, url + path, headers=sent, trust_env=False).status_code


def test_a_session_can_do_what_its_key_can_and_ends_with_it(root: httpx.Client, browser: httpx.Client) -> None:
    key = made(root, "read")
    text = signed_in(browser, key["key"])
    me = browser.get("/me").json()
    assert (me["kind"], me["id"], me["name"], me["scopes"]) == ("session", key["key_id"], "etl", ["read"])
    assert browser.get("/tasks").status_code == 200
    assert refusal(browser.post("/tasks", json={"task_name": "celeriac.add"})) == (403, "FORBIDDEN")
    root.patch(f"/api-keys/{key['key_id']}", json={"scopes": ["operate"]})
    wait_for(lambda: browser.get("/tasks").status_code == 403)
    root.patch(f"/api-keys/{key['key_id']}", json={"scopes": ["read"], "disabled": True})
    wait_for(lambda: browser.get("/tasks").status_code == 401)
    root.patch(f"/api-keys/{key['key_id']}", json={"disabled": False})
    wait_for(lambda: browser.get("/tasks").status_code == 200)
    root.delete(f"/api-keys/{key['key_id']}")
    wait_for(lambda: "celeriac_session" not in browser.cookies or browser.get("/tasks").status_code == 401)
    assert text not in root.get("/sessions").text
    assert root.get("/sessions").json()["total"] == 0


def test_the_cookie_is_for_our_pages_alone_and_nothing_of_it_is_stored(browser: httpx.Client, closed: Settings) -> None:
    answer = browser.post("/session", json={"key": ENV_KEY})
    text = browser.cookies["celeriac_session"]
    flags = answer.headers["set-cookie"].split("; ")
    assert flags == [f"celeriac_session={text}", "Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Strict"]
    assert answer.headers["cache-control"] == "no-store"
    port = browser.base_url.port
    over_tls = {"Host": f"localhost:{port}", "Origin": f"https://localhost:{port}"}
    assert "; Secure" in browser.post("/session", json={"key": ENV_KEY}, headers=over_tls).headers["set-cookie"]
    assert closed.database_url
    with psycopg.connect(closed.database_url) as connection:
        rows = connection.execute("select s::text from sessions s").fetchall()
    assert len(rows) == 2
    assert not [row for (row,) in rows if text.rpartition("_")[2] in row or ENV_KEY in row]


def test_what_changes_something_needs_the_word_of_a_browser(browser: httpx.Client, url: str) -> None:
    text = signed_in(browser, ENV_KEY)
    origin = url.removesuffix(API_PREFIX)
    assert statuses(url, text) == 200
    for method, path in (
        ("POST", "/tasks"),
        ("DELETE", "/session"),
        ("PATCH", "/api-keys/x"),
        ("PUT", "/alerts/rules"),
    ):
        assert statuses(url, text, method=method, path=path) == 403, method
        assert statuses(url, text, method=method, path=path, **{"Sec-Fetch-Site": "cross-site"}) == 403
        assert statuses(url, text, method=method, path=path, Origin="https://example.com") == 403
    assert statuses(url, text, method="POST", **PAGE) == 400
    assert statuses(url, text, method="POST", Origin=origin) == 400
    assert statuses(url, text, method="POST", Authorization=f"Bearer {ENV_KEY}") == 400
    assert statuses(url, text) == 200


def test_what_is_no_session_opens_nothing(browser: httpx.Client, url: str) -> None:
    text = signed_in(browser, ENV_KEY)
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    for value in ("", "x", other, "0" * 12 + "_" + "0" * 43, f"{text}; celeriac_session={text}"):
        assert statuses(url, value) == 401, value
    dead = httpx.get(f"{url}/tasks", headers={"Cookie": f"celeriac_session={other}"}, trust_env=False)
    assert refusal(dead) == (401, "UNAUTHENTICATED")
    assert "Max-Age=0" in dead.headers["set-cookie"]
    assert statuses(url, text) == 200


def test_nobody_signs_in_with_a_wrong_key_and_guesses_are_counted(browser: httpx.Client) -> None:
    for body in ({}, {"key": ""}, {"key": "caf\xe9-caf\xe9-caf\xe9"}, {"key": ENV_KEY, "more": 1}, {"key": "x" * 257}):
        assert refusal(browser.post("/session", json=body)) == (400, "VALIDATION_ERROR")
    assert browser.post("/session").status_code == 400
    answers = [browser.post("/session", json={"key": "a-wrong-key-of-this-test"}) for _ in range(31)]
    assert [answer.status_code for answer in answers] == [401] * 30 + [429]
    assert not browser.cookies
    assert signed_in(browser, ENV_KEY)


def test_signing_out_ends_it_for_every_process(browser: httpx.Client, url: str, closed: Settings) -> None:
    text = signed_in(browser, ENV_KEY)
    with serving(closed) as other:
        elsewhere = other + API_PREFIX
        assert statuses(elsewhere, text) == 200
        answer = browser.delete("/session")
        ended_at = time.monotonic()
        assert answer.status_code == 204
        assert not browser.cookies
        wait_for(lambda: statuses(elsewhere, text) == 401)
        print(f"refused elsewhere after {1000 * (time.monotonic() - ended_at):.0f} ms")
        wait_for(lambda: statuses(url, text) == 401)


def test_an_administrator_sees_who_is_signed_in_and_ends_it(
    root: httpx.Client, browser: httpx.Client, url: str
) -> None:
    key = made(root, "read", "admin")
    text = signed_in(browser, key["key"])
    with httpx.Client(base_url=url, headers=PAGE, trust_env=False) as another:
        mine = signed_in(another, ENV_KEY)
    shown = browser.get("/sessions").json()
    assert shown["total"] == 2
    assert shown["data"] == shown["sessions"]
    own = next(row for row in shown["data"] if row["current"])
    assert own["session_id"] == text.partition("_")[0]
    assert (own["kind"], own["id"], own["name"], own["address"]) == ("api_key", key["key_id"], "etl", "127.0.0.1")
    assert own["user_agent"].startswith("python-httpx")
    other = next(row for row in shown["data"] if not row["current"])
    assert (other["kind"], other["id"]) == ("env_key", "1")
    assert browser.delete(f"/sessions/{other['session_id']}").status_code == 204
    wait_for(lambda: statuses(url, mine) == 401)
    assert refusal(browser.delete(f"/sessions/{other['session_id']}")) == (404, "SESSION_NOT_FOUND")


def test_a_session_of_a_key_that_the_environment_has_no_more_opens_nothing(
    browser: httpx.Client, closed: Settings
) -> None:
    text = signed_in(browser, ENV_KEY)
    changed = closed.model_copy(update={"api_keys": ("a-new-key-of-this-test", "another-of-this-test:read")})
    with serving(changed) as other:
        assert statuses(other + API_PREFIX, text) == 401


def test_a_session_that_lasted_too_long_opens_nothing(browser: httpx.Client, url: str, closed: Settings) -> None:
    texts = [signed_in(browser, ENV_KEY) for _ in range(2)]
    changes = ("seen_at = now() - interval '12 hours'", "expires_at = now()")
    assert closed.database_url
    with psycopg.connect(closed.database_url) as connection:
        for text, change in zip(texts, changes, strict=True):
            connection.execute(f"update sessions set {change} where session_id = %s", [text.partition("_")[0]])
    for text in texts:
        assert statuses(url, text) == 401
