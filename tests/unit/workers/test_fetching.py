from types import SimpleNamespace
from typing import Any

from celeriac_worker.fetching import Fetching
from celery.bootsteps import RUN  # type: ignore[attr-defined]


class Fetched:
    """Stands in for kombu's consumer of the queues."""

    def __init__(self, on_message: object) -> None:
        self.on_message = on_message
        self.channel = SimpleNamespace()
        self.added: list[str] = []
        self.has_consumed = False

    def consuming_from(self, _queue: str) -> bool:
        return False

    def add_queue(self, queue: str) -> None:
        self.added.append(queue)

    def consume(self) -> None:
        self.has_consumed = True


def apply_state(on_message: object) -> Fetched:
    """What a worker that does not stand still does with a queue that it does not consume yet."""
    node: Any = SimpleNamespace(stands_still=False)
    fetched = Fetched(on_message)
    amqp = SimpleNamespace(queues=SimpleNamespace(consume_from={"q": "q"}))
    consumer = SimpleNamespace(
        controller=SimpleNamespace(celeriac=node),
        task_consumer=fetched,
        blueprint=SimpleNamespace(state=RUN),
        app=SimpleNamespace(amqp=amqp),
    )
    Fetching(consumer).apply_state()
    return fetched


def test_nothing_is_fetched_before_there_is_somewhere_to_put_it() -> None:
    """RabbitMQ delivers at once, and the worker would end: Celery's loop consumes once it has set its handler."""
    fetched = apply_state(on_message=None)
    assert (fetched.added, fetched.has_consumed) == (["q"], False)


def test_afterwards_a_queue_is_consumed_at_once() -> None:
    fetched = apply_state(on_message=print)
    assert (fetched.added, fetched.has_consumed) == (["q"], True)
