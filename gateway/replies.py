"""What nodes reply to questions, held to its form before anything is made of it.

Any node may reply anything, and its names go to Postgres: a reply that is not as Celery's own is left out, and only
that one.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
import structlog

from domain.identities import MAX_ID_BYTES

# No NUL and no lone surrogates, which Postgres cannot store.
Name = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\x00\ud800-\udfff]*\Z")]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00\ud800-\udfff]*\Z")]
TaskId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_BYTES, pattern=r"^[^\x00\ud800-\udfff]*\Z")]
Number = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Started = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
ProcessId = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
MOST_PROCESSES = 10_000
MOST_TASKS = 100_000
MOST_WARNED_OF = 1_000

Reply = TypeVar("Reply")

log = structlog.get_logger()


class Pool(msgspec.Struct):
    """The pool in a reply to `stats`."""

    implementation: Name = ""
    processes: Annotated[list[ProcessId], msgspec.Meta(max_length=MOST_PROCESSES)] | None = None
    max_concurrency: Number | None = msgspec.field(name="max-concurrency", default=None)
    writes: Any = None
    threads: Any = None


class Plugin(msgspec.Struct):
    """What our plugin adds to `stats`."""

    version: Name | None = None
    protocol: Number | None = None
    oldest_protocol: Number | None = None
    capabilities: Annotated[tuple[Name, ...], msgspec.Meta(max_length=100)] = ()
    priority_steps: Annotated[tuple[Number, ...], msgspec.Meta(max_length=256)] = ()
    paused: bool | None = None
    tells_ids: bool = False


class Broker(msgspec.Struct):
    """How the node reaches its broker, in a reply to `stats`. Only options of a broker are kept; some are secrets."""

    transport_options: dict[str, Any] | None = None


class Stats(msgspec.Struct):
    """The reply to `stats`."""

    pid: ProcessId = 0
    pool: Pool = msgspec.field(default_factory=Pool)
    prefetch_count: Number | None = 0
    celeriac: Plugin = msgspec.field(default_factory=Plugin)
    broker: Any = None
    autoscaler: Any = None
    total: Annotated[dict[str, Started], msgspec.Meta(max_length=MOST_TASKS)] = msgspec.field(default_factory=dict)
    """How many tasks of each name it has started."""


class QueueExchange(msgspec.Struct):
    """The exchange that a queue's messages come from."""

    type: Name | None = None


class ConsumedQueue(msgspec.Struct):
    """A queue in the reply to `active_queues`."""

    name: Text
    exchange: QueueExchange | None = None


class RunningTask(msgspec.Struct):
    """A task in the reply to `active`."""

    id: TaskId
    worker_pid: ProcessId | None = None
    time_start: float | None = None


ConsumedQueues = list[ConsumedQueue]
RegisteredTasks = list[Text]
RunningTasks = Annotated[list[RunningTask], msgspec.Meta(max_length=MOST_TASKS)]
Found = Annotated[dict[TaskId, tuple[Name, Any]], msgspec.Meta(max_length=MOST_TASKS)]
"""The reply to `query_task`: by task id its phase and the request."""
Phases = Annotated[dict[TaskId, Name], msgspec.Meta(max_length=MOST_TASKS)]
"""The reply to our plugin's form of `query_task`: the phase by task id, without the request."""


class Replies:
    """Takes replies apart, node by node, and says once of each node that it does not speak as Celery does."""

    def __init__(self) -> None:
        self._warned_of: set[str] = set()

    def read(self, replies: Mapping[str, Any], read: Callable[[str, Any], Reply]) -> dict[str, Reply]:
        """Return what `read` makes of each node's reply, without those that it raises anything for."""
        by_node: dict[str, Reply] = {}
        for node, reply in replies.items():
            try:
                by_node[node] = read(node, reply)
            except Exception as error:  # one node's nonsense is not allowed to hide what the others say
                self._warn_of(node, error)
        return by_node

    def _warn_of(self, node: str, error: Exception) -> None:
        if node not in self._warned_of and len(self._warned_of) < MOST_WARNED_OF:
            self._warned_of.add(node)
            log.warning("reply_not_understood", node=node, error=type(error).__name__)


def form(reply: Any, kind: type[Reply]) -> Reply:
    """Return the reply as this kind. Raises msgspec.ValidationError, RecursionError."""
    return msgspec.convert(reply, kind)
