"""Which workers an app has, from a Celeriac that watches them, or by asking them once over the broker."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from cli.beside.app import AppFacts
from cli.client import Client
from cli.errors import CliError
from domain.errors import Unavailable
from domain.promises import FleetWorker
from domain.workers.control import Capability
from gateway.control import Control
from gateway.descriptions import NodeDescription
from settings import Settings

HEARD_SECONDS = 8.0
"""A heartbeat comes every 2 s."""
ANSWERED_SECONDS = 20.0
"""Who is heard is asked what it is a second later; on a busy machine answers take their time."""
LOOK_SECONDS = 0.5
STEADY_LOOKS = 3
MOST_DETAILS = 100
TOLD = {"on": True, "off": False}


def wait_for_workers(url: str, facts: AppFacts) -> list[FleetWorker]:
    """Return the workers that the API knows once it learns no more: after 8 s if there are none, after 20 s at most."""
    began = time.monotonic()
    steady, workers = 0, known_workers(url, facts)
    while steady < STEADY_LOOKS and time.monotonic() - began < (ANSWERED_SECONDS if workers else HEARD_SECONDS):
        time.sleep(LOOK_SECONDS)
        again = known_workers(url, facts)
        is_settled = again and again == workers and all(consumer.queues for consumer in again)
        steady = steady + 1 if is_settled else 0
        workers = again
    return workers


def known_workers(url: str, facts: AppFacts) -> list[FleetWorker]:
    """Return workers that are online, as the API tells; none where it does not answer."""
    try:
        with Client(url) as client:
            rows = [row for row in client.workers() if row.get("status") != "OFFLINE"]
            # Only what has a plugin has more to tell than the list says.
            with_plugin = [row["worker_id"] for row in rows if row.get("plugin")][:MOST_DETAILS]
            details = {worker_id: client.worker(str(worker_id)) for worker_id in with_plugin}
    except CliError:
        return []
    workers = [_of_row(row | details.get(row["worker_id"], {}), facts) for row in rows]
    return sorted(workers, key=lambda consumer: consumer.node)


def find_workers(settings: Settings, facts: AppFacts) -> list[FleetWorker]:
    """Return workers that answer a broadcast ping, as they describe themselves. None where the broker does
    not answer."""
    try:
        nodes, described = asyncio.run(_ask(settings))
    except Unavailable:
        return []
    return [_of_node(node, described.get(node), facts=facts) for node in sorted(nodes)]


async def _ask(settings: Settings) -> tuple[frozenset[str], dict[str, NodeDescription]]:
    control = Control(str(settings.broker_url), settings.broker_options, serializer=settings.task_serializer)
    try:
        nodes = await control.find_nodes()
        return nodes, await control.describe(nodes) if nodes else {}
    finally:
        await control.close()


def _of_row(row: dict[str, Any], facts: AppFacts) -> FleetWorker:
    capabilities: Sequence[str] = row.get("capabilities") or ()
    return FleetWorker(
        node=str(row.get("hostname")),
        queues=tuple(row.get("queues") or ()),
        plugin=row.get("plugin"),
        events=_events(TOLD.get(str(row.get("events"))), facts),
        answers=row.get("queues") is not None,
        gated=Capability.PAUSE in capabilities,
    )


def _of_node(node: str, described: NodeDescription | None, *, facts: AppFacts) -> FleetWorker:
    if described is None:
        return FleetWorker(node=node, queues=(), plugin=None, events=_events(None, facts), answers=False)
    return FleetWorker(
        node=node,
        queues=described.queues,
        plugin=described.plugin,
        events=_events(None, facts),
        gated=Capability.PAUSE in described.capabilities,
    )


def _events(answer: bool | None, facts: AppFacts) -> bool | None:
    """What the worker told; else what its app says where that switches them on: `-E` stands on command lines."""
    if answer is not None:
        return answer
    return True if facts.options.get("worker_send_task_events") else None
