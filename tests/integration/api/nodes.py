"""Descriptions of nodes for tests."""

from typing import Any

from gateway.descriptions import NodeDescription


def describe_node(node: str, **given: Any) -> NodeDescription:
    """A prefork worker of two processes on the default queue, with what the test gives instead."""
    usual: dict[str, Any] = {
        "pid": None,
        "pool": "prefork",
        "concurrency": 2,
        "queues": ("celery",),
        "registered": ("celeriac.add",),
        "prefetch_count": 8,
        "plugin": None,
        "priority_steps": (),
    }
    return NodeDescription(node=node, **(usual | given))
