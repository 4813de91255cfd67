"""Workers as the store would return them."""

from dataclasses import fields
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from store.queries.workers.nodes import WorkerRow
from tests.facts import NOON

_PLAIN: dict[str, Any] = {
    "autoscales": False,
    "described_at": NOON,
    "is_paused": False,
    "online": True,
    "running": 0,
    "unanswered": 0,
}


def worker(node: str = "celery@one", **said: Any) -> WorkerRow:
    """A worker that is online, with these of its columns; its id comes of its name."""
    empty: dict[str, Any] = dict.fromkeys(field.name for field in fields(WorkerRow))
    return WorkerRow(**(empty | _PLAIN | {"node": node, "worker_id": uuid5(NAMESPACE_DNS, node)} | said))
