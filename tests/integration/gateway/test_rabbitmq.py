"""The gateway on RabbitMQ, where it is installed: what differs from Redis, and one task all the way."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

from bench.rabbitmq import rabbitmq_server
from cli.embedded.files import pick_port
from domain.errors import BrokerUnavailable
from domain.shares import deal_out, share_of
from gateway.connection import connect
from gateway.control import Control
from gateway.events.opening import open_source
from gateway.events.rabbit import DURABLE_QUEUE, WITNESS_QUEUE, RabbitEvents
from gateway.events.share_queues import share_queue
from gateway.events.sources import Blind, EventItem, EventMessage
from gateway.events.subscriber import EventSubscriber, Heard
from gateway.presence import Presence
from gateway.publisher import Published, Publisher
from gateway.queues import QueueReader
from gateway.senders import NACKED, NO_QUEUE
from tests.celery_apps import wait_for_result
from tests.certificates import OPENSSL, Certificates, make_certificates
from tests.flower_process import flower_beside
from tests.gateway_messages import make_message
from tests.integration.gateway.conftest import next_blind, next_events
from tests.patience import PATIENCE_SECONDS, until
from tests.rabbitmq import needs_rabbitmq
from tests.worker_process import celery_worker

pytestmark = needs_rabbitmq
PICKLE_ONLY = """
import os

from celery import Celery

app = Celery("pickled", broker=os.environ["CELERIAC_BROKER_URL"])
app.conf.update(accept_content=["pickle"], task_serializer="pickle")
"""


@dataclass(frozen=True, slots=True)
class Secured:
    """One server by TLS, to a client with a certificate."""

    port: int
    certificates: Certificates

    @property
    def settings(self) -> str:
        file = self.certificates.file
        lines = {
            "listeners.ssl.1": f"127.0.0.1:{self.port}",
            "ssl_options.cacertfile": file("ca.crt"),
            "ssl_options.certfile": file("server.crt"),
            "ssl_options.keyfile": file("server.key"),
            "ssl_options.verify": "verify_peer",
            "ssl_options.fail_if_no_peer_cert": "true",
        }
        return "".join(f"{name} = {value}\n" for name, value in lines.items())

    def url(self, *, authority: str = "ca.crt", known: bool = True) -> str:
        file = self.certificates.file
        client = f"&ssl_certfile={file('client.crt')}&ssl_keyfile={file('client.key')}" if known else ""
        return f"amqps://guest:guest@127.0.0.1:{self.port}//?ssl_ca_certs={file(authority)}{client}"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Secured:
    if not OPENSSL:
        pytest.skip("no openssl is installed")
    return Secured(pick_port(), make_certificates(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="module")
def amqp_url(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    settings = request.getfixturevalue("secured").settings if OPENSSL else ""
    with rabbitmq_server(tmp_path_factory.mktemp("rabbitmq"), settings=settings) as server:
        yield server.url


@pytest.fixture(scope="module")
def safe_url(amqp_url: str, request: pytest.FixtureRequest) -> str:
    """By TLS with a client's certificate, where this machine can make one."""
    secured: Secured | None = request.getfixturevalue("secured") if OPENSSL else None
    return secured.url() if secured else amqp_url


@pytest.mark.parametrize("given", [{"authority": "other.crt"}, {"known": False}], ids=["who it is", "who we are"])
async def test_by_tls_it_must_be_proven(amqp_url: str, secured: Secured, given: dict[str, Any]) -> None:
    queues = QueueReader(secured.url(**given))
    with pytest.raises(BrokerUnavailable):
        await queues.ping()
    await queues.close()


async def test_a_message_for_a_queue_that_nobody_declared_is_not_sent(amqp_url: str) -> None:
    publisher, queues = Publisher(amqp_url), QueueReader(amqp_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(publisher.close)
        stack.push_async_callback(queues.close)
        nowhere = make_message("t", queue_name=f"q-{uuid4()}")
        assert await publisher.publish([nowhere]) == Published(refused={nowhere.task_id: NO_QUEUE})
        assert await queues.depths([nowhere.queue_name]) == {nowhere.queue_name: 0}
        assert await queues.ids_in_queues([nowhere.queue_name]) is None


async def test_what_rabbitmq_refuses_is_the_fate_of_its_message_and_the_others_are_sent_once(amqp_url: str) -> None:
    full, good = f"full-{uuid4()}", f"good-{uuid4()}"
    publisher, queues = Publisher(amqp_url), QueueReader(amqp_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(publisher.close)
        stack.push_async_callback(queues.close)
        with connect(amqp_url) as connection:
            channel: Any = connection.default_channel
            channel.queue_declare(good, durable=True, auto_delete=False)
            channel.queue_declare(
                full, durable=True, auto_delete=False, arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
            )
        names = [good, full, "nowhere", "amq.rabbitmq.reply-to"]
        messages = [make_message("t", queue_name=names[number % 4]) for number in range(40)]
        published = await publisher.publish(messages)
        fates = {message.queue_name: published.refused.get(message.task_id) for message in messages}
        assert published.sent == {message.task_id for message in messages if message.queue_name == good}
        assert (fates[good], fates[full], fates["nowhere"]) == (None, NACKED, NO_QUEUE)
        assert len(published.refused) == 30
        assert (await queues.depths([good, full])) == {good: 10, full: 0}
        with connect(amqp_url) as connection:
            channel = connection.default_channel
            channel.queue_declare("private", exclusive=True)
            # Not ours to look at; what lies in the others is told all the same.
            assert await queues.depths([good, "private", "nowhere"]) == {good: 10, "private": 0, "nowhere": 0}


async def test_a_task_runs_on_a_worker_and_its_events_wait_for_a_mirror_that_is_away(
    safe_url: str, result_url: str, tmp_path: Path
) -> None:
    publisher, control, queues = Publisher(safe_url), Control(safe_url), QueueReader(safe_url)
    presence = Presence(safe_url, control)
    async with AsyncExitStack() as stack:
        for part in (publisher, control, queues, presence):
            stack.push_async_callback(part.close)
        await _listen_once(safe_url)
        with (
            celery_worker(tmp_path, safe_url, result_url=result_url, answers=False) as worker,
            flower_beside(tmp_path, safe_url) as flower,
        ):
            description = (await control.describe([worker.node]))[worker.node]
            assert (description.pool, description.queues) == ("prefork", ("celery",))
            assert await presence.find_connected([worker.node]) == {worker.node}
            message = make_message("celeriac.add", args=[2, 3])
            assert (await publisher.publish([message])).sent == {message.task_id}
            assert await asyncio.to_thread(wait_for_result, result_url, message.task_id, seconds=PATIENCE_SECONDS) == 5
            assert await queues.depths(["celery"]) == {"celery": 0}
            seen = await asyncio.to_thread(flower.ask, "/api/workers?refresh=true")
            assert worker.node in seen.json(), seen.text
        heard = await _events_of(safe_url, message.task_id)
    assert heard == ["task-received", "task-started", "task-succeeded"]


async def test_a_worker_that_reads_nothing_but_pickle_has_nothing_of_ours_in_its_log(
    amqp_url: str, result_url: str, tmp_path: Path
) -> None:
    (tmp_path / "pickled.py").write_text(PICKLE_ONLY)
    start = celery_worker(
        tmp_path,
        amqp_url,
        result_url=result_url,
        app="pickled",
        options=("-c", "1", "-Q", "pickled"),
        environment={"C_FORCE_ROOT": "1"},
        answers=False,
    )
    fits, differs = Control(amqp_url, serializer="pickle"), Control(amqp_url)
    async with AsyncExitStack() as stack:
        for part in (fits, differs):
            stack.push_async_callback(part.close)
        with start as worker:
            assert await differs.ping(["another@test"]) == frozenset(), "which it need not read"
            assert (await fits.describe([worker.node]))[worker.node].queues == ("pickled",)
            assert await fits.find_present() == {worker.node}
            await fits.revoke(["t"])
            said = worker.log.read_text()
            assert not [word for word in ("Traceback", "ERROR", "CRITICAL") if word in said], said[-3000:]


async def test_being_away_is_no_blindness_but_a_broker_that_forgot_is(amqp_url: str) -> None:
    await _listen_once(amqp_url)
    again = EventSubscriber(open_source(amqp_url))
    await again.start()
    await _send_event(amqp_url, "t")
    heard = await again.get(max_wait=20)
    assert isinstance(heard, Heard), "it was not away long enough to miss anything"
    await again.acknowledge()
    await again.close()
    with connect(amqp_url) as connection:
        # What a restart does to messages that are not persistent, ours in this queue like the events.
        channel: Any = connection.default_channel
        channel.queue_purge(WITNESS_QUEUE)
    for _ in range(2):
        forgot = EventSubscriber(open_source(amqp_url))
        await forgot.start()
        await next_blind(forgot)
        await forgot.close()  # not stored: the next one finds it out again


async def _send_event(amqp_url: str, uuid: str) -> None:
    def send() -> None:
        with Celery(broker=amqp_url, set_as_current=False) as app, app.events.default_dispatcher() as dispatcher:
            dispatcher.send("task-custom", uuid=uuid)

    await asyncio.to_thread(send)


async def _listen_once(amqp_url: str) -> None:
    """Declares the durable queue, as a mirror does that then goes away."""
    events = EventSubscriber(open_source(amqp_url))
    await events.start()
    await until(lambda: events.connected)
    if isinstance(await events.get(max_wait=1), Blind):
        await events.acknowledge()
    await events.close()


async def _events_of(amqp_url: str, task_id: str) -> list[str]:
    events = EventSubscriber(open_source(amqp_url))
    await events.start()
    types: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while types[-1:] != ["task-succeeded"]:
                heard = await next_events(events, 1)
                types += [event["type"] for event in heard if event.get("uuid") == task_id]
        await events.acknowledge()
    finally:
        await events.close()
    return types


async def test_two_mirrors_deal_what_comes_out_by_task_and_what_one_leaves_the_other_takes(amqp_url: str) -> None:
    task_ids = [f"dealt-{number}" for number in range(20)]
    there = ["a", "b"]
    shares = partial(deal_out, mirrors=there, count=4)
    sources = {name: RabbitEvents(amqp_url, shares=partial(shares, name)) for name in there}
    heard: dict[str, list[EventItem]] = {name: [] for name in there}
    for source in sources.values():
        source.connect()
    for task_id in task_ids:
        await _send_event(amqp_url, task_id)

    def receive(*names: str) -> set[str]:
        for name in names:
            heard[name] += sources[name].receive(0.01) or ()
        return {_task_of(item) for name in names for item in heard[name]} & set(task_ids)

    await until(lambda: receive("a", "b") == set(task_ids))
    for name in there:
        owned = {task for task in task_ids if share_of(task, 4) in shares(name).owned}
        assert receive(name) == owned
    sources["a"].acknowledge(heard["a"][-1])
    sources["b"].close()
    there.remove("b")
    await until(lambda: receive("a") == set(task_ids))
    sources["a"].acknowledge(heard["a"][-1])
    sources["a"].close()
    queues = QueueReader(amqp_url)
    depths = await queues.depths([DURABLE_QUEUE, *map(share_queue, range(4))])
    await queues.close()
    assert set(depths.values()) == {0}


def _task_of(item: EventItem) -> str:
    return str(json.loads(item.body).get("uuid")) if isinstance(item, EventMessage) else ""
