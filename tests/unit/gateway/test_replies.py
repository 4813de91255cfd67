from typing import Any

import pytest
import structlog

from gateway import control as control_module
from gateway.control import Control
from gateway.mailbox import Command

STATS = {"pid": 7, "pool": {"implementation": "celery.concurrency.prefork:TaskPool", "processes": [8, 9]}}
HOSTILE: dict[str, Any] = {
    "nothing": None,
    "text": "text",
    "number": 10**40,
    "list": [[[]]],
    "odd keys": {"pid": "seven", "pool": [], "id": 3},
    "huge": {"pid": 2**80, "pool": {"max-concurrency": 2**70}},
    "NUL": {"pid": 1, "pool": {"implementation": "a\0b"}},
    "error": {"error": "unknown command"},
}


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """By method, what each node replies."""
    told: dict[str, dict[str, Any]] = {}

    def ask(_url: str, commands: list[Command], **_: object) -> list[dict[str, Any]]:
        return [told.get(command.method, {}) for command in commands]

    monkeypatch.setattr(control_module, "ask", ask)
    return told


async def test_one_nodes_nonsense_hides_nothing_of_what_the_others_say(replies: dict[str, dict[str, Any]]) -> None:
    sound_replies: dict[str, Any] = {
        "stats": STATS,
        "registered": ["add [acks_late=True max_retries=3]", "sub"],
        "active_queues": [{"name": "celery", "exchange": {}}],
        "active": [{"id": "t", "worker_pid": 8, "time_start": 1e300}],
        "reserved": [{"id": "u"}],
        "query_task": {"t": ["active", {}]},
    }
    for method, sound in sound_replies.items():
        replies[method] = {"sound": sound, **HOSTILE}
    nodes = ["sound", *HOSTILE]
    control = Control("redis://127.0.0.1:1/0")
    with structlog.testing.capture_logs() as lines:
        described = await control.describe(nodes)
        answered, active = await control.list_active(nodes)
        work = await control.list_work(nodes)
        held = await control.query_tasks(["t"], nodes)
        await control.describe(nodes)
    await control.close()
    assert described.keys() == work.keys() == answered == {"sound"}
    assert (described["sound"].concurrency, described["sound"].retry_limits) == (2, {"add": 3})
    assert active.keys() == held.keys() == {"t"}
    warned = [line["node"] for line in lines if line["event"] == "reply_not_understood"]
    assert sorted(warned) == sorted(set(HOSTILE) - {"error"}), "each once"


async def test_only_those_who_were_asked_are_listened_to(replies: dict[str, dict[str, Any]]) -> None:
    replies["ping"] = {"one": {"ok": "pong"}, "other": {"ok": "pong"}, "x" * 300: {"ok": "pong"}}
    control = Control("redis://127.0.0.1:1/0")
    assert await control.ping(["one", "two"]) == {"one"}
    assert await control.find_nodes() == {"one", "other"}
    await control.close()
