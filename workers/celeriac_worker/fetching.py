"""What a worker takes from its queues: all, or nothing while it stands still; and how a message is given back.

A bootstep of the consumer, started anew with each connection to the broker, so that neither a restart nor a
reconnection lets a paused worker fetch a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery import bootsteps
from celery.bootsteps import RUN  # type: ignore[attr-defined]
from celery.utils.log import get_logger
from celery.worker import state

from celeriac_worker.countdown import cancel_turn, give_turn, waiting_turns
from celeriac_worker.gate import GateUnreachableError
from celeriac_worker.node import Node
from celeriac_worker.stream import flush_events, space_events

logger = get_logger(__name__)

HOLD_SECONDS = 5.0
"""How often a second delivery of what runs elsewhere asks again."""


class Fetching(bootsteps.StartStopStep):
    """Started after Celery's own step has made the consumer of the queues, and before that consumes."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._consumer = consumer
        self._node: Node | None = getattr(consumer.controller, "celeriac", None)
        if self._node is not None:
            consumer.controller.celeriac_fetching = self

    def include_if(self, _consumer: Any) -> bool:
        """Leave the step out without Redis: then the worker is a stock one."""
        return self._node is not None

    def start(self, consumer: Any) -> None:
        assert self._node is not None
        space_events(consumer)
        try:
            self._node.order(paused=self._node.gate.is_paused())
        except GateUnreachableError as error:
            logger.warning("Redis does not answer (%s): no task is fetched until it does.", error)
            self._node.blind = True
        self.apply_state()

    def stop(self, consumer: Any) -> None:
        flush_events(consumer)

    def apply_state(self) -> int:
        """Fetch, or do not, as the node's state demands; returns how many messages went back to their queues."""
        assert self._node is not None
        consumer = self._consumer
        if consumer.task_consumer is None or consumer.blueprint.state != RUN:
            return 0
        if self._node.stands_still:
            return self._stop_fetching()
        self._fetch()
        return 0

    def apply_state_soon(self) -> None:
        """Fetch, or do not, a moment later; called from any thread or from the midst of a message."""
        self._consumer.call_soon(self.apply_state)

    def refuse(self, request: Any) -> None:
        """Give a message that came too late back to its queue, and take no more of them."""
        self._put_back(request)
        self.apply_state_soon()

    def hold(self, request: Any) -> None:
        """Let it ask again later, not acknowledged, out of the others' way."""
        _forget(request)
        give_turn(self._consumer, request, seconds=HOLD_SECONDS)
        logger.info("Task %s[%s] is running already; this delivery waits.", request.name, request.id)

    def drop(self, request: Any) -> None:
        """Acknowledge a second delivery of what has run, or runs and is acknowledged."""
        assert self._node is not None
        _forget(request)
        request.acknowledge()
        if not self._node.runs(request.run_key):
            # An event names no delivery. While the first one runs here too, it would be taken for the end of that.
            request.send_event("task-rejected", requeue=False)
        logger.info("Task %s[%s] has been started before; this delivery is dropped.", request.name, request.id)

    def _stop_fetching(self) -> int:
        # First, or what is given back would come again.
        for queue in self._consumer.task_consumer.queues:
            self._consumer.task_consumer.cancel_by_queue(queue)
        turns = waiting_turns(self._consumer.timer)
        return sum(self._put_back(request, turns.get(request)) for request in [*self._waiting(), *turns])

    def _fetch(self) -> None:
        fetched = self._consumer.task_consumer
        missing = [
            queue for queue in self._consumer.app.amqp.queues.consume_from.values() if not fetched.consuming_from(queue)
        ]
        for queue in missing:
            fetched.add_queue(queue)
        # Before its loop Celery has nowhere to put a message (RabbitMQ would send some at once); the loop consumes all.
        if missing and fetched.on_message is not None:
            fetched.consume()
            _hear_broadcasts(fetched.channel)

    def _waiting(self) -> Iterator[Any]:
        """Requests whose time has come, and that have not started: of the pool's next ones, and of rate limits."""
        yield from state.reserved_requests
        for bucket in self._consumer.task_buckets.values():
            if bucket is not None:
                yield from [request for request, _ in bucket.contents]

    def _put_back(self, request: Any, turn: Any = None) -> bool:
        """Whether it was given back now; its object may linger in a queue of the pool, which drops it."""
        assert self._node is not None
        if not self._node.take_back(request):
            return False
        if turn is not None:
            cancel_turn(self._consumer, turn)
        _forget(request)
        request.reject(requeue=True)
        return True


def _hear_broadcasts(channel: Any) -> None:
    """Subscribe to broadcasts: on Redis kombu does so when it connects, and not for channels that come later."""
    if getattr(channel, "active_fanout_queues", None):
        channel._subscribe()


def _forget(request: Any) -> None:
    """Count it as reserved no more. The same id may be active in another delivery, which stays known by it."""
    state.task_ready(request)
    for other in state.active_requests:
        if other.id == request.id:
            state.requests[request.id] = other
