"""Four things that go wrong at night, made to happen on a real system, and a person's way from the page to their cure.

Each begins with the page shut, waits until the system says by itself that something is wrong, and goes on from the
first sentence of the Overview: where that one leads, and what the pages offer.
"""

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from kombu import pools

from cli.embedded.valkey import ValkeyServer, prepare_valkey
from tests.acceptance.stack import Stack
from tests.browser.walk import Reached, Walk
from tests.embedded import running
from tests.patience import wait_for
from tests.worker_process import WorkerProcess, celery_worker

SHOP = "shop"
MAIL = "mail"
BROKEN = "SHOP_IS_BROKEN"
NODE = "shop-1"
CHARGES = 30
"""The alert of failures looks at no less than 20 tasks."""
EXPORT_SECONDS = 60
APP = f"""
import os
import time

from celery import Celery

app = Celery("{SHOP}", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])


@app.task(name="shop.charge")
def charge(order):
    price = {{"amount": 12.9}}
    return price["amout" if os.environ.get("{BROKEN}") else "amount"]


@app.task(name="shop.export", acks_late=True)
def export(seconds):
    time.sleep(seconds)


@app.task(name="shop.mail")
def mail(seconds):
    time.sleep(seconds)
"""
"""A module of somebody else's, as it was deployed: well, or with a typing error."""


@dataclass(frozen=True, slots=True)
class Played:
    """How one incident went: how long until the system said so, and the way from opening the page."""

    name: str
    told_seconds: float
    sentence: str
    cause: Reached
    cure: Reached
    way: Sequence[str]


@dataclass(slots=True)
class Night:
    """The system, its broker, and the workers of the shop."""

    stack: Stack
    broker: "Broker"
    folder: Path
    """Where the app of the shop is."""

    @contextmanager
    def worker(self, name: str = NODE, *, queue: str = SHOP, **environment: str) -> Iterator[WorkerProcess]:
        """A worker of the shop, of which Celeriac knows what it is."""
        addresses = self.stack.addresses
        options = ("--concurrency", "2", "-Q", queue)
        with celery_worker(
            self.folder,
            addresses.broker_url,
            result_url=addresses.result_url,
            app=SHOP,
            name=name,
            options=options,
            environment=environment,
        ) as worker:
            wait_for(lambda: self.stack.is_described(worker.node))
            yield worker

    def charge(self, number: int = CHARGES) -> list[str]:
        """Submit so many payments, and return their ids."""
        return [self.stack.submit("shop.charge", each, queue_name=SHOP, max_retries=0) for each in range(number)]


class Broker:
    """A Valkey of its own, that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self.url = ""

    def start(self) -> None:
        server = self._running.enter_context(running(self._prepare, self._folder / "server.log"))
        self.url = f"{server.url}/0"

    def stop(self) -> None:
        self._running.close()
        # Connections of this process to the one that was.
        pools.reset()

    def _prepare(self) -> ValkeyServer:
        return prepare_valkey(self._folder)


def broker_stopped(night: Night, walk: Walk) -> Played:
    """The broker stops; somebody starts it again, and what was accepted meanwhile runs."""
    with night.worker():
        night.broker.stop()
        began = time.monotonic()
        waiting = night.charge(8)
        told = walk.wait_until_told(began, "broker")
        walk.open()
        cause = walk.sees(re.compile("broker", re.IGNORECASE), within=".verdict")
        sentence = walk.verdict()
        walk.press(walk.page.get_by_role("link", name="System").first, "System")
        walk.sees("Submissions are accepted and wait. Nothing is lost.")
        night.broker.start()
        for task in waiting:
            night.stack.wait_for_end(task)
        walk.key("g o", "Overview")
        cure = walk.sees(re.compile(r"\w"), within=".verdict:has([data-tone=completed])")
    return Played("broker stopped", told, sentence, cause, cure, walk.way)


def queue_without_consumer(night: Night, walk: Walk) -> Played:
    """Tasks wait in a queue that nobody consumes; the command that the page shows is run as it stands there."""
    waiting = [night.stack.submit("shop.mail", 0, queue_name=MAIL) for _ in range(8)]
    began = time.monotonic()
    told = walk.wait_until_told(began, MAIL)
    walk.open()
    cause = walk.sees(MAIL, within=".verdict")
    sentence = walk.verdict()
    walk.press(walk.page.locator(".verdict").get_by_role("link", name="Queue", exact=True), "Queue")
    walk.sees("Start one:")
    command = walk.page.locator(".queue-nobody pre").inner_text()
    walk.way.append(f"ran `{command}`")
    with _started(night, command.replace("your_app", SHOP)):
        for task in waiting:
            night.stack.wait_for_end(task)
        cure = walk.sees("Nothing waits in it.")
    return Played("queue without a consumer", told, sentence, cause, cure, walk.way)


@contextmanager
def _started(night: Night, command: str) -> Iterator[None]:
    addresses = night.stack.addresses
    words = [sys.executable, "-m", *shlex.split(command), "-n", "mail@test"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "CELERIAC_BROKER_URL": addresses.broker_url,
        "CELERIAC_RESULT_URL": addresses.result_url,
    }
    with (night.folder / "mail.log").open("ab") as log:
        process = subprocess.Popen(words, cwd=night.folder, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def worker_killed(night: Night, walk: Walk) -> Played:
    """A worker is killed with tasks running: one goes back to its queue by itself, the other is replayed."""
    page, stack = walk.page, night.stack
    with night.worker() as first:
        late, early = stack.submit("shop.export", EXPORT_SECONDS, queue_name=SHOP), ""
        early = stack.submit("shop.mail", EXPORT_SECONDS, queue_name=SHOP, max_retries=0)
        for task in (late, early):
            wait_for(lambda task=task: stack.task(task)["status"] == "RUNNING")  # type: ignore[misc]
        children = psutil.Process(first.process.pid).children(recursive=True)
        first.kill()
        for child in children:
            child.kill()
        began = time.monotonic()
    with night.worker("shop-2"):
        told = walk.wait_until_told(began, first.node)
        walk.open()
        cause = walk.sees(first.node, within=".verdict")
        sentence = walk.verdict()
        walk.press(page.locator(".verdict").get_by_role("link", name="Worker", exact=True), "Worker")
        walk.sees("1 task that it ran was lost with it.")
        walk.press(page.get_by_role("link", name="Lost tasks"), "Lost tasks")
        walk.sees("shop.mail", within="[role=grid]")
        walk.key("j x r", "the first row, select, replay")
        walk.press(page.get_by_role("alertdialog").get_by_role("button", name=re.compile("^Replay")), "Replay")
        cure = walk.sees(re.compile("replayed|submitted", re.IGNORECASE))
        wait_for(lambda: stack.task(late)["worker_hostname"] == "shop-2@test")
    return Played("worker killed", told, sentence, cause, cure, walk.way)


def bad_deploy(night: Night, walk: Walk) -> Played:
    """Every payment fails since the last deploy: they are held back, the good one is deployed, and the failed run."""
    page = walk.page
    with night.worker(**{BROKEN: "yes"}):
        night.charge()
        began = time.monotonic()
        told = walk.wait_until_told(began, "fail")
        walk.open()
        cause = walk.sees("KeyError in shop.charge", within=".verdict")
        sentence = walk.verdict()
        walk.press(page.locator(".verdict").get_by_role("link", name="Failures"), "Failures")
        walk.sees("shop.charge")
        walk.press(page.get_by_role("button", name="Hold back").first, "Hold back")
        walk.press(page.get_by_role("dialog").get_by_role("button", name="Hold back"), "Hold back")
        walk.sees("All tasks named shop.charge are held back")
    with night.worker():
        walk.press(page.get_by_role("button", name="Let go again"), "Let go again")
        walk.press(page.get_by_role("button", name="Replay one, then the rest").first, "Replay one, then the rest")
        walk.press(page.get_by_role("button", name="Replay one", exact=True), "Replay one")
        walk.sees(f"{CHARGES - 1} others can follow.")
        walk.press(page.get_by_role("button", name="Replay the other"), "Replay the others")
        cure = walk.sees(f"Replayed {CHARGES} tasks")
    return Played("bad deploy", told, sentence, cause, cure, walk.way)


INCIDENTS: Mapping[str, Callable[[Night, Walk], Played]] = {
    "broker": broker_stopped,
    "queue": queue_without_consumer,
    "worker": worker_killed,
    "deploy": bad_deploy,
}
