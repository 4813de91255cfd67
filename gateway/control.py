"""Asks nodes about themselves and tells them what to do, over Celery's remote control.

Every question names its nodes and ends with the last reply (9 ms instead of a whole second), or after 2 s. A node that
is silent (down, or a solo pool at work) is simply not in the answer: silence proves nothing.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import structlog

from domain.broker_options import BrokerOptions
from domain.clocks import time_of
from gateway.descriptions import TASK_OPTIONS, NodeDescription, describe_node
from gateway.mailbox import Answers, Command, ask, forget, tell
from gateway.replies import (
    Found,
    Phases,
    Replies,
    RunningTasks,
    form,
)
from gateway.threads import BrokerThread

ANSWER_SECONDS = 2.0
FIND_SECONDS = 1.0
MAX_NODE = 255
BROKER_SECONDS = 4.0
"""Time for connecting and publishing, beside that for answers; both have socket timeouts of 2 s."""
MOST_NODES = 10_000
"""How many nodes there are at most of which it is remembered how they answer."""
NO_EVENTS = "event dispatcher unavailable"
EVENTS_ENABLED = ("task events enabled", "task events already enabled")


@dataclass(frozen=True, slots=True)
class HeldTask:
    """A task at the place where it is at this moment."""

    node: str
    phase: str
    """`active`, `reserved`, `scheduled` or `ready`."""


@dataclass(frozen=True, slots=True)
class ActiveTask:
    """A task that a node runs at this moment."""

    node: str
    pid: int | None
    """The pid of the process that runs it."""
    started_at: datetime | None
    """The time of its start, by the node's clock."""


@dataclass(frozen=True, slots=True)
class Said:
    """What everyone who listens says of some tasks."""

    replies: Mapping[str, int]
    """How many processes have answered under each node's name."""
    holders: Mapping[str, HeldTask]
    """The tasks that one of them has, or runs."""


@dataclass(frozen=True, slots=True)
class Work:
    """The ids of the tasks that a node runs."""

    active: tuple[str, ...]


log = structlog.get_logger(__name__)

_REGISTERED = Command("registered", {"taskinfoitems": TASK_OPTIONS})
_ACTIVE = Command("active", {"safe": True})
"""The question for running tasks, with arguments as short texts: whole, two tasks with 6 MB cost 8 MB/s."""


class Control:
    """Questions run in one thread and commands in another, so that a silent node never delays a revoke.

    `serializer` is the form of commands where the broker does not spare it: the one of submissions, which all can read.
    Nodes whose plugin tells ids alone are asked for these: what else a worker says of a task holds its arguments.
    """

    def __init__(self, broker_url: str, options: BrokerOptions | None = None, *, serializer: str = "json") -> None:
        self._broker_url = broker_url
        self._options = options
        self._tell: Callable[..., None] = partial(tell, broker_url, options=options, serializer=serializer)
        self._serializer = serializer
        self._address = str(uuid4())
        self._has_asked = False
        self._tell_ids: set[str] = set()
        self._unreadable: dict[str, str] = {}
        self._asking = BrokerThread("control-ask")
        self._telling = BrokerThread("control-tell")
        self._replies = Replies()

    async def find_nodes(self, *, wait_seconds: float = FIND_SECONDS) -> frozenset[str]:
        """Return the nodes that answer a broadcast ping. Takes the whole wait: nobody knows how many there are."""
        (replies,) = await self._ask([Command("ping")], None, seconds=wait_seconds)
        return frozenset(replies)

    async def find_present(self) -> frozenset[str]:
        """Return the nodes that answer a broadcast ping, also unreadably, which proves that they are there, and nothing
        else.
        """
        unread: set[str] = set()
        (replies,) = await self._ask([Command("ping")], None, seconds=FIND_SECONDS, unread=unread)
        return frozenset(replies) | unread

    async def ping(self, nodes: Collection[str]) -> frozenset[str]:
        """Return those of the nodes that answer."""
        (replies,) = await self._ask([Command("ping")], nodes)
        return frozenset(replies)

    async def describe(self, nodes: Collection[str]) -> dict[str, NodeDescription]:
        """Return the descriptions of those nodes that answer all three questions of it."""
        questions = [Command("stats"), _REGISTERED, Command("active_queues")]
        stats, registered, queues = await self._ask(questions, nodes)
        answered = {
            node: (stats[node], registered[node], queues[node])
            for node in stats
            if node in registered and node in queues
        }
        described = self._replies.read(answered, describe_node)
        self._note_ids(described)
        return described

    async def query_tasks(self, task_ids: Collection[str], nodes: Collection[str]) -> dict[str, HeldTask]:
        """Return the place of each of the tasks that one of the nodes holds."""
        arguments = {"ids": list(task_ids)}
        brief, others = self._by_answer(nodes)
        (phases,) = await self._ask([Command("celeriac_find", arguments)], brief)
        (replies,) = await self._ask([Command("query_task", arguments)], others)
        answers = (self._replies.read(phases, _phases), self._replies.read(replies, _held_tasks))
        return {task_id: task for by_node in answers for places in by_node.values() for task_id, task in places.items()}

    async def ask_everyone(self, task_ids: Collection[str]) -> Said:
        """Ask all who listen for these tasks; returns who answers, and who has them.

        What runs is asked for apart: a worker that lost its connection runs on, and forgets the ids of its tasks.
        """
        asked_ids = frozenset(task_ids)
        questions = [Command("query_task", {"ids": sorted(asked_ids)}), _ACTIVE]
        places, active = await self._ask(questions, None)
        holders: dict[str, HeldTask] = {}
        answered = [Counter[str](), Counter[str]()]
        for node, reply in active.all:
            running = self._replies.read({node: reply}, _active_tasks)
            answered[0].update(running.keys())
            holders |= {task_id: HeldTask(node, "active") for task_id in running.get(node, ()) if task_id in asked_ids}
        for node, reply in places.all:
            said = self._replies.read({node: reply}, _held_tasks)
            answered[1].update(said.keys())
            holders |= said.get(node, {})
        return Said(answered[0] & answered[1], holders)

    async def list_active(self, nodes: Collection[str]) -> tuple[frozenset[str], dict[str, ActiveTask]]:
        """Return the nodes that answered, and what they run, by task id."""
        running = self._replies.read(await self._ask_what_runs(nodes), _active_tasks)
        return frozenset(running), {task_id: task for tasks in running.values() for task_id, task in tasks.items()}

    async def enable_events(self, nodes: Collection[str]) -> dict[str, bool | None]:
        """Let nodes tell of their tasks; returns, for those that do from now on, whether each did so before.

        None: it says that it has nothing to send events with, as without -E, heartbeats and gossip.
        """
        (replies,) = await self._ask([Command("enable_events")], nodes, errors=True)
        mappings = {node: reply for node, reply in replies.items() if isinstance(reply, Mapping)}
        answers: dict[str, bool | None] = {
            node: None for node, reply in mappings.items() if reply.get("error") == NO_EVENTS
        }
        return answers | {
            node: reply["ok"] == EVENTS_ENABLED[1]
            for node, reply in mappings.items()
            if reply.get("ok") in EVENTS_ENABLED
        }

    def unreadable(self, nodes: Collection[str]) -> dict[str, str]:
        """Return the content type of answers, for those of the nodes whose last ones could not be read."""
        return {node: self._unreadable[node] for node in nodes if node in self._unreadable}

    async def add_consumer(self, queue_name: str, nodes: Collection[str]) -> frozenset[str]:
        """Order nodes to consume this queue; returns those that took the order and did not do so already."""
        (replies,) = await self._ask([Command("add_consumer", {"queue": queue_name})], nodes)
        return frozenset(replies)

    async def pause(self, node: str) -> bool:
        """Pause a node; returns whether our plugin has answered: from then on nothing starts there, and what was
        fetched went back.
        """
        (replies,) = await self._ask([Command("celeriac_pause")], [node])
        return node in replies

    async def resume(self, node: str) -> bool:
        """Let a node fetch again; returns whether our plugin has answered that it does."""
        (replies,) = await self._ask([Command("celeriac_resume")], [node])
        return node in replies

    async def set_consuming(self, node: str, queue_names: Collection[str], *, consuming: bool) -> None:
        """Order a node to consume these queues, or no longer to. It does so a moment after its answer."""
        method = "add_consumer" if consuming else "cancel_consumer"
        await self._ask([Command(method, {"queue": name}) for name in queue_names], [node])

    async def resize(self, node: str, by: int) -> bool:
        """Order a node to run so many tasks more, or fewer, at once; returns whether it takes the order. Busy processes
        stay.
        """
        command = Command("pool_grow", {"n": by}) if by > 0 else Command("pool_shrink", {"n": -by})
        (replies,) = await self._ask([command], [node])
        return node in replies

    async def list_work(self, nodes: Collection[str]) -> dict[str, Work]:
        """Return what each node runs, for those that answer. What it has only fetched it gives back itself."""
        return self._replies.read(await self._ask_what_runs(nodes), _work)

    async def shut_down(self, node: str) -> None:
        """Tell a node to finish what it runs, give back the rest and exit. It does not answer; it says goodbye."""
        await self._telling.run(
            lambda: self._tell(Command("shutdown"), nodes=[node]),
            limit_seconds=BROKER_SECONDS,
        )

    async def revoke(self, task_ids: Collection[str], *, terminate: bool = False, signal: str = "SIGTERM") -> None:
        """Tell every node not to start these tasks, and with `terminate` to end those that run. One broadcast.

        Heard only by the nodes that are connected now.
        """
        arguments = {"task_id": list(task_ids), "terminate": terminate, "signal": signal}
        await self._telling.run(
            lambda: self._tell(Command("revoke", arguments)),
            limit_seconds=BROKER_SECONDS,
        )

    async def close(self) -> None:
        """End both threads."""
        last = partial(forget, self._broker_url, self._address, options=self._options)
        await self._asking.close(last if self._has_asked else None)
        await self._telling.close()

    async def _ask_what_runs(self, nodes: Collection[str]) -> dict[str, Any]:
        brief, others = self._by_answer(nodes)
        (ids,) = await self._ask([Command("celeriac_active")], brief)
        (replies,) = await self._ask([_ACTIVE], others)
        return {**ids, **replies}

    async def _ask(
        self,
        commands: list[Command],
        nodes: Collection[str] | None,
        *,
        seconds: float = ANSWER_SECONDS,
        unread: set[str] | None = None,
        errors: bool = False,
    ) -> list[Answers]:
        if nodes is not None and not nodes:
            return [Answers() for _ in commands]
        self._has_asked = True
        question = partial(ask, self._broker_url, commands, nodes=nodes, seconds=seconds, options=self._options)
        asked = partial(
            question,
            serializer=self._serializer,
            address=self._address,
            unreadable=partial(self._note_unreadable, unread=unread),
        )
        replies = await self._asking.run(asked, limit_seconds=seconds + BROKER_SECONDS)
        read = [_sound(answers, nodes, errors=errors) for answers in replies]
        for node in set().union(*read) & self._unreadable.keys():
            del self._unreadable[node]
        return read

    def _note_unreadable(self, node: str, content_type: str, *, unread: set[str] | None) -> None:
        if not _is_asked(node, None):
            return
        if unread is not None and len(unread) < MOST_NODES:
            unread.add(node)
        if node not in self._unreadable:
            if len(self._unreadable) >= MOST_NODES:
                return
            log.warning("reply_unreadable", node=node, content_type=content_type)
        self._unreadable[node] = content_type

    def _by_answer(self, nodes: Collection[str]) -> tuple[list[str], list[str]]:
        """Divide the nodes into those that can be asked for ids alone, and the others."""
        return [node for node in nodes if node in self._tell_ids], [
            node for node in nodes if node not in self._tell_ids
        ]

    def _note_ids(self, described: Mapping[str, NodeDescription]) -> None:
        if len(self._tell_ids) + len(described) > MOST_NODES:
            self._tell_ids.clear()
        self._tell_ids -= described.keys()
        self._tell_ids |= {node for node, description in described.items() if description.tells_ids}


def _sound(answers: Answers, nodes: Collection[str] | None, *, errors: bool) -> Answers:
    """The replies of those who were asked; without those that only say that something went wrong, or with them."""
    sound = Answers()
    for node, reply in answers.all:
        if _is_asked(node, nodes) and (errors or not _is_error(reply)):
            sound.add({node: reply})
    return sound


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


def _phases(node: str, reply: Any) -> dict[str, HeldTask]:
    return {task_id: HeldTask(node, phase) for task_id, phase in form(reply, Phases).items()}


def _active_tasks(node: str, reply: Any) -> dict[str, ActiveTask]:
    heard = datetime.now(UTC)
    return {
        task.id: ActiveTask(
            node, task.worker_pid, time_of(task.time_start, heard=heard) if task.time_start is not None else None
        )
        for task in form(reply, RunningTasks)
    }


def _work(_node: str, reply: Any) -> Work:
    return Work(tuple(task.id for task in form(reply, RunningTasks)))
