"""Records what real workers tell of tasks that end in every way: `python -m tests.property.record`.

Beside the messages as they were published stand the facts that do not come from events: how often each task's body was
begun, counted by the bodies, and what the result backend has in the end. Texts that name the machine are cut.
"""

import gzip
import json
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import redis
from celery import Celery
from kombu.utils.encoding import bytes_to_str

from gateway.events.sources import EventMessage, RedisEvents
from gateway.results.reader import META_PREFIX
from tests.gateway_broker import FragileBroker, fragile_broker
from tests.patience import wait_for
from tests.worker_process import WorkerProcess, celery_worker

FILE = Path(__file__).parent / "recordings" / "lives.json.gz"
EACH = 3
PATIENCE_SECONDS = 120
OPTIONS = ("--concurrency", "4")

APP = """
import os
import signal
import time

from celery import Celery
from celery.exceptions import Reject, SoftTimeLimitExceeded

app = Celery("lives", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])
app.conf.update(
    worker_prefetch_multiplier=1, task_send_sent_event=True, worker_send_task_events=True, result_extended=True,
    broker_transport_options={"visibility_timeout": 4, "unacked_restore_interval": 1, "unacked_restore_throttle": 1},
)


def life(**options):
    def decorate(body):
        def run(self, *args):
            with open("begun", "a") as begun:
                begun.write(self.request.id + "\\n")
            return body(self, *args)
        run.__name__ = body.__name__
        return app.task(bind=True, name=body.__name__, **options)(run)
    return decorate


@life()
def succeeds(self):
    return 1


@life()
def fails(self):
    raise ValueError("as asked")


@life()
def retries_twice(self):
    if self.request.retries < 2:
        raise self.retry(exc=KeyError("again"), countdown=0)


@life(max_retries=1)
def retries_and_fails(self):
    raise self.retry(exc=KeyError("again"), countdown=0)


@life(time_limit=1)
def meets_its_hard_limit(self):
    time.sleep(60)


@life(soft_time_limit=1)
def meets_its_soft_limit(self):
    time.sleep(60)


@life()
def is_terminated(self):
    time.sleep(60)


@life()
def is_revoked(self):
    pass


@life()
def expires(self):
    pass


@life(acks_late=True, acks_on_failure_or_timeout=False)
def is_rejected(self):
    raise Reject("as asked", requeue=False)


@life()
def kills_its_process(self):
    os.kill(os.getpid(), signal.SIGKILL)


def first_time(self):
    try:
        open("seen-" + self.request.id, "x").close()
    except FileExistsError:
        return False
    return True


@life(acks_late=True, retry_on_worker_lost=True, default_retry_delay=1)
def kills_its_process_once(self):
    if first_time(self):
        os.kill(os.getpid(), signal.SIGKILL)


@life(acks_late=True, reject_on_worker_lost=True)
def kills_its_process_and_is_redelivered(self):
    if first_time(self):
        os.kill(os.getpid(), signal.SIGKILL)


@life(acks_late=True)
def outlives_its_worker(self):
    if first_time(self):
        time.sleep(60)
"""
LEFT_RUNNING = ("is_terminated", "outlives_its_worker")
KINDS = (
    "succeeds",
    "fails",
    "retries_twice",
    "retries_and_fails",
    "meets_its_hard_limit",
    "meets_its_soft_limit",
    "is_rejected",
    "kills_its_process",
    "kills_its_process_once",
    "kills_its_process_and_is_redelivered",
    "is_unknown",
)


@dataclass(frozen=True, slots=True)
class Life:
    """One task as it truly went."""

    task_id: str
    kind: str
    begun: int
    meta: dict[str, Any] | None
    """What the result backend has."""


def main() -> None:
    with tempfile.TemporaryDirectory() as name, fragile_broker(Path(name) / "valkey") as broker:
        folder = Path(name)
        (folder / "lives.py").write_text(APP)
        ear = RedisEvents(broker.broker_url)
        ear.connect()
        kinds = _live(folder, broker)
        messages = [_without_machine(message.body) for message in _heard(ear)]
        lives = list(_lives(folder, broker, kinds=kinds))
    FILE.parent.mkdir(exist_ok=True)
    text = json.dumps({"lives": list(map(asdict, lives)), "messages": [each for each in messages if each]})
    FILE.write_bytes(gzip.compress(text.encode(), mtime=0))


def _live(folder: Path, broker: FragileBroker) -> dict[str, str]:
    """Runs everything to its end; the kinds by task id."""
    app = Celery("lives", broker=broker.broker_url, backend=broker.result_url, set_as_current=False)
    app.conf.task_send_sent_event = True
    kinds: dict[str, str] = {}
    with _worker(folder, broker, name="one") as one:
        _send(app, LEFT_RUNNING[1:], kinds=kinds)
        wait_for(lambda: len(_begun(folder)) == len(kinds), seconds=PATIENCE_SECONDS, every=0.1)
        one.kill()
    with _worker(folder, broker, name="two"):
        wait_for(lambda: all(_ended(app, task_id) for task_id in kinds), seconds=PATIENCE_SECONDS, every=0.1)
        _send(app, LEFT_RUNNING[:1], kinds=kinds)
        wait_for(lambda: all(_begun(folder)[task_id] for task_id in kinds), seconds=PATIENCE_SECONDS, every=0.1)
        terminated = [task_id for task_id, kind in kinds.items() if kind == "is_terminated"]
        app.control.revoke(terminated, terminate=True)
        wait_for(lambda: all(_ended(app, task_id) for task_id in terminated), seconds=PATIENCE_SECONDS, every=0.1)
        _send(app, KINDS, kinds=kinds)
        _send(app, ["expires"], kinds=kinds, expires=0.01)
        _send(app, ["is_revoked"], kinds=kinds, countdown=3)
        app.control.revoke([task_id for task_id, kind in kinds.items() if kind == "is_revoked"])
        wait_for(lambda: all(_ended(app, task_id) for task_id in kinds), seconds=PATIENCE_SECONDS, every=0.1)
        time.sleep(4)  # the events of the revoked come when they are due
    app.close()
    return kinds


@contextmanager
def _worker(folder: Path, broker: FragileBroker, *, name: str) -> Iterator[WorkerProcess]:
    with celery_worker(
        folder, broker.broker_url, result_url=broker.result_url, app="lives", name=name, options=OPTIONS
    ) as worker:
        yield worker


def _send(app: "Celery[Any]", names: Sequence[str], *, kinds: dict[str, str], **options: Any) -> None:
    for name in (name for _ in range(EACH) for name in names):
        kinds[app.send_task(name, **options).id] = name


def _ended(app: "Celery[Any]", task_id: str) -> bool:
    return bool(app.AsyncResult(task_id).ready())


def _begun(folder: Path) -> Counter[str]:
    file = folder / "begun"
    return Counter(file.read_text().split()) if file.exists() else Counter()


def _heard(ear: RedisEvents) -> Iterator[EventMessage]:
    while items := ear.receive(1.0):
        yield from (item for item in items if isinstance(item, EventMessage))


def _lives(folder: Path, broker: FragileBroker, *, kinds: dict[str, str]) -> Iterator[Life]:
    begun = _begun(folder)
    with redis.Redis.from_url(broker.result_url) as client:
        for task_id, kind in kinds.items():
            meta = client.get(META_PREFIX + task_id)
            yield Life(task_id, kind, begun[task_id], _cut(json.loads(meta)) if meta else None)


def _without_machine(body: bytes) -> str | None:
    """None for what says nothing of a task."""
    told = json.loads(bytes_to_str(body).replace(f"@{socket.gethostname()}", "@host"))
    events = told if isinstance(told, list) else [told]
    if not all(event["type"].startswith("task-") for event in events):
        return None
    return json.dumps([_cut(event) for event in events] if isinstance(told, list) else _cut(told))


def _cut(told: dict[str, Any]) -> dict[str, Any]:
    return told | ({"traceback": "Traceback (cut)"} if told.get("traceback") else {})


if __name__ == "__main__":
    main()
