"""The bootstep that puts the gate in front of every task of a worker, if there is a Redis to ask."""

from __future__ import annotations

from typing import Any

from celery import bootsteps, signals
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.utils.log import get_logger
from celery.worker import state

from celeriac_worker.keeper import Keeper
from celeriac_worker.keys import URL_VARIABLE, redis_url
from celeriac_worker.node import Node
from celeriac_worker.requests import gate_task
from celeriac_worker.servers import broker_address

logger = get_logger(__name__)


class Gating(bootsteps.StartStopStep):
    """Sets `worker.celeriac`, the node, before anything else is made; without Redis the worker stays a stock one."""

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
        worker.celeriac = Node(worker.hostname, url, gates_before_pool=in_main_process)
        for task in worker.app.tasks.values():
            gate_task(task, worker.celeriac)
        self._keeper = Keeper(worker.celeriac)
        signals.worker_shutdown.connect(self.say_goodbye, sender=worker)

    def start(self, worker: Any) -> None:
        if worker.celeriac is not None:
            self._keeper.start()

    def say_goodbye(self, **_: Any) -> None:
        """When all has stopped. A worker that was ordered to end while paused has been drained: it comes back active.

        One that a signal ended stays paused.
        """
        self._keeper.stop(forget_pause=state.should_stop is None)
