"""What the rooms above need of the gateway, in parts: whoever asks workers takes `AsksNodes`, not all of `Control`.

Each port is a part of the class that its docstring names, and a test holds its signatures against that class and its
fake. What a method returns and raises stands there.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from domain.broker_options import OptionDifference
from domain.proofs import ServerLife
from domain.results import StoredResult
from domain.webhooks.attempts import Answer
from domain.webhooks.webhook import Webhook
from gateway.control import ActiveTask, HeldTask, Said, Work
from gateway.descriptions import NodeDescription
from gateway.message_mover import FetchedMessage
from gateway.messages import TaskMessage
from gateway.publisher import NO_LISTS, Published, QueueLists


class AsksNodes(Protocol):
    """Every question of `gateway.control.Control`: nothing at a worker is changed by them."""

    async def find_nodes(self) -> frozenset[str]: ...
    async def find_present(self) -> frozenset[str]: ...
    async def ping(self, nodes: Collection[str]) -> frozenset[str]: ...
    async def describe(self, nodes: Collection[str]) -> dict[str, NodeDescription]: ...
    def unreadable(self, nodes: Collection[str]) -> dict[str, str]: ...
    async def list_active(self, nodes: Collection[str]) -> tuple[frozenset[str], dict[str, ActiveTask]]: ...
    async def list_work(self, nodes: Collection[str]) -> dict[str, Work]: ...
    async def query_tasks(self, task_ids: Collection[str], nodes: Collection[str]) -> dict[str, HeldTask]: ...
    async def ask_everyone(self, task_ids: Collection[str]) -> Said: ...


class OrdersNodes(AsksNodes, Protocol):
    """The questions, and the orders to single nodes, of `gateway.control.Control`."""

    async def enable_events(self, nodes: Collection[str]) -> dict[str, bool | None]: ...
    async def add_consumer(self, queue_name: str, nodes: Collection[str]) -> frozenset[str]: ...
    async def pause(self, node: str) -> bool: ...
    async def resume(self, node: str) -> bool: ...
    async def set_consuming(self, node: str, queue_names: Collection[str], *, consuming: bool) -> None: ...
    async def resize(self, node: str, by: int) -> bool: ...
    async def shut_down(self, node: str) -> None: ...


class Revokes(Protocol):
    """The order to all nodes of `gateway.control.Control`."""

    async def revoke(self, task_ids: Collection[str], *, terminate: bool = False, signal: str = "SIGTERM") -> None: ...


class KeepsPauses(Protocol):
    """The whole of `gateway.pause_keys.PauseKeys`."""

    async def hold(self, nodes: Collection[str]) -> None: ...
    async def release(self, node: str) -> None: ...


class KnowsConnections(Protocol):
    """What `gateway.presence.Presence` knows of connections to the broker."""

    async def find_absent(self, nodes: Collection[str]) -> frozenset[str]: ...
    async def find_connected(self, nodes: Collection[str]) -> frozenset[str]: ...
    async def count_listeners(self) -> int | None: ...


class FindsDifferences(Protocol):
    """What `gateway.foreign_prefixes.ForeignPrefixes` finds."""

    async def differences(self) -> dict[str, OptionDifference]: ...


class SendsWebhooks(Protocol):
    """What `gateway.webhook_sender.WebhookSender` does."""

    async def send(self, webhook: Webhook, *, event_id: str, body: str) -> Answer: ...


class ReadsQueues(Protocol):
    """What `gateway.queues.QueueReader` reads."""

    async def depths(self, names: Collection[str]) -> dict[str, int]: ...
    async def ids_in_queues(
        self, queue_names: Collection[str], *, among: Collection[str] | None = None
    ) -> set[str] | None: ...
    async def find_foreign(self, names: Collection[str]) -> frozenset[str]: ...
    async def get_life(self) -> ServerLife: ...
    async def ping(self) -> None: ...


class Publishes(Protocol):
    """What `gateway.publisher.Publisher` is for."""

    async def publish(self, messages: Sequence[TaskMessage], *, lists: QueueLists = NO_LISTS) -> Published: ...


class Withdraws(Protocol):
    """The part of `gateway.message_mover.MessageMover` for messages that wait."""

    async def withdraw(self, task_id: str, queue_name: str) -> bool: ...


class PutsBack(Protocol):
    """The part of `gateway.message_mover.MessageMover` for what a dead worker had fetched, by task."""

    async def put_back(self, task_ids: Collection[str]) -> frozenset[str]: ...
    async def discard(self, task_ids: Collection[str]) -> frozenset[str]: ...


class PutsBackFetched(Protocol):
    """The part of `gateway.message_mover.MessageMover` for what nobody is known to have fetched, by message."""

    async def list_fetched(self, *, before: datetime, limit: int) -> list[FetchedMessage]: ...
    async def put_back_fetched(self, messages: Collection[FetchedMessage], *, before: datetime) -> frozenset[str]: ...


class ReadsResults(Protocol):
    """The part of `gateway.results.reader.ResultReader` for many results, each cut where it is long."""

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]: ...


class ReadsWholeResults(Protocol):
    """The part of `gateway.results.reader.ResultReader` for one result, whatever its length."""

    async def fetch_whole(self, task_id: str) -> StoredResult | None: ...
