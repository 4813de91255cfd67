"""The names that Celeriac and its plugin share in Redis, and which Redis that is.

What they mean stands in `workers/README.md`.
"""

from __future__ import annotations

import os

from celeriac_worker.servers import kind_of

URL_VARIABLE = "CELERIAC_REDIS_URL"
DISPATCH_NO_HEADER = "celeriac_dispatch_no"
NODE_PREFIX = "celeriac:node:"


def redis_url(broker_url: str | None) -> str | None:
    """Return `CELERIAC_REDIS_URL`, else the broker if that is a Redis, else None."""
    return next((url for url in (os.environ.get(URL_VARIABLE), broker_url) if url and kind_of(url)), None)


def node_key(node: str) -> str:
    """Return the key that holds the boot id of the node's worker while that is alive."""
    return NODE_PREFIX + node


def paused_key(node: str) -> str:
    """Return the key that is there while the node shall start nothing."""
    return f"celeriac:paused:{node}"


def cancelled_key(task_id: str) -> str:
    """Return the key that is there once somebody wants the task not to run."""
    return f"celeriac:cancelled:{task_id}"


def run_key(task_id: str, retries: int, *, dispatch_no: int) -> str:
    """Return the key that names one start; its value tells who made it and whether it has ended."""
    return f"celeriac:run:{task_id}:{retries}:{dispatch_no}"
