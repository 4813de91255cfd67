"""What holds with which release of Celery: one fleet with a worker of each, and the table of the docs from its answers.

4.4 and 5.2 are stock workers; the others have the plugin, installed from its wheel, and an app with a Task and a
Request class of its own.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from celeriac_worker.payloads import PayloadKeys, open_result, seal
from celery import Celery

from tests.celery_apps import close_app
from tests.fleets.environments import NoPythonError, build_plugin, make_environment
from tests.fleets.fleet import Fleet, fleet
from tests.patience import wait_for
from tests.worker_process import ROOT, WorkerProcess

APP = """
import os
import time

import ledger
from celery import Celery, Task
from celery.worker.request import Request


class OwnRequest(Request):
    def on_timeout(self, soft, timeout):
        ledger.note(f"{self.hostname} own request")
        super().on_timeout(soft, timeout)


class OwnTask(Task):
    Request = OwnRequest
    abstract = True

    def __call__(self, *args, **kwargs):
        ledger.note(f"{self.request.hostname} own task")
        return self.run(*args, **kwargs)


app = Celery("age", broker=os.environ["BROKER"], backend=os.environ["BACKEND"], task_cls=OwnTask)
app.conf.worker_prefetch_multiplier = 4
app.conf.broker_transport_options = {"visibility_timeout": 3600}
if os.environ.get("PLUGIN"):
    from celeriac_worker import install

    install(app)


@app.task(name="age.add")
def add(a, b):
    return a + b


@app.task(name="age.nap", acks_late=True)
def nap(label, seconds):
    ledger.note(label)
    time.sleep(seconds)
    return label


@app.task(name="age.hold", acks_late=True)
def hold(label):
    # Runs until it is let go, or for two minutes.
    ledger.note(label)
    for _ in range(1_200):
        if os.path.exists(label):
            return label
        time.sleep(0.1)


@app.task(name="age.fussy", bind=True, max_retries=4)
def fussy(self, label):
    ledger.note(label)
    raise self.retry(exc=ValueError("not yet"), countdown=0)
"""
STOCK = ("4.4", "5.2")
PLUGGED = ("5.3", "5.4", "5.5", "5.6", "5.7")
PLUGGED_PROMISES = {
    "seen": "with the plugin",
    "mirrored": "yes",
    "cancelled": "at once; never starts",
    "paused": "exactly",
    "drained": "the rest is given back",
    "limited": "time, and the submission's retries",
    "encrypted": "opened and sealed",
}
STOCK_PROMISES = {
    "seen": "without the plugin",
    "mirrored": "yes",
    "cancelled": "with 202 until it is certain",
    "paused": "what it has fetched still runs",
    "drained": "the rest may still run",
    "limited": "time, and the submission's retries",
    "encrypted": "the task is given the ciphertext",
}
PROMISES = dict.fromkeys(STOCK, STOCK_PROMISES) | dict.fromkeys(PLUGGED, PLUGGED_PROMISES)
"""The table of `docs/celery-versions.md`."""
DOCS = ROOT / "docs" / "celery-versions.md"
START_SECONDS = 180
"""Seven workers start at once, on two processors, and no byte code is there yet."""
PATIENCE_SECONDS = 120
PAYLOAD_KEYS = PayloadKeys({"k1": bytes(range(32))})


class Trial:
    """One release, asked for everything."""

    def __init__(self, fleet: Fleet, release: str, *, worker: WorkerProcess) -> None:
        self._stack = fleet.stack
        self._fleet = fleet
        self._release = release
        self._worker = worker
        self._is_stock = release in STOCK

    def run(self) -> dict[str, str]:
        """What held, in the words of the table."""
        return {
            "seen": self._see(),
            "mirrored": self._mirror(),
            "limited": self._limit(),
            "encrypted": self._encrypt(),
            "cancelled": self._cancel(),
            "paused": self._pause(),
            "drained": self._drain(),
        }

    def _see(self) -> str:
        row = wait_for(self.described, seconds=START_SECONDS)
        assert row["status"] == "ACTIVE"
        assert row["versions"]["celery"].startswith(f"{self._release}.")
        assert self._is_stock or row["versions"]["protocol"] == 1
        return "without the plugin" if row["versions"]["plugin"] is None else "with the plugin"

    def _mirror(self) -> str:
        """A task that the app itself sends, with a client of another release."""
        client = Celery(broker=self._fleet.broker_url, backend=self._fleet.result_url, set_as_current=False)
        task_id = client.send_task("age.add", (2, 3), queue=self._release).id
        close_app(client)
        wait_for(lambda: self._stack.client.get(f"/tasks/{task_id}").status_code == 200, seconds=PATIENCE_SECONDS)
        task = self._ended(task_id)
        return "yes" if (task["status"], task["result"]) == ("COMPLETED", 5) else str(task)

    def _limit(self) -> str:
        fussy = self._submit("fussy", max_retries=1)
        long = self._submit("nap", 60, timeout_seconds=1)
        ends = [self._ended(task_id) for task_id in (fussy, long)]
        assert [task["status"] for task in ends] == ["FAILED", "FAILED"], ends
        assert "TimeLimitExceeded" in str(ends[1]["error"])
        assert self._notes("own request")
        runs = len(self._notes("fussy"))
        return "time, and the submission's retries" if runs == 2 else f"time; {runs} runs"

    def _encrypt(self) -> str:
        """A number, or what stands for it, to which nothing can be added."""
        part = seal(2, task_name="age.add", keys=PAYLOAD_KEYS)
        task_id = self._stack.submit("age.add", part, 3, queue_name=self._release)
        task = self._ended(task_id)
        if task["status"] == "FAILED":
            assert "TypeError" in task["error"]
            return "the task is given the ciphertext"
        assert open_result(task["result"], task_name="age.add", task_id=task_id, keys=PAYLOAD_KEYS) == 5
        return "opened and sealed"

    def _cancel(self) -> str:
        """One that runs, and one that waits behind it."""
        long = self._submit("nap", 61)
        wait_for(lambda: self._notes("nap 61"), seconds=PATIENCE_SECONDS)
        doomed = self._submit("nap", 0.1)
        codes = [self._stack.client.post(f"/tasks/{task_id}/cancel").status_code for task_id in (doomed, long)]
        ends = [self._ended(task_id)["status"] for task_id in (doomed, long)]
        assert (ends, self._notes("nap 0.1")) == (["CANCELLED", "CANCELLED"], [])
        # Of the one that runs it tells only how soon its process ended.
        if self._is_stock and codes[0] in (200, 202):  # 200 where it was certain within the time of the answer
            return "with 202 until it is certain"
        return "at once; never starts" if codes[0] == 200 else str(codes)

    def _pause(self) -> str:
        self._order("patch", "pause")
        wait_for(lambda: self._is_converged("PAUSED"), seconds=PATIENCE_SECONDS)
        message = self._details()["message"] or ""
        waits = self._submit("nap", 0)
        assert self._stack.task(waits)["status"] == "PENDING"
        self._order("patch", "resume")
        self._ended(waits)
        wait_for(lambda: self._is_converged("ACTIVE"), seconds=PATIENCE_SECONDS)
        return "what it has fetched still runs" if "has fetched already still runs" in message else "exactly"

    def _drain(self) -> str:
        """The running one ends, whatever was fetched behind it."""
        runs = self._submit("hold")
        wait_for(lambda: self._notes("hold"), seconds=PATIENCE_SECONDS)
        behind = [self._submit("nap", 0.2), self._submit("nap", 0.3)]
        wait_for(lambda: "received" in self._stack.events(behind[-1]), seconds=PATIENCE_SECONDS)
        self._order("post", "drain")
        wait_for(lambda: self._details()["observed"]["paused"], seconds=PATIENCE_SECONDS)
        (self._fleet.folder / f"{self._release} hold").touch()
        assert self._ended(runs)["status"] == "COMPLETED"
        self._worker.process.wait(PATIENCE_SECONDS)
        assert len(self._notes("hold")) == 1
        if self._is_stock:
            return "the rest may still run"
        assert self._notes("nap 0.2") == self._notes("nap 0.3") == []
        return "the rest is given back"

    def _ended(self, task_id: str) -> dict[str, Any]:
        return self._stack.wait_for_end(task_id, seconds=PATIENCE_SECONDS)

    def _submit(self, name: str, *seconds: float, **fields: object) -> str:
        label = " ".join([self._release, name, *map(str, seconds)])
        return self._stack.submit(f"age.{name}", label, *seconds, queue_name=self._release, **fields)

    def _notes(self, what: str) -> list[float]:
        return self._fleet.starts(f"{self._worker.node if what.startswith('own') else self._release} {what}")

    def _details(self) -> dict[str, Any]:
        found: dict[str, Any] = self._stack.client.get(f"/workers/{self._worker.node}").json()
        return found

    def _is_converged(self, status: str) -> bool:
        row = self._details()
        return row["status"] == status and row["converged"] is True

    def described(self) -> dict[str, Any] | None:
        row = self._details()
        return row if row.get("observed", {}).get("described_at") and row.get("versions", {}).get("celery") else None

    def _order(self, method: str, order: str) -> None:
        answer = self._stack.client.request(method, f"/workers/{self._worker.node}/{order}")
        assert answer.status_code in (200, 202), answer.text


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str] | BaseException]]:
    """By release, what held, or why that is not known. All are tried at once."""
    folder = tmp_path_factory.mktemp("versions")
    with ThreadPoolExecutor(len(PROMISES)) as threads, ThreadPoolExecutor(len(PROMISES) + 1) as installing:
        wheel = installing.submit(build_plugin, folder / "wheel")

        def install(release: str) -> str:
            return make_environment(
                folder / release, f"celery-{release}", wheel=None if release in STOCK else wheel.result()
            )

        pythons = {release: installing.submit(install, release) for release in PROMISES}
        with fleet(folder / "fleet") as made:
            made.write_app("age", APP)
            begun = [
                threads.submit(begin_trial, made, release, python=python.result) for release, python in pythons.items()
            ]
            # Before each has said which queues it consumes, it may consume all, and nothing is promised of any.
            wait(begun)
            tries = {
                release: threads.submit(lambda start: start.result().run(), start)
                for release, start in zip(pythons, begun, strict=True)
            }
            yield {release: tried.exception() or tried.result() for release, tried in tries.items()}


def begin_trial(fleet: Fleet, release: str, *, python: Callable[[], str]) -> Trial:
    """Starts its worker once its environment is there; returns when it is described."""
    worker = fleet.start_worker(
        f"age-{release}",
        "age",
        *("-c", "1", "-Q", release),
        python=python(),
        patience=START_SECONDS,
        PLUGIN="" if release in STOCK else "yes",
        CELERIAC_PAYLOAD_KEYS="k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    )
    trial = Trial(fleet, release, worker=worker)
    wait_for(trial.described, seconds=START_SECONDS)
    return trial


@pytest.mark.timeout(900)
@pytest.mark.parametrize("release", PROMISES)
def test_what_holds_with_this_release(tried: dict[str, dict[str, str] | BaseException], release: str) -> None:
    found = tried[release]
    if isinstance(found, NoPythonError):
        pytest.skip(f"no Python here that Celery {release} runs on: {found}")
    if isinstance(found, BaseException):
        raise found
    assert found == PROMISES[release]


def test_the_docs_say_so() -> None:
    promises = list(PLUGGED_PROMISES)
    rows = [["Celery", *promises], ["---"] * (len(promises) + 1)]
    rows += [[release, *(held[promise] for promise in promises)] for release, held in PROMISES.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    assert table in DOCS.read_text(), f"\n{table}"
