"""A user of RabbitMQ with the rights that docs/brokers.md lists, and no more, in a virtual host of its own."""

import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from kombu import Exchange, Queue

from bench.rabbitmq import RabbitMQ, rabbitmq_server
from gateway.connection import connect
from gateway.control import Control
from gateway.events.rabbit import RabbitEvents
from gateway.events.sources import EVENT_EXCHANGE, EventMessage
from gateway.publisher import Published, Publisher
from gateway.queues import QueueReader
from tests.gateway_messages import make_message
from tests.rabbitmq import needs_rabbitmq

pytestmark = needs_rabbitmq
PAGE = Path(__file__).parents[3] / "docs" / "brokers.md"
HOST, PASSWORD = "shop/one", "p/w:d@#%"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with rabbitmq_server(tmp_path_factory.mktemp("rabbitmq")) as found:
        found.add_user("watcher", PASSWORD, host=HOST, rights=_rights())
        yield found


def _rights() -> list[str]:
    """Configure, write and read, as the page says."""
    found = dict(re.findall(r"^\| (configure|write|read) \| `(.+?)` \|", PAGE.read_text(), re.MULTILINE))
    return [found[name].replace(r"\|", "|") for name in ("configure", "write", "read")]


async def test_with_the_listed_rights_all_that_is_needed_is_allowed(server: RabbitMQ) -> None:
    theirs, ours = server.url_of("guest", "guest", host=HOST), server.url_of("watcher", PASSWORD, host=HOST)
    events, publisher, queues, control = RabbitEvents(ours), Publisher(ours), QueueReader(ours), Control(ours)
    exchange = Exchange(EVENT_EXCHANGE, type="topic", durable=True)
    with connect(theirs) as worker:
        # What its workers would have declared, a quorum queue among it.
        for declared in (exchange, Exchange("celery.pidbox", type="fanout", durable=False)):
            declared.bind(worker.default_channel).declare()
        Queue("shop", durable=True, queue_arguments={"x-queue-type": "quorum"}).bind(worker.default_channel).declare()
        events.connect()
        with worker.Producer(exchange=exchange, routing_key="task.sent") as producer:
            producer.publish({"type": "task-sent"}, serializer="json")
    async with AsyncExitStack() as stack:
        for part in (publisher, queues, control):
            stack.push_async_callback(part.close)
        message = make_message("t", queue_name="shop")
        assert await publisher.publish([message]) == Published(frozenset({message.task_id}))
        assert (await queues.depths(["shop"]))["shop"] >= 0
        assert await control.ping({"nobody@here"}) == frozenset()
    found = [item for _ in range(50) for item in events.receive(0.1) or ()][:1]
    assert isinstance(found[0], EventMessage)
    events.acknowledge(found[0])
    events.close()
