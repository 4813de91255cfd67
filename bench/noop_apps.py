"""Two Celery apps with the settings of our workers and one task that does nothing; one of them has the plugin."""

from celeriac_worker import install
from celery import Celery

TASK_NAME = "bench.noop"


def _app(name: str) -> Celery:
    app = Celery(name, set_as_current=False)
    app.config_from_object("celeryconfig")
    app.conf.include = ()
    app.task(name=TASK_NAME)(noop)
    return app


def noop() -> None:
    """Do nothing: what is left is the cost of having a task run."""


stock = _app("stock")
plugged = _app("plugged")
install(plugged)
