"""Workers that tell little of themselves: without heartbeats and events, without remote control, with a broadcast."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from celery import Celery
from kombu import Exchange, Queue

from tests.fleets.fleet import Fleet, fleet
from tests.patience import wait_for

APP = """
import os

import ledger
from celery import Celery
from kombu import Exchange, Queue
from kombu.common import Broadcast

app = Celery("quiet", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.worker_enable_remote_control = not os.environ.get("DEAF")
if os.environ.get("NEWS"):
    app.conf.task_queues = (Queue("mute"), Broadcast("news"))


@app.task(name="quiet." + os.environ.get("PART", "any"))
def note(label):
    ledger.note(label)
"""
QUIET = ("--without-heartbeat", "--without-gossip", "--without-mingle")


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("quiet")) as found:
        found.write_app("quiet", APP)
        options: dict[str, Any] = {"answers": False, "PART": "mute", "NEWS": "1"}
        found.start_worker("mute", "quiet", "-c", "1", usual=QUIET, **options)
        found.start_worker("deaf", "quiet", "-c", "1", "-Q", "deaf", answers=False, PART="deaf", DEAF="1")
        wait_for(lambda: {row["hostname"] for row in _workers(found)} >= {"mute@test", "deaf@test"})
        wait_for(lambda: _worker(found, "mute")["queues"])
        yield found


def test_each_is_active_and_who_cannot_be_asked_refuses_no_task(quiet: Fleet) -> None:
    assert {row["status"] for row in _workers(quiet)} == {"ACTIVE"}
    wait_for(lambda: _worker(quiet, "mute")["events"] == "off")
    told = quiet.stack.client.get(f"/workers/{_worker(quiet, 'mute')['worker_id']}").json()["message"]
    assert "It sends no events" in told, "without heartbeats and gossip it has nothing to send them with"
    assert (
        quiet.stack.wait_for_end(quiet.stack.submit("quiet.deaf", "deaf", queue_name="deaf"))["status"] == "COMPLETED"
    )


def test_a_mute_worker_is_paused_and_resumed_and_hears_its_broadcast_again(quiet: Fleet) -> None:
    worker_id = _worker(quiet, "mute")["worker_id"]
    for verb in ("pause", "resume"):
        quiet.stack.client.patch(f"/workers/{worker_id}/{verb}").raise_for_status()
        wait_for(lambda: _worker(quiet, "mute")["converged"])
        _publish_news(quiet, verb)
        wait_for(partial(quiet.starts, verb))


def _publish_news(found: Fleet, label: str) -> None:
    news = Exchange("news", type="fanout")
    with Celery(broker=found.broker_url, set_as_current=False) as app:
        queue: Any = Queue("any", news, routing_key="celery")
        app.send_task(
            "quiet.mute",
            (label,),
            queue=queue,
            exchange="news",
            routing_key="celery",
            declare=[news],
            ignore_result=True,
        )


def _workers(found: Fleet) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = found.stack.client.get("/workers").json()["workers"]
    return rows


def _worker(found: Fleet, name: str) -> dict[str, Any]:
    return next(row for row in _workers(found) if row["hostname"] == f"{name}@test")
