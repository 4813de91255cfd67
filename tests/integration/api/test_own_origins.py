"""Hosts and origins over real sockets: what no HTTP client can be made to send, and nothing of it is carried out."""

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from settings import Settings
from tests.integration.api.serving import serving
from tests.patience import PATIENCE_SECONDS

TASK = json.dumps({"task_name": "celeriac.add", "task_args": [1, 2]}).encode()


def ask(url: str, head: str, *, body: bytes = b"") -> tuple[int, str]:
    """Status and code of the answer to these very bytes; `{port}` stands for the server's."""
    address = urlsplit(url)
    assert address.port
    raw = head.format(port=address.port).replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body
    with socket.create_connection(("127.0.0.1", address.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(raw)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    status, _, rest = answer.decode().partition("\r\n")
    found = rest.partition("\r\n\r\n")[2]
    return int(status.split()[1]), json.loads(found).get("code", "") if found.startswith("{") else ""


HEADS = (
    ("GET /api/v1/tasks HTTP/1.0", (200, "")),
    ("GET /api/v1/tasks HTTP/1.0\nHost: evil.example", (421, "UNKNOWN_HOST")),
    ("GET /api/v1/tasks HTTP/1.1\nConnection: close\nHost: localhost:{port}", (200, "")),
    ("GET /api/v1/tasks HTTP/1.1\nConnection: close\nHOST: LOCALHOST.:{port}", (200, "")),
    ("GET /api/v1/tasks HTTP/1.1\nConnection: close\nHost: evil.example:{port}", (421, "UNKNOWN_HOST")),
    ("GET http://localhost/api/v1/tasks HTTP/1.1\nConnection: close\nHost: evil.example", (421, "UNKNOWN_HOST")),
    ("GET http://localhost/api/v1/tasks HTTP/1.1\nConnection: close\nHost: localhost", (200, "")),
    ("GET /api/v1/tasks HTTP/1.1\nConnection: close\nHost: localhost\nHost: evil.example", (400, "VALIDATION_ERROR")),
    ("GET /api/v1/tasks HTTP/1.1\nConnection: close\nHost: localhost\nHost: localhost", (400, "VALIDATION_ERROR")),
    ("GET /api/v1/tasks HTTP/1.1\nConnection: close\nHost: evil.example@localhost", (400, "VALIDATION_ERROR")),
    (
        "GET /api/v1/tasks HTTP/1.1\nConnection: close\nHost: evil.example\nX-Forwarded-Host: localhost",
        (421, "UNKNOWN_HOST"),
    ),
    (
        "GET /api/v1/tasks HTTP/1.1\nConnection: close\nHost: localhost\nOrigin: http://localhost\nOrigin: null",
        (400, "VALIDATION_ERROR"),
    ),
    (
        "GET /api/v1/tasks HTTP/1.1\nHost: localhost:{port}\nOrigin: http://evil.example\n"
        "Connection: Upgrade, close\nUpgrade: websocket\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        (403, "FORBIDDEN"),
    ),
    (
        "GET /api/v1/tasks HTTP/1.1\nConnection: close\nHost: localhost\nAccept: text/event-stream\n"
        "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: cors",
        (403, "FORBIDDEN"),
    ),
    ("GET /api/v1/health/live HTTP/1.1\nConnection: close\nHost: 10.4.0.17:{port}", (200, "")),
)


def test_a_request_is_judged_by_its_raw_head(settings: Settings) -> None:
    with serving(settings) as url:
        answered = {head: ask(url, head) for head, _ in HEADS}
    assert answered == dict(HEADS)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "UNKNOWN_HOST"),
        ({"Origin": "http://evil.example"}, "FORBIDDEN"),
        ({"Origin": "null"}, "FORBIDDEN"),
        ({"Sec-Fetch-Site": "cross-site"}, "FORBIDDEN"),
        ({"Sec-Fetch-Site": "same-site"}, "FORBIDDEN"),
    ],
)
def test_what_is_refused_is_not_carried_out(api: httpx.Client, headers: dict[str, str], code: str) -> None:
    task_id = api.post("/tasks", content=TASK, headers={"Content-Type": "application/json"}).json()["task_id"]
    bodyless = (
        f"/tasks/{task_id}/cancel",
        f"/tasks/{task_id}/replay",
        "/workers?hostname=by-form",
        "/workers/worker-1@vm/drain",
        "/workflows/01985a2c-7d1e-7c3a-b2f0-5d2f7c1e9a44/cancel",
    )
    for path in bodyless:
        assert api.post(path, headers=headers).json()["code"] == code, path
    submitted = api.post("/tasks", content=TASK, headers=headers | {"Content-Type": "application/json"})
    assert submitted.json()["code"] == code
    assert api.get("/tasks").json()["total"] == 1
    assert api.get(f"/tasks/{task_id}").json()["status"] == "PENDING"
    assert api.get("/workers").json()["total"] == 0


def test_an_operator_names_the_host_of_a_proxy(settings: Settings) -> None:
    named = settings.model_copy(update={"allowed_hosts": ("celeriac.example.com",)})
    page = {"Host": "celeriac.example.com", "Origin": "https://celeriac.example.com", "Sec-Fetch-Site": "same-origin"}
    with serving(named) as url:
        assert httpx.get(f"{url}/api/v1/tasks", headers=page).status_code == 200
        assert httpx.get(f"{url}/api/v1/tasks", headers=page | {"Host": "other.example.com"}).status_code == 421
