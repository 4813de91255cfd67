"""API keys while they are used: a rotation loses no request, and a revoked key is refused by every process at once.

Two API processes share a database. Clients learn of a rotation only when their old key has been replaced for a while,
as programs do that read their key from a file now and then.
"""

import secrets
import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import Annotated, Any

import httpx
import typer

from bench.drills.findings import DrillReport, at_least, at_most, equal, listed, present
from bench.figures import percentile
from bench.report import JsonFile
from bench.stack import QUEUE, running_api, running_servers

CLIENTS = 4
LATE_SECONDS = 0.5
"""How long after a rotation the clients go on with the old key."""
OVERLAP_SECONDS = 60
LIMIT_SECONDS = 1.0
"""The time within which a revoked key is refused everywhere."""
GIVE_UP_SECONDS = 10.0
REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.TOO_MANY_REQUESTS)
"""Who shows refused keys again and again is told to wait."""
TASK = {"task_name": "celeriac.echo", "queue_name": QUEUE}


def main(
    rotations: Annotated[int, typer.Option(min=1, help="Rotations of the one key that all clients use.")] = 20,
    revocations: Annotated[int, typer.Option(min=1, help="Keys that are made, used and revoked.")] = 200,
    *,
    json_file: JsonFile = None,
) -> None:
    """Rotate a key under load, then revoke keys while both processes are asked with them."""
    present(measure(rotations=rotations, revocations=revocations), json_file)


def measure(*, rotations: int, revocations: int) -> DrillReport:
    """Do both with two API processes, and judge every answer."""
    root = secrets.token_urlsafe(32)
    with ExitStack() as stack:
        servers = stack.enter_context(running_servers())
        urls = [stack.enter_context(running_api(servers, CELERIAC_API_KEYS=root))[0] for _ in range(2)]
        admin = stack.enter_context(_client(urls[0], root))
        answers = _rotate(admin, urls, rotations=rotations)
        delays = [_revoke(admin, urls) for _ in range(revocations)]
    sent = sum(answers.values())
    return DrillReport(
        title=f"{rotations} rotations under {sent:,} submissions, {revocations} revocations, two API processes",
        findings=[
            equal("answers to submissions during rotations", f"{sent} x 201", seen=listed(answers)),
            at_least("submissions for each rotation", 1, seen=sent / rotations),
            at_most("revoked to refused by both processes, the latest", LIMIT_SECONDS, seen=max(delays), unit=" s"),
        ],
        measured={
            "revoked to refused by both, p50 ms": percentile(delays, 50) * 1000,
            "revoked to refused by both, p99 ms": percentile(delays, 99) * 1000,
        },
    )


def _client(url: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=30)


def _make_key(admin: httpx.Client, scope: str) -> dict[str, Any]:
    answer = admin.post("/api-keys", json={"name": "drill", "scopes": [scope]})
    answer.raise_for_status()
    made: dict[str, Any] = answer.json()
    return made


def _rotate(admin: httpx.Client, urls: list[str], *, rotations: int) -> Counter[str]:
    """Submit from several clients while their key is rotated; returns the answers by status."""
    made = _make_key(admin, "submit")
    key, answers, is_over = [made["key"]], Counter[str](), threading.Event()

    def submit(url: str) -> None:
        with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as client:
            while not is_over.is_set():
                answer = client.post("/tasks", json=TASK, headers={"Authorization": f"Bearer {key[0]}"})
                answers[str(answer.status_code)] += 1

    clients = [threading.Thread(target=submit, args=(urls[number % 2],)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        for _ in range(rotations):
            rotated = admin.post(f"/api-keys/{made['key_id']}/rotate", json={"overlap_seconds": OVERLAP_SECONDS})
            rotated.raise_for_status()
            time.sleep(LATE_SECONDS)
            key[0] = rotated.json()["key"]
    finally:
        is_over.set()
        for client in clients:
            client.join()
    return answers


def _revoke(admin: httpx.Client, urls: list[str]) -> float:
    """Return the seconds from the answer to a revocation to the first refusal of the later process."""
    made = _make_key(admin, "read")
    with ExitStack() as stack:
        holders = [stack.enter_context(_client(url, made["key"])) for url in urls]
        for holder in holders:
            holder.get("/me").raise_for_status()
        admin.delete(f"/api-keys/{made['key_id']}").raise_for_status()
        revoked_at = time.monotonic()
        waiting = list(holders)
        while waiting and time.monotonic() - revoked_at < GIVE_UP_SECONDS:
            waiting = [holder for holder in waiting if holder.get("/me").status_code not in REFUSED]
        return time.monotonic() - revoked_at
