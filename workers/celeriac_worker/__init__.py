"""Celeriac's plugin for Celery workers: one call, for any app, wherever it is defined.

    from celeriac_worker import install

    app = Celery(...)
    install(app)

The worker then asks Celeriac's Redis before each start (`gate_step.py`, `requests.py`), can be paused and drained
(`fetching.py`, `commands.py`), obeys the `max_retries` of a submission (`retries.py`), opens encrypted arguments
(`sealing.py`) and tells Celeriac what it can do (`announcement.py`). Its channels to Redis cost less
(`channel_clients.py`). What it tells is kept while Celeriac is away (`stream.py`). Tasks that were not submitted
through Celeriac can be cancelled and paused; else nothing changes for them. `emit` tells Celeriac of events of your own
(`emitting.py`).
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from celeriac_worker import commands
from celeriac_worker.announcement import Announcement
from celeriac_worker.channel_clients import ChannelClients
from celeriac_worker.emitting import EmitError, emit
from celeriac_worker.fetching import Fetching
from celeriac_worker.gate_step import GateStep
from celeriac_worker.payloads import PayloadError, PayloadKeys, open_error, open_result, seal
from celeriac_worker.retries import RetryCeiling
from celeriac_worker.sealing import PayloadOpening, SealedError
from celeriac_worker.stream import stream_events
from celeriac_worker.version import __version__

__all__ = [
    "EmitError",
    "PayloadError",
    "PayloadKeys",
    "SealedError",
    "__version__",
    "commands",
    "emit",
    "install",
    "open_error",
    "open_result",
    "seal",
]


def install(app: Celery[Any]) -> None:
    """Add the plugin to every worker of this app. May be called before or after tasks are defined, and twice."""
    app.steps["worker"].update({ChannelClients, RetryCeiling, PayloadOpening, GateStep, Announcement})
    app.steps["consumer"].add(Fetching)
    stream_events(app)
