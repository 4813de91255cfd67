"""Knows where the messages of one broker on Redis lie: readers and writers ask here for the keys of kombu.

What our own settings say and what workers have told of themselves comes together here. Everything that a queue may
consist of is read; only what a consumer is known to read is written to.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from domain.broker_options import SEPARATOR, TEN_PRIORITY_STEPS, BrokerOptions
from domain.consumers import Consumers
from domain.priority import priority_step_for

BINDINGS = "_kombu.binding."
MOST_SEPARATORS = 10
MOST_LEDGERS = 200
"""How many ledgers are looked into, one after another; a fleet may have one for each worker."""
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, order=True)
class Ledger:
    """The two keys where consumers keep what they have fetched: by delivery tag in a hash, and in a sorted set since
    when.
    """

    unacked: str
    index: str


class Layout:
    """Shared by all that read one broker in one process, and renewed as workers tell.

    `is_told`: whether there is nobody to learn anything from.
    """

    def __init__(self, own: BrokerOptions | None = None, *, is_told: bool = True) -> None:
        self.own = own or BrokerOptions()
        self._consumers = Consumers()
        self._is_told = is_told
        self._renew()

    def learn(self, consumers: Consumers) -> None:
        """Take over what is known of the workers by now."""
        self._consumers = consumers
        self._is_told = True
        self._renew()

    @property
    def is_whole(self) -> bool:
        """Tell whether all places are looked at that workers have told of; those who have not told are
        `domain.consumers.Consumers.hider_since`.
        """
        return self._is_whole

    @property
    def ledgers(self) -> list[Ledger]:
        """Return the ledgers as keys of Redis, with the prefix."""
        return self._ledgers

    def lists_of(self, queue_name: str) -> list[str]:
        """Return all lists that messages of a queue may lie in, as keys of Redis; the bare one first."""
        queue = self.own.global_keyprefix + queue_name
        return [
            queue,
            *(f"{queue}{separator}{step}" for separator in self._separators for step in self._priority_steps if step),
        ]

    def list_for(self, queue_name: str, message_priority: int) -> str | None:
        """Return the list, without prefix, where a consumer of the queue is known to find such a message; None without
        one.

        What workers say of themselves goes before the setting.
        """
        lists = self._consumers.lists_of(queue_name) or self.own.lists_of(queue_name)
        return lists[priority_step_for(message_priority, lists)] if lists else None

    def key(self, name: str) -> str:
        """Return what kombu calls so, as a key of Redis."""
        return self.own.global_keyprefix + name

    def queues_of(self, bindings: Collection[bytes], routing_key: str) -> list[str]:
        """Return the queues that an exchange leads to, by the members of its bindings: `routing key,
        pattern, queue`."""
        queues = []
        for member in bindings:
            text = member.decode("utf-8", "replace")
            parts = next((p for s in self._separators if len(p := text.split(s)) == 3), None)
            if parts and parts[0] == routing_key:
                queues.append(parts[2])
        return queues

    async def await_newcomers(self, queue_names: Collection[str], *, seconds: float) -> None:
        """Wait for nodes that have just come and have not yet said what they read of these queues."""
        try:
            async with asyncio.timeout(seconds):
                while any(self._are_awaited(name) for name in queue_names):  # noqa: ASYNC110  they are asked elsewhere
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            return

    def _are_awaited(self, queue_name: str) -> bool:
        consumers = self._consumers.of(queue_name)
        return any(node.online and node.options is None and not node.is_late for node in consumers)

    def _renew(self) -> None:
        options = {node.options for node in self._consumers.nodes if node.options}
        everyone = [self.own, *options]
        separators = dict.fromkeys([self.own.separator, SEPARATOR, *sorted(each.separator for each in options)])
        ledgers = sorted({Ledger(self.key(o.unacked_key), self.key(o.unacked_index_key)) for o in everyone})
        self._separators = list(separators)[:MOST_SEPARATORS]
        self._ledgers = ledgers[:MOST_LEDGERS]
        self._priority_steps = sorted(
            {*TEN_PRIORITY_STEPS, *(step for each in everyone for step in each.priority_steps or ())}
        )
        is_bounded = len(separators) <= MOST_SEPARATORS and len(ledgers) <= MOST_LEDGERS
        self._is_whole = self._is_told and is_bounded
