"""What the API says of itself in /openapi.json, and for each operation a request that it takes.

Generators begin with what is sound and spoil one thing, so that what they send gets past the first check.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

Json = dict[str, Any]

API = "/api/v1"
WORKER = "celery@fuzz-target"
"""Registered and never online: what is asked of it harms nobody."""
NOWHERE = "fuzz-nowhere"
PRESET = "fuzz_preset"
STEPS = 3
LARGEST_BODY = 2 * 2**20
LARGE_BODIES: Mapping[str, int] = {f"{API}/tasks/batch": 16 * 2**20, f"{API}/workflows": 16 * 2**20}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, and how it may answer."""

    method: str
    path: str
    """The template of its path."""
    codes: Mapping[int, frozenset[str]]
    """The codes of errors that the document shows, by status; none for what is no error."""
    takes_body: bool
    query: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return method and path."""
        return f"{self.method} {self.path.removeprefix(API)}"

    @property
    def largest_body(self) -> int:
        """Return how many bytes its body may have."""
        return LARGE_BODIES.get(self.path, LARGEST_BODY)


@dataclass(slots=True)
class KnownIds:
    """Ids of things that are there, for paths."""

    task_ids: Sequence[str] = ()
    workflow_ids: Sequence[str] = ()
    nodes: Sequence[str] = field(default=(WORKER,))


def operations_of(document: Json) -> list[Operation]:
    """Return all of them whose answers end, in the document's order."""
    return [
        Operation(
            method=method.upper(),
            path=path,
            codes={int(status): _codes(response) for status, response in described["responses"].items()},
            takes_body="requestBody" in described,
            query=tuple(each["name"] for each in described.get("parameters", ()) if each["in"] == "query"),
        )
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if not is_stream(described)
    ]


def is_stream(operation: Json) -> bool:
    """Tell whether its answer does not end: whoever reads every answer to its end leaves it out."""
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", ())


def _codes(response: Json) -> frozenset[str]:
    return frozenset(response.get("content", {}).get("application/json", {}).get("examples", {}))


def filled(path: str, known: KnownIds, *, random: Random) -> str:
    """Return the path with the ids of things that are there, or that could be."""
    return re.sub(r"\{(\w+)\}", lambda match: _identity(match[1], known, random=random), path)


def _identity(parameter: str, known: KnownIds, *, random: Random) -> str:
    if parameter.startswith("task_id") and known.task_ids:
        return random.choice(known.task_ids)
    if parameter == "workflow_id" and known.workflow_ids:
        return random.choice(known.workflow_ids)
    # Of others nothing is touched: no preset that ships, no worker that works.
    return {"worker_id": WORKER, "name": PRESET}.get(parameter, "00000000-0000-7000-8000-000000000000")


def sound_body(operation: Operation, random: Random) -> Json | None:
    """Return a new body that the operation takes; None if it takes none."""
    return SOUND[operation.name](random) if operation.takes_body else None


def submission(random: Random) -> Json:
    """Return the body of a task that runs."""
    return {
        "task_name": "celeriac.echo",
        "task_args": [random.randrange(1000), "two", None, [1.5]],
        "task_kwargs": {"key": {"nested": True}},
        "priority": random.randint(1, 9),
        "queue_name": "celery",
        "max_retries": 0,
        "timeout_seconds": 60,
        "scheduled_at": "2026-01-25T14:30:00Z",
    }


def workflow(steps: Sequence[Json], *, name: str = "fuzz") -> Json:
    """Return the body of a workflow with these steps."""
    return {"name": name, "on_failure": "stop", "steps": list(steps)}


def step(step_id: str, *needs: str, args: Sequence[Any] = (), task_name: str = "celeriac.echo") -> Json:
    """Return a step of a workflow."""
    return {"id": step_id, "task_name": task_name, "task_args": list(args), "depends_on": list(needs)}


def _workflow(random: Random) -> Json:
    ids = [f"s{number}" for number in range(STEPS)]
    first, *others = ids
    later = [step(each, first, args=[{"$result": first, "pointer": "/args"}]) for each in others]
    return workflow([step(first, args=[random.randrange(1000)]), *later])


SOUND: Mapping[str, Callable[[Random], Json]] = {
    "POST /tasks": submission,
    "POST /tasks/batch": lambda random: {"tasks": [submission(random), submission(random)]},
    "POST /tasks/{task_id}/cancel": lambda _: {"signal": "SIGTERM"},
    "POST /tasks/{task_id}/replay": lambda _: {"task_args": [1], "queue_name": "celery", "max_retries": 0},
    "POST /workflows": _workflow,
    "POST /workers/{worker_id}/drain": lambda _: {"deadline_seconds": 60},
    "PATCH /workers/{worker_id}/capacity": lambda _: {"capacity": 5},
    "PUT /alerts/rules": lambda _: {"rules": [{"type": "HIGH_QUEUE_DEPTH", "threshold": 900, "enabled": True}]},
    "POST /search/presets": lambda _: {"name": PRESET, "description": "", "filters": {"search": "word", "status": []}},
    # Of a queue that nobody sends to, and for a second: whatever is marked otherwise would hold up the probe.
    "POST /resilience/degradation/mark": lambda _: {
        "service_name": f"queue:{NOWHERE}",
        "strategy": "fail_fast",
        "duration_seconds": 1,
    },
    # Leads nowhere: nothing is ever sent to it.
    "POST /notifications/channels": lambda _: {"name": "fuzz", "url": "json://fuzz.invalid/x", "enabled": False},
    "PATCH /notifications/channels/{channel_id}": lambda _: {"enabled": False},
    "POST /notifications/routes": lambda _: {
        "name": "fuzz",
        "channel_ids": ["00000000-0000-7000-8000-000000000000"],
        "severities": ["CRITICAL"],
        "subjects": ["fuzz.*"],
    },
    "PATCH /notifications/routes/{route_id}": lambda _: {"repeat_seconds": 600, "enabled": False},
    # Refused, since it is no administrator's: another would close this API to all who come after it.
    "POST /webhooks": lambda _: {"url": "https://hooks.example/celeriac", "events": ["task.failed"], "enabled": False},
    "PATCH /webhooks/{webhook_id}": lambda _: {"description": "fuzz"},
    "POST /webhooks/{webhook_id}/rotate_secret": lambda _: {"overlap_seconds": 60},
    "POST /webhooks/{webhook_id}/recover": lambda _: {"after": "-1h"},
    "POST /events": lambda _: {"type": "fuzz.event", "subject": "one", "data": {"n": 1}},
    "POST /api-keys": lambda _: {"name": "fuzz", "scopes": ["read"], "allowed_networks": ["10.0.0.0/8"]},
    "PATCH /api-keys/{key_id}": lambda _: {"name": "fuzz", "disabled": True},
    "POST /session": lambda _: {"key": "a-key-of-nobody"},
    "POST /api-keys/{key_id}/rotate": lambda _: {"overlap_seconds": 60},
    "POST /tasks/{task_id}/reveal": lambda _: {"reason": "fuzz"},
    "POST /resilience/degradation/clear": lambda _: {"service_name": f"queue:{NOWHERE}"},
}
"""Makers of sound bodies by name of the operation; a test holds the names against the document."""


def encoded(value: object) -> bytes:
    """Return the value as the bytes of its JSON."""
    return json.dumps(value).encode()
