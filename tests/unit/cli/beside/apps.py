"""What an app may say of itself, for tests."""

from dataclasses import replace
from typing import Any

from cli.beside.app import AppFacts

FACTS = AppFacts(
    python="3.12.1",
    celery="5.4.0",
    kombu="5.4.0",
    name="shop",
    broker_url="redis://:s3cret@broker.example:6379/3",
    result_backend="redis://:s3cret@results.example:6379/4",
    options={"task_default_queue": "celery", "accept_content": ["json"], "worker_send_task_events": False},
    dictionaries={},
    queues=[],
    plugin=None,
    plugin_installed=False,
    is_made=False,
    left_out=[],
)


def facts(*, options: dict[str, Any] | None = None, **changed: Any) -> AppFacts:
    """Those of an ordinary app, but for these."""
    return replace(FACTS, options=FACTS.options | (options or {}), **changed)
