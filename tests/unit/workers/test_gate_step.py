"""Where a worker gets its gate, and how it leaves."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celeriac_worker import gate_step
from celeriac_worker.gate_step import GateStep
from celeriac_worker.requests import GatedRequest
from celery import Celery, Task, signals
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.worker import state


class Life:
    """Stands in for the thread that keeps the worker alive in Redis."""

    def __init__(self, node: object) -> None:
        self.node = node
        self.told: list[str] = []

    def start(self) -> None:
        self.told.append("started")

    def stop(self, *, forget_pause: bool) -> None:
        self.told.append(f"stopped, forget_pause={forget_pause}")


class Worker:
    """A worker before anything of it was made."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.hostname = "celery@one"
        self.pool_cls: type = PreforkPool
        self.celeriac: Any = None
        self.celeriac_fetching: Any = None


def pay() -> None:
    """A task."""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERIAC_REDIS_URL", raising=False)
    monkeypatch.setattr(gate_step, "LifeThread", Life)


@pytest.fixture
def worker() -> Iterator[Worker]:
    app = Celery("shop", broker="redis://:s3cret@broker.example:6379/0", set_as_current=False)
    app.task(name="shop.pay", shared=False)(pay)
    worker = Worker(app)
    yield worker
    signals.worker_shutdown.disconnect(sender=worker)
    if worker.celeriac is not None:
        worker.celeriac.gate.close()


def test_a_redis_broker_is_asked_before_every_task(worker: Worker) -> None:
    GateStep(worker)
    assert worker.celeriac.name == "celery@one"
    assert issubclass(worker.app.tasks["shop.pay"].Request, GatedRequest)


@pytest.mark.parametrize(("pool", "before"), [(PreforkPool, True), (ThreadPool, False)])
def test_only_before_prefork_the_gate_stands_in_front_of_the_pool(worker: Worker, pool: type, before: bool) -> None:
    worker.pool_cls = pool
    GateStep(worker)
    assert worker.celeriac.gates_before_pool is before


def test_a_worker_without_a_redis_stays_as_it_is_and_says_what_that_costs(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    worker.app.conf.broker_url = "amqp://u:s3cret@rabbit//"
    GateStep(worker).start(worker)
    assert worker.celeriac is None
    assert worker.app.tasks["shop.pay"].Request == Task.Request
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("CELERIAC_REDIS_URL is not set and the broker is no Redis")
    assert "s3cret" not in told


def test_a_pause_that_the_thread_finds_reaches_the_fetching_of_the_present_connection(worker: Worker) -> None:
    GateStep(worker)
    applied: list[str] = []
    worker.celeriac_fetching = SimpleNamespace(apply_state_soon=lambda: applied.append("applied"))
    worker.celeriac._on_change()
    assert applied == ["applied"]


@pytest.mark.parametrize(("should_stop", "forget"), [(None, True), (0, False), (False, False)])
def test_a_worker_that_a_signal_ends_stays_paused_and_a_drained_one_comes_back_active(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, should_stop: object, forget: bool
) -> None:
    """Celery sets `should_stop` for a signal; an order to shut down raises where it is read."""
    step = GateStep(worker)
    step.start(worker)
    monkeypatch.setattr(state, "should_stop", should_stop)
    signals.worker_shutdown.send(sender=worker)
    life: Any = step._life
    assert life.told == ["started", f"stopped, forget_pause={forget}"]


def test_the_end_of_another_worker_in_this_process_is_none_of_its_own(worker: Worker) -> None:
    step = GateStep(worker)
    signals.worker_shutdown.send(sender=Worker(worker.app))
    life: Any = step._life
    assert life.told == []
