"""What `/queues` tells: what Postgres knows of queues, then how long the broker says they are."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.degradation import QUEUE_PREFIX, Mark, Marks
from domain.queue_figures import RATE_WINDOW, QueueRates, rates_of, seconds_until_empty
from domain.sight import Sight
from domain.trends import Chosen, Window
from gateway.ports import ReadsQueues
from services.dashboard import ask_depths
from store.queries import for_queues
from store.queries.for_dashboard import count_held, count_queued
from store.queries.for_queues import ConsumerCounts
from store.queries.trends import sum_by_name

Reading = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue at this moment."""

    name: str
    waiting: int | None
    """How many messages wait in the broker; None where only some of them are seen."""
    due: int
    held: int
    """How many tasks workers have received and not finished."""
    oldest_waiting_at: datetime | None
    rates: QueueRates
    consumers: ConsumerCounts
    mark: Mark | None

    @property
    def empty_in_seconds(self) -> float | None:
        """Return when it will be empty if all goes on as it does; None for never, or nobody can tell."""
        return seconds_until_empty(self.waiting, self.rates)


@dataclass(frozen=True, slots=True)
class QueueStates:
    """Some queues, and how far their figures can be relied on."""

    queues: Sequence[QueueState]
    is_from_broker: bool
    due_is_exact: bool


async def read_queues(
    reading: Reading, queues: ReadsQueues | None, *, names: Sequence[str], marks: Marks, sight: Sight
) -> QueueStates:
    """Return how these queues are. `queues`: None where the broker is known to be away.

    No connection to Postgres is held while the broker is asked.
    """
    depths = None if queues is None else await ask_depths(queues, names)
    window = Window.of_last(RATE_WINDOW, now=datetime.now(UTC))
    chosen = Chosen(limits=sight.limits)
    async with reading() as connection:
        due = await for_queues.count_due(connection, sight=sight)
        held = await count_held(connection, sight=sight)
        sums = await sum_by_name(connection, window, name="queue_name", limit=for_queues.MAX_QUEUES, chosen=chosen)
        consumers = await for_queues.count_consumers(connection)
        waiting: Mapping[str, int] = depths if depths is not None else await count_queued(connection)
        oldest = {} if sight.limits.task_names else await for_queues.list_oldest_waiting(connection, names)
    # What waits is told of the whole queue: whoever sees some of its tasks only is not told.
    sees_all = not sight.limits.task_names
    return QueueStates(
        [
            QueueState(
                name=name,
                waiting=waiting.get(name, 0) if sees_all else None,
                due=due.by_queue.get(name, 0),
                held=held.get(name, 0),
                oldest_waiting_at=oldest.get(name),
                rates=rates_of(sums.get(name), window),
                consumers=consumers.get(name, ConsumerCounts()),
                mark=marks.get(f"{QUEUE_PREFIX}{name}"),
            )
            for name in names
        ],
        is_from_broker=depths is not None,
        due_is_exact=due.is_exact,
    )
