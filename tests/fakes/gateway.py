"""The gateway in memory: the public methods of the real one, held to it by the contract suite in tests/integration.

One `FakeBroker` stands for the broker and the result backend; the classes around it are given to what is tested.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from domain.errors import BrokerUnavailable, Unavailable
from domain.proofs import ServerLife
from domain.refusals import Refusal
from domain.results import StoredResult
from gateway.control import ActiveTask, HeldTask, Said, Work
from gateway.descriptions import NodeDescription
from gateway.events.sources import Blind, EventItem, EventMessage
from gateway.events.subscriber import Heard
from gateway.messages import TaskMessage
from gateway.publisher import NO_LISTS, Published, QueueLists
from gateway.results.metas import decode_meta
from gateway.results.reader import MAX_WHOLE_BYTES


@dataclass
class FakeBroker:
    """What the outside world holds; tests write it and look into it."""

    available: bool = True
    queues: dict[str, list[TaskMessage]] = field(default_factory=lambda: defaultdict(list))
    unacknowledged: dict[str, TaskMessage] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    """Tasks whose publish reaches the queue and is not confirmed."""
    refusals: dict[str, Refusal] = field(default_factory=dict)
    """By queue, why its messages are not taken."""
    foreign: frozenset[str] = frozenset()
    """Keys that are no queues."""
    metas: dict[str, bytes] = field(default_factory=dict)
    nodes: dict[str, NodeDescription] = field(default_factory=dict)
    holders: dict[str, HeldTask] = field(default_factory=dict)
    active: dict[str, ActiveTask] = field(default_factory=dict)
    revoked: list[tuple[tuple[str, ...], bool, str]] = field(default_factory=list)
    twins: set[str] = field(default_factory=set)
    """Names that two processes answer to."""
    mute: set[str] = field(default_factory=set)
    """Nodes that hear questions and do not answer those about tasks."""
    life: ServerLife = field(default_factory=lambda: ServerLife("one", None))
    orders: list[tuple[str, ...]] = field(default_factory=list)
    """What nodes were told to do, the node last."""
    telling: set[str] = field(default_factory=set)
    """Nodes that send events of their tasks."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Nodes whose answers cannot be read, with the form of these."""
    work: dict[str, Work] = field(default_factory=dict)
    fetched_from: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The queues of nodes whose plugin is paused."""

    def check(self) -> None:
        """Raises BrokerUnavailable while it is switched off."""
        if not self.available:
            raise BrokerUnavailable


class FakePublisher:
    """See `gateway.publisher.Publisher`."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    async def publish(self, messages: Sequence[TaskMessage], *, lists: QueueLists = NO_LISTS) -> Published:
        self._broker.check()
        refusals = self._broker.refusals
        for message in messages:
            if message.queue_name not in refusals:
                self._broker.queues[message.queue_name].append(message)
        refused = {m.task_id: refusals[m.queue_name] for m in messages if m.queue_name in refusals}
        sent = frozenset(m.task_id for m in messages) - self._broker.doubtful - refused.keys()
        life = self._broker.life.life
        return Published(sent, refused, dict.fromkeys(sent, life) if life else {})

    async def close(self) -> None:
        pass


class FakeEventSubscriber:
    """See `gateway.events.subscriber.EventSubscriber`. `hear` and `go_blind` are what the world does."""

    def __init__(self) -> None:
        self._items: deque[EventItem] = deque()
        self._filled = asyncio.Event()
        self.acknowledged = 0
        self._read = 0
        self.connected = False
        self.last_heard = 0.0

    @property
    def is_read(self) -> bool:
        """Whether all that was heard has been read."""
        return not self._items

    def hear(self, *messages: EventMessage) -> None:
        self._items.extend(messages)
        self._filled.set()

    def go_blind(self, started_at: datetime, ended_at: datetime) -> None:
        self._items.append(Blind(started_at, ended_at))
        self._filled.set()

    async def start(self) -> None:
        now = datetime.now(UTC)
        self.connected = True
        self.go_blind(now, now)

    async def get(self, *, max_size: int = 1500, max_wait: float = 0.5) -> Heard | Blind:
        if not self._items:
            self._filled.clear()
            try:
                async with asyncio.timeout(max_wait):
                    await self._filled.wait()
            except TimeoutError:
                return Heard()
        if isinstance(self._items[0], Blind):
            blind = self._items.popleft()
            assert isinstance(blind, Blind)
            return blind
        messages: list[EventMessage] = []
        while self._items and len(messages) < max_size and isinstance(self._items[0], EventMessage):
            message = self._items.popleft()
            assert isinstance(message, EventMessage)
            messages.append(message)
        self._read += len(messages)
        return Heard(tuple(messages))

    async def acknowledge(self) -> None:
        self.acknowledged = self._read

    async def close(self) -> None:
        self.connected = False
        self._filled.set()


class FakeControl:
    """See `gateway.control.Control`."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    async def find_nodes(self, *, wait_seconds: float = 1.0) -> frozenset[str]:
        self._broker.check()
        return frozenset(self._broker.nodes)

    async def find_present(self) -> frozenset[str]:
        self._broker.check()
        return frozenset(self._broker.nodes) | self._broker.unreadable.keys()

    async def ping(self, nodes: Collection[str]) -> frozenset[str]:
        return frozenset(self._answering(nodes))

    async def enable_events(self, nodes: Collection[str]) -> dict[str, bool | None]:
        answering = self._answering(nodes)
        were_on: dict[str, bool | None] = {node: node in self._broker.telling for node in answering}
        self._broker.telling |= set(answering)
        return were_on

    def unreadable(self, nodes: Collection[str]) -> dict[str, str]:
        return {node: kind for node, kind in self._broker.unreadable.items() if node in nodes}

    async def describe(self, nodes: Collection[str]) -> dict[str, NodeDescription]:
        return {node: self._broker.nodes[node] for node in self._answering(nodes)}

    async def query_tasks(self, task_ids: Collection[str], nodes: Collection[str]) -> dict[str, HeldTask]:
        answering = self._answering(nodes)
        held = self._broker.holders
        return {task_id: held[task_id] for task_id in task_ids if task_id in held and held[task_id].node in answering}

    async def ask_everyone(self, task_ids: Collection[str]) -> Said:
        self._broker.check()
        nodes, twins = self._broker.nodes, self._broker.twins
        replies = {node: 2 if node in twins else 1 for node in nodes if node not in self._broker.mute}
        active = {id: HeldTask(task.node, "active") for id, task in self._broker.active.items()}
        held = {**active, **self._broker.holders}
        return Said(replies, {id: held[id] for id in task_ids if id in held and held[id].node in nodes})

    async def list_active(self, nodes: Collection[str]) -> tuple[frozenset[str], dict[str, ActiveTask]]:
        answering = frozenset(self._answering(nodes))
        return answering, {id: task for id, task in self._broker.active.items() if task.node in answering}

    async def add_consumer(self, queue_name: str, nodes: Collection[str]) -> frozenset[str]:
        return frozenset(self._answering(nodes))

    async def pause(self, node: str) -> bool:
        if not self._ordered("pause", node):
            return False
        told = self._broker.nodes[node]
        self._broker.fetched_from[node] = told.queues
        self._broker.nodes[node] = replace(told, paused=True, queues=())
        return True

    async def resume(self, node: str) -> bool:
        if not self._ordered("resume", node):
            return False
        queues = self._broker.fetched_from.pop(node, ())
        self._broker.nodes[node] = replace(self._broker.nodes[node], paused=False, queues=queues)
        return True

    async def set_consuming(self, node: str, queue_names: Collection[str], *, consuming: bool) -> None:
        for name in queue_names:
            if self._ordered("add_consumer" if consuming else "cancel_consumer", name, node):
                told = self._broker.nodes[node]
                queues = set(told.queues) | {name} if consuming else set(told.queues) - {name}
                self._broker.nodes[node] = replace(told, queues=tuple(sorted(queues)))

    async def resize(self, node: str, by: int) -> bool:
        if not self._ordered("resize", str(by), node):
            return False
        told = self._broker.nodes[node]
        self._broker.nodes[node] = replace(told, concurrency=told.concurrency + by)
        return True

    async def list_work(self, nodes: Collection[str]) -> dict[str, Work]:
        return {node: self._broker.work.get(node, Work(())) for node in self._answering(nodes)}

    async def shut_down(self, node: str) -> None:
        self._broker.check()
        self._ordered("shutdown", node)

    async def revoke(self, task_ids: Collection[str], *, terminate: bool = False, signal: str = "SIGTERM") -> None:
        self._broker.check()
        self._broker.revoked.append((tuple(task_ids), terminate, signal))

    async def close(self) -> None:
        pass

    def _ordered(self, *order: str) -> bool:
        """Whether the node of the order, its last word, is there to take it."""
        is_there = bool(self._answering(order[-1:]))
        if is_there:
            self._broker.orders.append(order)
        return is_there

    def _answering(self, nodes: Collection[str]) -> list[str]:
        if nodes:
            self._broker.check()
        return [node for node in nodes if node in self._broker.nodes]


class FakeResultReader:
    """See `gateway.results.reader.ResultReader`."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    async def fetch(self, task_ids: Collection[str]) -> dict[str, StoredResult]:
        if not self._broker.available and task_ids:
            raise Unavailable
        metas = self._broker.metas
        return {task_id: decode_meta(task_id, metas[task_id]) for task_id in task_ids if task_id in metas}

    async def fetch_whole(self, task_id: str) -> StoredResult | None:
        if not self._broker.available:
            raise Unavailable
        stored = self._broker.metas.get(task_id)
        return decode_meta(task_id, stored, whole_bytes=MAX_WHOLE_BYTES) if stored else None

    async def ping(self) -> None:
        if not self._broker.available:
            raise Unavailable

    async def close(self) -> None:
        pass


class FakeQueueReader:
    """See `gateway.queues.QueueReader`, on Redis."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    async def depths(self, names: Collection[str]) -> dict[str, int]:
        self._broker.check()
        return {name: len(self._broker.queues.get(name, ())) for name in names}

    async def ids_in_queues(
        self, queue_names: Collection[str], *, among: Collection[str] | None = None
    ) -> set[str] | None:
        self._broker.check()
        waiting = {message.task_id for name in queue_names for message in self._broker.queues.get(name, ())}
        held = waiting | set(self._broker.unacknowledged)
        return held if among is None else held & set(among)

    async def find_foreign(self, names: Collection[str]) -> frozenset[str]:
        self._broker.check()
        return self._broker.foreign & frozenset(names)

    async def get_life(self) -> ServerLife:
        self._broker.check()
        return self._broker.life

    async def ping(self) -> None:
        self._broker.check()

    async def close(self) -> None:
        pass


class FakeMessageMover:
    """See `gateway.message_mover.MessageMover`, on Redis."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    async def withdraw(self, task_id: str, queue_name: str) -> bool:
        self._broker.check()
        waiting = self._broker.queues[queue_name]
        self._broker.queues[queue_name] = [message for message in waiting if message.task_id != task_id]
        return len(self._broker.queues[queue_name]) < len(waiting)

    async def put_back(self, task_ids: Collection[str]) -> frozenset[str]:
        held = self._take(task_ids)
        for message in held:
            self._broker.queues[message.queue_name].append(message)
        return frozenset(message.task_id for message in held)

    async def discard(self, task_ids: Collection[str]) -> frozenset[str]:
        return frozenset(message.task_id for message in self._take(task_ids))

    async def close(self) -> None:
        pass

    def _take(self, task_ids: Collection[str]) -> list[TaskMessage]:
        self._broker.check()
        held = self._broker.unacknowledged
        return [held.pop(task_id) for task_id in task_ids if task_id in held]


class FakePresence:
    """See `gateway.presence.Presence`: a node is connected if it answers, or is listed in `connected`."""

    def __init__(self, broker: FakeBroker, connected: Collection[str] = ()) -> None:
        self._broker = broker
        self.connected = set(connected)

    async def find_absent(self, nodes: Collection[str]) -> frozenset[str]:
        self._broker.check()
        return frozenset(nodes) - self.connected - self._broker.nodes.keys()

    async def count_listeners(self) -> int | None:
        self._broker.check()
        return len(self._broker.nodes) + len(self._broker.twins) + len(self.connected)

    async def find_connected(self, nodes: Collection[str]) -> frozenset[str]:
        self._broker.check()
        return frozenset(nodes) & (self.connected | self._broker.nodes.keys())

    async def close(self) -> None:
        pass


class FakePauseKeys:
    """See `gateway.pause_keys.PauseKeys`."""

    def __init__(self) -> None:
        self.held: set[str] = set()

    async def hold(self, nodes: Collection[str]) -> None:
        self.held |= set(nodes)

    async def release(self, node: str) -> None:
        self.held.discard(node)
