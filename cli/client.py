"""The REST API as a client command asks it: JSON in, JSON out, and one sentence for everything that goes wrong."""

import os
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

import httpx

from cli.errors import CliError
from domain.audit import REASON_HEADER, check_reason
from domain.server_urls import mask_url

TIMEOUT_SECONDS = 30.0
MOST_WORKERS = 1000
MOST_NAMES = 1000
MOST_NOTIFICATIONS = 200
TEST_SECONDS = 60.0
"""Longer than the API lets a test take."""

Json = dict[str, Any]


class NotReachable(CliError):
    """Nobody answers there; a start or a restart may be under way."""


class Client:
    """A connection to one API. A key comes from CELERIAC_API_KEY: an option would show it to `ps`.

    CELERIAC_REASON says why, for the audit.
    """

    def __init__(self, url: str) -> None:
        key = os.environ.get("CELERIAC_API_KEY", "")
        if not (key.isascii() and key.isprintable()):
            # Sent, it would be refused in an error that shows it.
            raise CliError("CELERIAC_API_KEY holds a line break or another character that no key has.")
        headers = {b"Authorization": f"Bearer {key}".encode()} if key else {}
        if reason := os.environ.get("CELERIAC_REASON"):
            headers[REASON_HEADER.encode()] = _checked_reason(reason)
        self._url = url.rstrip("/")
        # The environment's web proxy is not the way to a control plane, least of all on loopback.
        self._http = httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, body: Json) -> Json:
        """Submit a task; returns what the API answers."""
        return self._ask("POST", "/tasks", json=body)

    def submit_all(self, bodies: Sequence[Json]) -> list[str]:
        """Submit these tasks, all or none; returns their ids."""
        ids: list[str] = self._ask("POST", "/tasks/batch", json={"tasks": bodies})["task_ids"]
        return ids

    def cancel(self, task_id: str) -> Json:
        """Cancel a task; returns what became of that."""
        return self._ask("POST", f"/tasks/{quote(task_id, safe='')}/cancel")

    def replay(self, task_id: str) -> Json:
        """Submit a task once more, as a new one."""
        return self._ask("POST", f"/tasks/{quote(task_id, safe='')}/replay")

    def task(self, task_id: str) -> Json:
        """Return a task. Ids that a path cannot carry, since clients and proxies resolve them, are asked for as a
        filter.
        """
        if task_id not in {".", ".."}:
            return self._ask("GET", f"/tasks/{quote(task_id, safe='')}")
        tasks: list[Json] = self._ask("GET", "/tasks", params={"task_id": task_id})["data"]
        if not tasks:
            raise CliError("Task not found")
        return tasks[0]

    def start_workflow(self, body: Json) -> Json:
        """Start a workflow; returns what the API answers."""
        return self._ask("POST", "/workflows", json=body)

    def workflow(self, workflow_id: str) -> Json:
        """Return a workflow with its steps."""
        return self._ask("GET", f"/workflows/{quote(workflow_id, safe='')}")

    def change_workflow(self, workflow_id: str, verb: str) -> Json:
        """Retry or cancel a workflow: `verb` is `cancel` or `retry`."""
        return self._ask("POST", f"/workflows/{quote(workflow_id, safe='')}/{verb}")

    def task_names(self) -> list[Json]:
        """Return the names of tasks that workers know or that were submitted of late."""
        names: list[Json] = self._ask("GET", "/task-names", params={"limit": MOST_NAMES, "rows": "data"})["data"]
        return names

    def queue(self, name: str) -> Json:
        """Return a queue with its consumers."""
        return self._ask("GET", f"/queues/{quote(name, safe='')}")

    def read(self, path: str, *, accept: tuple[int, ...] = (), **query: Any) -> Json:
        """Return what the API answers to a GET; other statuses than 2xx and these are a CliError."""
        return self._ask("GET", path, accept=accept, params=query)

    def workers(self) -> list[Json]:
        """Return all workers."""
        workers: list[Json] = self._ask("GET", "/workers", params={"limit": MOST_WORKERS})["data"]
        return workers

    def worker(self, name: str) -> Json:
        """Return a worker, by its hostname or id."""
        return self._ask("GET", _worker_path(name))

    def order(self, name: str, verb: str) -> Json:
        """Pause or resume a worker: `verb` is `pause` or `resume`."""
        return self._ask("PATCH", _worker_path(name, verb))

    def drain(self, name: str, deadline_seconds: int | None) -> Json:
        """Let a worker finish what it runs and exit."""
        return self._ask("POST", _worker_path(name, "drain"), json={"deadline_seconds": deadline_seconds})

    def drain_progress(self, name: str) -> Json:
        """Return how far the drain of a worker is."""
        return self._ask("GET", _worker_path(name, "drain"))

    def resize(self, name: str, capacity: int) -> Json:
        """Let a worker run so many tasks at once."""
        return self._ask("PATCH", _worker_path(name, "capacity"), json={"capacity": capacity})

    def alerts(self, kind: str) -> list[Json]:
        """Return the open alerts of this type."""
        alerts: list[Json] = self._ask("GET", "/alerts", params={"type": kind})["alerts"]
        return alerts

    def events(self, wanted: Json, *, after: str | None, limit: int) -> Json:
        """Return a page of what has changed behind a cursor."""
        position = {} if after is None else {"after": after}
        return self._ask("GET", "/events", params=wanted | position | {"limit": limit})

    def notification_rows(self, kind: str, *, limit: int = MOST_NOTIFICATIONS) -> list[Json]:
        """Return what there is of `channels`, `routes` or `messages`."""
        rows: list[Json] = self._ask("GET", f"/notifications/{kind}", params={"limit": limit})["data"]
        return rows

    def add_notification(self, kind: str, body: Json) -> Json:
        """Make one of `channels` or `routes`."""
        return self._ask("POST", f"/notifications/{kind}", json=body)

    def remove_notification(self, kind: str, its_id: str) -> None:
        """Delete one of `channels` or `routes`."""
        self._ask("DELETE", f"/notifications/{kind}/{quote(its_id, safe='')}")

    def test_channel(self, channel_id: str) -> Json:
        """Send a test through a channel, and return what became of it."""
        return self._ask("POST", f"/notifications/channels/{quote(channel_id, safe='')}/test", timeout=TEST_SECONDS)

    def ask_webhooks(self, method: str, *path: str, **request: Any) -> Json:
        """Ask for webhooks, or for what lies below one."""
        return self._ask(method, "/".join(("/webhooks", *(quote(part, safe="") for part in path))), **request)

    def health(self) -> Json:
        """Return the health of the whole system, well or not."""
        return self._ask("GET", "/health", accept=(HTTPStatus.SERVICE_UNAVAILABLE,))

    def _ask(self, method: str, path: str, *, accept: tuple[int, ...] = (), **request: Any) -> Json:
        try:
            response = self._http.request(method, f"{self._url}/api/v1{path}", **request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotReachable(
                f"No answer from {mask_url(self._url)} ({error}); "
                "start it with `celeriac up`, or name another API with --url."
            ) from error
        except ValueError as error:
            # JSON has no NaN, and UTF-8 no half of a surrogate pair.
            raise CliError(f"What was given cannot be sent as JSON: {error}.") from error
        answer = {} if response.status_code == HTTPStatus.NO_CONTENT else _json_object(response)
        if response.is_success or response.status_code in accept:
            return answer
        raise CliError(str(answer.get("detail") or f"HTTP {response.status_code} from {mask_url(self._url)}"))


def _checked_reason(reason: str) -> bytes:
    try:
        check_reason(reason)
    except ValueError as flaw:
        raise CliError(f"CELERIAC_REASON {flaw}.") from None
    return reason.encode()


def _worker_path(name: str, *verb: str) -> str:
    return "/".join(("/workers", quote(name, safe="@"), *verb))


def _json_object(response: httpx.Response) -> Json:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    if response.is_success:
        raise CliError(f"What answers at {response.url.host}:{response.url.port} is not Celeriac.")
    return {}
