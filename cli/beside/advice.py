"""The one line that would make more promises hold for a fleet."""

from collections.abc import Collection
from dataclasses import dataclass

from cli.beside.app import AppFacts
from domain.promises import FleetWorker, WorkerKind

OLDEST_WITH_PLUGIN = (5, 3)
PLUGIN_MODULE = "celeriac_worker.auto"
INSTALL = "pip install celeriac-worker"


@dataclass(frozen=True, slots=True)
class Advice:
    """What is amiss, the line that mends it, and what that line needs beforehand."""

    reason: str
    line: str | None = None
    before: str | None = None


def advise(name: str, facts: AppFacts, *, consumers: Collection[FleetWorker]) -> Advice | None:
    """Return the best advice for this fleet; None where nothing more can be had."""
    plain = f"celery -A {name} worker -E"
    if not consumers:
        return Advice("No worker was heard. Start one:", plain)
    if all(consumer.kind is WorkerKind.PLUGIN and consumer.events for consumer in consumers):
        return None
    if _has_no_plugin(facts):
        untold = any(not consumer.events for consumer in consumers)
        return Advice(f"Celery {facts.celery} is too old for the plugin; events can be had:", plain) if untold else None
    line = plain if facts.plugin_installed else f"{plain} -I {PLUGIN_MODULE}"
    return Advice("More would hold with workers started like this:", line, None if facts.plugin else INSTALL)


def _has_no_plugin(facts: AppFacts) -> bool:
    release = facts.celery.split(".")[:2]
    return not all(part.isdigit() for part in release) or tuple(map(int, release)) < OLDEST_WITH_PLUGIN
