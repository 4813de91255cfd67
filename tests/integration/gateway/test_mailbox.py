"""Questions to workers that somebody else set up: what they answer, and that their owner does not notice."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from celery import Celery

from gateway.control import _ACTIVE, Control
from gateway.mailbox import ask
from gateway.presence import Presence
from tests.gateway_broker import FragileBroker, fragile_broker
from tests.patience import until
from tests.worker_process import WorkerProcess, celery_worker

PICKLE = "application/x-python-serialize"
LARGE = 300_000
APP = """
import os
import time

from celery import Celery

app = Celery("foreign", broker=os.environ["CELERIAC_BROKER_URL"])
app.conf.broker_transport_options = {"sep": ":", "priority_steps": list(range(10))}
app.conf.update(worker_send_task_events=False)
if os.environ.get("PICKLE_ONLY"):
    app.conf.update(accept_content=["pickle"], task_serializer="pickle")
else:
    app.conf.update(accept_content=["json", "pickle"])


class Order:
    pass


@app.task(name="foreign.pack", serializer="pickle")
def pack(order, text, seconds):
    time.sleep(seconds)
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FragileBroker]:
    with fragile_broker(tmp_path_factory.mktemp("valkey")) as broker:
        yield broker


@pytest.fixture(scope="module")
def workers(broker: FragileBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[WorkerProcess]]:
    """One that accepts JSON, and one that accepts and answers nothing but pickle."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "foreign.py").write_text(APP)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                celery_worker(
                    folder,
                    broker.broker_url,
                    result_url=broker.result_url,
                    app="foreign",
                    name=name,
                    options=("-c", "1", "-Q", name),
                    environment={"C_FORCE_ROOT": "1", **environment},
                    usual=("--without-gossip", "--without-mingle"),
                    answers=False,
                )
            )
            for name, environment in (("plain", {}), ("pickled", {"PICKLE_ONLY": "1"}))
        ]


@pytest.fixture
async def control(broker: FragileBroker) -> AsyncIterator[Control]:
    control = Control(broker.broker_url)
    yield control
    await control.close()


@pytest.fixture
def owner(broker: FragileBroker) -> Iterator["Celery[Any]"]:
    app: Celery[Any] = Celery("foreign", broker=broker.broker_url)
    app.conf.broker_transport_options = {"sep": ":", "priority_steps": list(range(10))}
    yield app
    app.close()


async def test_our_questions_leave_the_owners_mailbox_and_logs_as_they_are(
    broker: FragileBroker, workers: list[WorkerProcess], control: Control, owner: "Celery[Any]"
) -> None:
    plain, pickled = (worker.node for worker in workers)
    presence = Presence(broker.broker_url, control)
    described = await control.describe([plain, pickled])
    assert {node: told.queues for node, told in described.items()} == {plain: ("plain",), pickled: ("pickled",)}
    assert control.unreadable([plain, pickled]) == {}
    assert await control.find_nodes() == {plain, pickled}
    assert await control.find_present() == {plain, pickled}
    assert await presence.find_absent([plain, pickled, "nobody@test"]) == {"nobody@test"}
    assert await presence.find_connected([plain, pickled]) == {plain, pickled}
    await presence.close()
    assert await control.enable_events([plain]) == {plain: False}
    assert await control.enable_events([plain]) == {plain: True}
    for worker in workers:
        said = worker.log.read_text()
        assert not [word for word in ("Traceback", "ERROR", "CRITICAL") if word in said], said[-3000:]
    with redis.Redis.from_url(broker.broker_url) as client:
        left = [key for key in client.scan_iter("*") if b"reply.celery.pidbox" in key]
    assert left == [], "neither a binding nor a list of ours"
    assert plain in (owner.control.inspect(timeout=1.0).ping() or {}), "the owner's own question"


async def test_what_runs_is_asked_for_without_its_arguments(
    broker: FragileBroker, workers: list[WorkerProcess], control: Control, owner: "Celery[Any]"
) -> None:
    plain = workers[0].node
    text, seconds = "x" * LARGE, 5
    sent = owner.send_task("foreign.pack", [{1, 2}, text, seconds], queue="plain", serializer="pickle")

    async def runs() -> bool:
        return sent.id in (await control.list_active([plain]))[1]

    await until(runs)
    began = time.monotonic()
    (replies,) = ask(broker.broker_url, [_ACTIVE], nodes=[plain], seconds=10)
    assert time.monotonic() - began < 9, "a set is no JSON: it would not be answered at all"
    assert len(str(replies[plain])) < LARGE / 100
    assert "Control command error" not in workers[0].log.read_text()
