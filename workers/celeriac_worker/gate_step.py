"""The bootstep that puts the gate in front of every task of a worker, if there is a Redis to ask."""

from __future__ import annotations

from typing import Any

from celery import bootsteps, signals
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.utils.log import get_logger
from celery.worker import state

from celeriac_worker.keys import URL_VARIABLE, redis_url
from celeriac_worker.life_thread import LifeThread
from celeriac_worker.node import Node
from celeriac_worker.requests import gate_task
from celeriac_worker.servers import broker_address

logger = get_logger(__name__)


class GateStep(bootsteps.StartStopStep):
    """Sets `worker.celeriac`, the node, before anything else is made; without Redis the worker stays a stock one.

    The consumer's step sets `worker.celeriac_fetching` beside it (`fetching.py`), before the worker connects.
    """

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        worker.celeriac = None
        url = redis_url(broker_address(worker.app.conf, worker.app.conf.broker_url))
        if url is None:
            logger.warning(
                "%s is not set and the broker is no Redis: Celeriac can neither pause nor drain this worker, nor "
                "cancel its tasks for certain.",
                URL_VARIABLE,
            )
            return
        in_main_process = issubclass(worker.pool_cls, PreforkPool)
        worker.celeriac = Node(
            worker.hostname,
            url,
            gates_before_pool=in_main_process,
            on_change=lambda: worker.celeriac_fetching.apply_state_soon(),
        )
        for task in worker.app.tasks.values():
            gate_task(task, worker)
        self._life = LifeThread(worker.celeriac)
        signals.worker_shutdown.connect(self.say_goodbye, sender=worker)

    def start(self, worker: Any) -> None:
        if worker.celeriac is not None:
            self._life.start()

    def say_goodbye(self, **_: Any) -> None:
        """When all has stopped. A worker that was ordered to end while paused has been drained: it comes back active.

        One that a signal ended stays paused.
        """
        self._life.stop(forget_pause=state.should_stop is None)
