"""Asks nodes about themselves and tells them what to do, over Celery's remote control.

Every question names its nodes and ends with the last reply (9 ms instead of a whole second), or after 2 s. A node that
is silent (down, or a solo pool at work) is simply not in the answer: silence proves nothing.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from domain.broker_options import STOCK_STEPS, BrokerOptions
from domain.clocks import time_of
from domain.worker_control import common_capabilities
from gateway.mailbox import Command, ask, tell
from gateway.replies import Broker, ConsumedQueues, Found, RegisteredTasks, Replies, RunningTasks, Stats, form
from gateway.threads import BrokerThread

TASK_OPTIONS = ("acks_late", "max_retries")
MAX_REGISTERED = 10_000
MAX_REGISTERED_LENGTH = 1_000
"""Of a task's name with its options."""
MAX_QUEUES = 1_000
MAX_NAME_LENGTH = 255
"""What a node says beyond these is passed over."""
ANSWER_SECONDS = 2.0
FIND_SECONDS = 1.0
MAX_NODE = 255
MAX_TASK_NAME = 255
MOST_DIGITS = 10
"""Of a number that Postgres' integers hold."""
BROKER_SECONDS = 4.0
"""For connecting and publishing, beside the time for answers; both have socket timeouts of 2 s."""


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What a node says about itself."""

    node: str
    pid: int
    pool: str
    """`prefork`, `threads`, `solo`, `gevent`..."""
    concurrency: int
    queues: tuple[str, ...]
    registered: tuple[str, ...]
    """Names of the tasks that it knows."""
    prefetch_count: int
    plugin: str | None
    """Version of our plugin; None on a stock worker."""
    priority_steps: tuple[int, ...]
    """The priorities that our plugin says it reads on Redis; empty on a stock worker."""
    options: BrokerOptions | None = None
    """How it uses its broker, steps included; None where it does not say."""
    protocol: int | None = None
    """Of our plugin."""
    capabilities: tuple[str, ...] = ()
    """What our plugin says can be relied on and we know; none on a stock worker, and where we share no protocol."""
    paused: bool | None = None
    """What our plugin says; None on a stock worker, which is paused when it consumes no queue."""
    autoscales: bool = False
    acks_late: frozenset[str] = frozenset()
    """Names of the tasks whose messages it acknowledges only when they have ended."""
    retry_limits: Mapping[str, int] = field(default_factory=dict)
    """The tasks' own `max_retries`, by name; without those that have none."""


@dataclass(frozen=True, slots=True)
class HeldTask:
    """Where a task is at this moment."""

    node: str
    phase: str
    """`active`, `reserved`, `scheduled` or `ready`."""


@dataclass(frozen=True, slots=True)
class ActiveTask:
    """A task that a node runs at this moment."""

    node: str
    pid: int | None
    """Of the process that runs it."""
    started_at: datetime | None
    """By the node's clock."""


@dataclass(frozen=True, slots=True)
class Work:
    """The ids of the tasks that a node holds."""

    active: tuple[str, ...]
    reserved: tuple[str, ...]
    """Fetched and not started; a stock worker that stands still starts them all the same."""


# As Celery writes them: what was asked for, in this order, behind the name and a space.
_WITH_OPTIONS = re.compile(
    rf"(?P<name>.*) \[(?P<options>(?:{'|'.join(TASK_OPTIONS)})=\S+(?: (?:{'|'.join(TASK_OPTIONS)})=\S+)*)\]", re.DOTALL
)
_REGISTERED = Command("registered", {"taskinfoitems": TASK_OPTIONS})


class Control:
    """Questions run in one thread and commands in another, so that a silent node never delays a revoke."""

    def __init__(self, broker_url: str, options: BrokerOptions | None = None) -> None:
        self._broker_url = broker_url
        self._options = options
        self._asking = BrokerThread("control-ask")
        self._telling = BrokerThread("control-tell")
        self._replies = Replies()

    async def find_nodes(self, *, wait_seconds: float = FIND_SECONDS) -> frozenset[str]:
        """Nodes that answer a broadcast ping. Takes the whole wait: nobody knows how many there are."""
        (replies,) = await self._ask([Command("ping")], None, seconds=wait_seconds)
        return frozenset(replies)

    async def ping(self, nodes: Collection[str]) -> frozenset[str]:
        """Those of the nodes that answer."""
        (replies,) = await self._ask([Command("ping")], nodes)
        return frozenset(replies)

    async def describe(self, nodes: Collection[str]) -> dict[str, NodeDescription]:
        """By node, for those that answer all three questions of it."""
        questions = [Command("stats"), _REGISTERED, Command("active_queues")]
        stats, registered, queues = await self._ask(questions, nodes)
        answered = {
            node: (stats[node], registered[node], queues[node])
            for node in stats
            if node in registered and node in queues
        }
        return self._replies.read(answered, _description)

    async def query_tasks(self, task_ids: Collection[str], nodes: Collection[str]) -> dict[str, HeldTask]:
        """Where each of the tasks is, for those that one of the nodes holds."""
        (replies,) = await self._ask([Command("query_task", {"ids": list(task_ids)})], nodes)
        held = self._replies.read(replies, _held_tasks)
        return {task_id: task for found in held.values() for task_id, task in found.items()}

    async def list_active(self, nodes: Collection[str]) -> tuple[frozenset[str], dict[str, ActiveTask]]:
        """The nodes that answered, and what they run, by task id."""
        (replies,) = await self._ask([Command("active")], nodes)
        running = self._replies.read(replies, _active_tasks)
        return frozenset(running), {task_id: task for found in running.values() for task_id, task in found.items()}

    async def add_consumer(self, queue_name: str, nodes: Collection[str]) -> frozenset[str]:
        """Nodes that took the order to consume this queue, where they did not do so already."""
        (replies,) = await self._ask([Command("add_consumer", {"queue": queue_name})], nodes)
        return frozenset(replies)

    async def pause(self, node: str) -> bool:
        """Whether our plugin has answered: from then on nothing starts there, and what was fetched went back."""
        (replies,) = await self._ask([Command("celeriac_pause")], [node])
        return node in replies

    async def resume(self, node: str) -> bool:
        """Whether our plugin has answered that the node fetches again."""
        (replies,) = await self._ask([Command("celeriac_resume")], [node])
        return node in replies

    async def set_consuming(self, node: str, queue_names: Collection[str], *, consuming: bool) -> None:
        """Orders a node to consume these queues, or no longer to. It does so a moment after its answer."""
        method = "add_consumer" if consuming else "cancel_consumer"
        await self._ask([Command(method, {"queue": name}) for name in queue_names], [node])

    async def resize(self, node: str, by: int) -> bool:
        """Whether the node takes the order to run so many tasks more, or fewer, at once. Busy processes stay."""
        command = Command("pool_grow", {"n": by}) if by > 0 else Command("pool_shrink", {"n": -by})
        (replies,) = await self._ask([command], [node])
        return node in replies

    async def list_work(self, nodes: Collection[str]) -> dict[str, Work]:
        """What each node holds, by node, for those that answer both questions of it."""
        active, reserved = await self._ask([Command("active"), Command("reserved")], nodes)
        both = {node: (active[node], reserved[node]) for node in active if node in reserved}
        return self._replies.read(both, _work)

    async def shut_down(self, node: str) -> None:
        """Tells a node to finish what it runs, give back the rest and exit. It does not answer; it says goodbye."""
        await self._telling.run(
            lambda: tell(self._broker_url, Command("shutdown"), nodes=[node], options=self._options),
            limit_seconds=BROKER_SECONDS,
        )

    async def revoke(self, task_ids: Collection[str], *, terminate: bool = False, signal: str = "SIGTERM") -> None:
        """Tells every node not to start these tasks, and with `terminate` to end those that run. One broadcast.

        Heard only by the nodes that are connected now.
        """
        arguments = {"task_id": list(task_ids), "terminate": terminate, "signal": signal}
        await self._telling.run(
            lambda: tell(self._broker_url, Command("revoke", arguments), options=self._options),
            limit_seconds=BROKER_SECONDS,
        )

    async def close(self) -> None:
        """Ends both threads."""
        await self._asking.close()
        await self._telling.close()

    async def _ask(
        self, commands: list[Command], nodes: Collection[str] | None, *, seconds: float = ANSWER_SECONDS
    ) -> list[dict[str, Any]]:
        if nodes is not None and not nodes:
            return [{} for _ in commands]
        replies = await self._asking.run(
            lambda: ask(self._broker_url, commands, nodes=nodes, seconds=seconds, options=self._options),
            limit_seconds=seconds + BROKER_SECONDS,
        )
        return [
            {node: reply for node, reply in answers.items() if _is_asked(node, nodes) and not _is_error(reply)}
            for answers in replies
        ]


def _is_asked(node: object, nodes: Collection[str] | None) -> bool:
    """Whether the reply is that of one who was asked; whoever replies gives its own name."""
    if nodes is not None:
        return node in nodes
    return isinstance(node, str) and len(node) <= MAX_NODE


def _is_error(reply: object) -> bool:
    """A node answers `{"error": ...}` to a command that it does not know or cannot do."""
    return isinstance(reply, Mapping) and "error" in reply


def _held_tasks(node: str, reply: Any) -> dict[str, HeldTask]:
    return {task_id: HeldTask(node, phase) for task_id, (phase, _) in form(reply, Found).items()}


def _active_tasks(node: str, reply: Any) -> dict[str, ActiveTask]:
    heard = datetime.now(UTC)
    return {
        task.id: ActiveTask(
            node, task.worker_pid, time_of(task.time_start, heard=heard) if task.time_start is not None else None
        )
        for task in form(reply, RunningTasks)
    }


def _work(_node: str, reply: tuple[Any, Any]) -> Work:
    active, reserved = (form(requests, RunningTasks) for requests in reply)
    return Work(tuple(task.id for task in active), tuple(task.id for task in reserved))


def _description(node: str, reply: tuple[Any, Any, Any]) -> NodeDescription:
    stats, registered, queues = form(reply[0], Stats), form(reply[1], RegisteredTasks), form(reply[2], ConsumedQueues)
    plugin = stats.celeriac
    known = map(_name_and_options, islice(_short(registered, MAX_REGISTERED_LENGTH), MAX_REGISTERED))
    options = {name: told for name, told in known if len(name) <= MAX_TASK_NAME}
    return NodeDescription(
        node=node,
        pid=stats.pid,
        pool=_pool_name(stats.pool.implementation),
        concurrency=len(stats.pool.processes) if stats.pool.processes else stats.pool.max_concurrency or 0,
        queues=tuple(sorted(islice(_short((queue.name for queue in queues), MAX_NAME_LENGTH), MAX_QUEUES))),
        registered=tuple(sorted(options)),
        prefetch_count=stats.prefetch_count or 0,
        plugin=plugin.version,
        priority_steps=plugin.priority_steps,
        options=_options(stats),
        protocol=plugin.protocol,
        capabilities=common_capabilities(
            plugin.capabilities, protocol=plugin.protocol, oldest_protocol=plugin.oldest_protocol
        ),
        paused=plugin.paused,
        autoscales=bool(stats.autoscaler),
        acks_late=frozenset(name for name, told in options.items() if told.get("acks_late") == "True"),
        retry_limits={name: int(told["max_retries"]) for name, told in options.items() if _is_limit(told)},
    )


def _options(stats: Stats) -> BrokerOptions | None:
    """What a worker was not told, it does as kombu has it; the plugin's word on steps is older than that of stats."""
    try:
        broker = form(stats.broker, Broker)
        told = BrokerOptions.from_transport_options(broker.transport_options or {})
    except (msgspec.ValidationError, ValueError):
        steps = tuple(sorted(set(stats.celeriac.priority_steps)))
        return BrokerOptions(priority_steps=steps) if steps else None
    return told if told.priority_steps else replace(told, priority_steps=STOCK_STEPS)


def _short(names: Iterable[str], most: int) -> Iterator[str]:
    return (name for name in names if len(name) <= most)


def _name_and_options(told: str) -> tuple[str, dict[str, str]]:
    """`name [acks_late=True max_retries=3]`; an option that is None is left out. A name may hold ` [` itself."""
    found = _WITH_OPTIONS.fullmatch(told)
    if found is None:
        return told, {}
    return found["name"], dict(option.split("=", 1) for option in found["options"].split())


def _is_limit(options: Mapping[str, str]) -> bool:
    limit = options.get("max_retries", "")
    return limit.isdecimal() and len(limit) < MOST_DIGITS


def _pool_name(implementation: str) -> str:
    """As `--pool` has it: `prefork` of `celery.concurrency.prefork:TaskPool`; the module of `threads` is `thread`."""
    name = implementation.split(":")[0].rsplit(".", 1)[-1]
    return "threads" if name == "thread" else name
