"""Every route through a real server, asked by pages of other sites and by other names: refused before anything else."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from settings import Settings
from tests.integration.api.serving import serving

KEY = "a-key-of-this-test"
FOREIGN: tuple[dict[str, str], ...] = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
)
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "YQ=="}
BESIDE = ("/metrics", "/docs", "/redoc", "/openapi.json", "/no/such/path")


@pytest.fixture(params=[(), (KEY,)], ids=["no keys", "keys"])
def client(request: pytest.FixtureRequest, settings: Settings) -> Iterator[httpx.Client]:
    """A client that has a key where one is asked for: it is not for want of it that it is refused."""
    wanted = {"api_keys": request.param, "rate_limit_per_minute": 1}
    with serving(settings.model_copy(update=wanted)) as url:
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
            yield client


def requests_of(client: httpx.Client) -> list[tuple[str, str]]:
    """Each method with each path, whatever stands for the ids in it."""
    paths: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    return [(verb.upper(), path) for path, verbs in paths.items() for verb in verbs] + [
        ("GET", path) for path in BESIDE
    ]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert not [name for name in answer.headers if name.startswith(("access-control", "x-ratelimit"))]
    return answer.status_code, answer.json()["code"]


def test_no_route_is_left_out_and_no_request_is_counted(client: httpx.Client) -> None:
    asked = requests_of(client)
    assert len(asked) > 40
    for method, path in asked:
        for headers in FOREIGN:
            assert refusal(client.request(method, path, headers=headers)) == (403, "FORBIDDEN"), (method, path, headers)
        answer = client.request(method, path, headers={"Host": "evil.example"})
        assert refusal(answer) == (421, "UNKNOWN_HOST"), (method, path)
        assert "CELERIAC_ALLOWED_HOSTS" in answer.json()["detail"]


def test_what_would_stay_open_is_refused_before_it_is_opened(client: httpx.Client) -> None:
    for kind in (UPGRADE, {"Accept": "text/event-stream"}):
        for path in ("/api/v1/tasks", "/no/such/stream"):
            for headers in FOREIGN:
                assert refusal(client.get(path, headers=kind | headers)) == (403, "FORBIDDEN"), (path, headers)
            assert client.get(path, headers=kind | {"Host": "evil.example"}).status_code == 421


def test_programs_and_our_own_pages_are_let_in(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    assert client.get("/api/v1/health/live").status_code == 200
    for headers in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert client.get("/api/v1/health/live", headers=headers).status_code == 200, headers
    for host in ("localhost", "10.4.0.17:8000", "[::1]:8000"):
        assert client.get("/api/v1/health/live", headers={"Host": host}).status_code == 200, host
