"""What a worker tells Celeriac of itself: in its `stats`, and with every heartbeat.

Carried by `stats` and not by a command of its own: a stock worker logs an error for each command it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery import VERSION, bootsteps, signals
from celery import __version__ as CELERY
from celery.utils.log import get_logger
from celery.worker import state

from celeriac_worker.host_load import HostLoad
from celeriac_worker.version import OLDEST_PROTOCOL, PROTOCOL, TRIED, __version__

logger = get_logger(__name__)

STOCK_PRIORITY_STEPS = (0, 3, 6, 9)
TEN = 10


class Announcement(bootsteps.StartStopStep):
    """Adds `celeriac` to the worker's stats and heartbeats. Nothing to start or stop; only such steps are asked."""

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        _warn_of_other_releases()
        self._worker = worker
        self._load = HostLoad()
        # Before the heart is made, which looks once whether anybody listens. Forgotten together with this object.
        signals.heartbeat_sent.connect(self.refresh_heartbeat)

    def info(self, worker: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return `{"celeriac": {...}}`, see README.md."""
        node = getattr(worker, "celeriac", None)
        return {
            "celeriac": {
                "version": __version__,
                "protocol": PROTOCOL,
                "oldest_protocol": OLDEST_PROTOCOL,
                "priority_steps": list(_priority_steps(worker)),
                "boot_id": node.boot_id if node else None,
                "capabilities": list(_capabilities(worker)),
                "paused": bool(node and node.paused),
                "tells_ids": True,
            }
        }

    def refresh_heartbeat(self, **_: Any) -> None:
        """Celery adds what it says of its software to each worker event, and asks for nothing else."""
        worker = self._worker
        node = getattr(worker, "celeriac", None)
        software: dict[str, Any] = state.SOFTWARE_INFO
        software["celeriac"] = {
            "version": __version__,
            "protocol": PROTOCOL,
            "boot_id": node.boot_id if node else None,
            "cpu_percent": self._load.cpu_percent(),
            "memory_percent": self._load.memory_percent(),
            "paused": bool(node and node.paused),
            "pool": _pool_name(worker),
            "concurrency": worker.pool.num_processes,
        }


def _warn_of_other_releases() -> None:
    """Tell whoever installed it past its own bounds that nobody has tried; it may well work."""
    oldest, newest = TRIED
    if not oldest <= tuple(VERSION[:2]) <= newest:
        logger.warning("Celeriac's plugin was not tried with Celery %s.", CELERY)


def _capabilities(worker: Any) -> Iterator[str]:
    """What can be relied on here; without Redis no more than of a stock worker, but for `max_retries`."""
    pool = _pool_name(worker)
    yield "max_retries"
    if pool in ("prefork", "gevent"):
        yield from ("terminate", "time_limits")
        if worker.autoscaler is None:
            yield "resize"
    if _reads_ten_priorities(worker):
        yield "ten_priorities"
    if getattr(worker, "celeriac", None) is not None:
        yield from ("pause", "drain", "cancel_gate", "single_start")


def _reads_ten_priorities(worker: Any) -> bool:
    if worker.consumer.connection.transport.driver_type == "redis":
        return len(set(_priority_steps(worker))) == TEN
    return (worker.app.conf.task_queue_max_priority or 0) >= TEN


def _priority_steps(worker: Any) -> Any:
    return worker.app.conf.broker_transport_options.get("priority_steps", STOCK_PRIORITY_STEPS)


def _pool_name(worker: Any) -> str:
    """Return the name as in the option `--pool`."""
    module = str(type(worker.pool).__module__.rsplit(".", 1)[-1])
    return "threads" if module == "thread" else module
