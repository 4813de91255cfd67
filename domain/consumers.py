"""Who takes messages from a queue, and what may therefore be promised about the tasks in it.

A promise holds only if every known consumer keeps it. A node that is online and has not yet said what it is counts as
a consumer of every queue, and as one that promises nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

TEN_STEPS = frozenset(range(10))
CANCEL_GATE = "cancel_gate"
MAX_RETRIES = "max_retries"
POOLS_WITH_TIME_LIMITS = frozenset({"prefork", "gevent"})
"""Celery's other pools run a task for as long as it takes."""
POOLS_WITH_TERMINATION = POOLS_WITH_TIME_LIMITS


@dataclass(frozen=True, slots=True)
class Consumer:
    """A node that takes messages, or may."""

    node: str
    online: bool
    queues: frozenset[str] | None
    """None: it has not said yet."""
    pool: str | None = None
    plugin: str | None = None
    capabilities: frozenset[str] = field(default_factory=frozenset)
    priority_steps: frozenset[int] = field(default_factory=frozenset)
    kept: bool = False
    """Whether what it tells waits for the mirror while that is away."""
    heard_at: datetime | None = None
    """The latest sign of life, by our clock."""
    online_at: datetime | None = None
    """When it last began to listen: at its start, and whenever it lost its connection. By its own clock."""

    @property
    def tells_of_runs(self) -> bool:
        """Whether no task begins there of which nothing is known afterwards."""
        return CANCEL_GATE in self.capabilities

    def may_take_from(self, queue_name: str) -> bool:
        return self.queues is None or queue_name in self.queues


@dataclass(frozen=True, slots=True)
class Consumers:
    """All nodes heard within some days."""

    nodes: Sequence[Consumer] = ()

    def of(self, queue_name: str) -> list[Consumer]:
        """Those that may take from this queue."""
        return [node for node in self.nodes if node.may_take_from(queue_name)]

    def pool_of(self, node_name: str | None) -> str | None:
        """`prefork`, `threads`...; None where it is not known."""
        return next((node.pool for node in self.nodes if node.node == node_name), None)

    def read_ten_steps(self, queue_name: str) -> bool:
        """Whether all ten of Redis' priority lists are read; a list that nobody reads strands its messages."""
        found = self.of(queue_name)
        return bool(found) and all(node.priority_steps >= TEN_STEPS for node in found)

    def all_can(self, queue_name: str, capability: str) -> bool:
        """Whether there is a consumer, and each of them announces this."""
        found = self.of(queue_name)
        return bool(found) and all(capability in node.capabilities for node in found)
