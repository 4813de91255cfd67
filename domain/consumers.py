"""Who takes messages from a queue, and what may therefore be promised about the tasks in it.

A promise holds only if every known consumer keeps it. A node that is online and has not yet said what it is counts as
a consumer of every queue, and as one that promises nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.broker_options import BrokerOptions, OptionDifference
from domain.sentences import some_of

MOST_NAMED = 3
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
    """The queues that it takes from; None before it has said so."""
    pool: str | None = None
    plugin: str | None = None
    capabilities: frozenset[str] = field(default_factory=frozenset)
    options: BrokerOptions | None = None
    """How it uses the broker; None: it has not said."""
    is_late: bool = False
    """Whether it could have said by now what it is, and has not."""
    streamed: bool = False
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
        """Tell whether it may take from this queue; it may from any where it has not said from which."""
        return self.queues is None or queue_name in self.queues


@dataclass(frozen=True, slots=True)
class Consumers:
    """All nodes heard within some days."""

    nodes: Sequence[Consumer] = ()

    def of(self, queue_name: str) -> list[Consumer]:
        """Return the consumers that may take from this queue."""
        return [node for node in self.nodes if node.may_take_from(queue_name)]

    def are_online(self, queue_name: str) -> bool:
        """Whether a consumer that may take from this queue is online."""
        return any(node.online for node in self.of(queue_name))

    def hider_since(self, since: datetime) -> Consumer | None:
        """Return a node that was there since and has not said how it uses the broker: what was sent then may lie where
        nobody looks.
        """
        untold = (node for node in self.nodes if node.options is None)
        return next((node for node in untold if node.online or node.heard_at is None or node.heard_at >= since), None)

    def pool_of(self, node_name: str | None) -> str | None:
        """`prefork`, `threads`...; None where it is not known."""
        return next((node.pool for node in self.nodes if node.node == node_name), None)

    def lists_of(self, queue_name: str) -> dict[int, str]:
        """Return the lists on Redis that all consumers of the queue say they read, by priority step.

        While one has not, only the bare list if the others read that. Where no list is read by all, it is those of one
        consumer; empty where nobody has said anything. A list that nobody reads strands its messages.
        """
        nodes = self.of(queue_name)
        with_steps = [node for node in nodes if node.options and node.options.priority_steps]
        common = _common(with_steps, queue_name) or _common((node for node in with_steps if node.online), queue_name)
        if not common:
            with_steps = sorted(with_steps, key=lambda node: not node.online)[:1]
            return _common(with_steps, queue_name)
        is_certain = len(with_steps) == len(nodes)
        return common if is_certain or 0 not in common else {0: common[0]}

    def have_no_list_in_common(self, queue_name: str) -> bool:
        """Whether those that are online read different lists of the queue, so that none can serve it alone."""
        with_steps = [
            node for node in self.of(queue_name) if node.online and node.options and node.options.priority_steps
        ]
        return len(with_steps) > 1 and not _common(with_steps, queue_name)

    @property
    def differences(self) -> dict[str, OptionDifference]:
        """Return what keeps workers of the same queue from serving it alike, by option."""
        queues = sorted({name for node in self.nodes if node.online for name in node.queues or ()})
        apart = [name for name in queues if self.have_no_list_in_common(name)]
        if not apart:
            return {}
        workers = {node.node for name in apart for node in self.of(name) if node.online}
        meaning = (
            f"Workers of {some_of(apart, most=MOST_NAMED)} read no priority list in common: "
            "a task there reaches only some of them. "
            "Give them all the same sep and priority_steps in broker_transport_options"
        )
        return {"priority_steps": OptionDifference("priority_steps", len(workers), meaning)}

    def say_nothing_of_lists(self, queue_name: str) -> bool:
        """Whether one that may take from the queue has had its time and has not said which lists it reads."""
        return any(node.is_late and not (node.options and node.options.priority_steps) for node in self.of(queue_name))

    def all_can(self, queue_name: str, capability: str) -> bool:
        """Whether there is a consumer, and each of them announces this."""
        nodes = self.of(queue_name)
        return bool(nodes) and all(capability in node.capabilities for node in nodes)


def _common(consumers: Iterable[Consumer], queue_name: str) -> dict[int, str]:
    lists = [node.options.lists_of(queue_name) for node in consumers if node.options]
    if not lists:
        return {}
    read_by_all = set(lists[0].items()).intersection(*(each.items() for each in lists[1:]))
    return dict(sorted(read_by_all))
