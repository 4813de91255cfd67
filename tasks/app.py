"""The Celery app of the tasks that ship with Celeriac, and of those named in CELERIAC_TASK_MODULES.

`celery -A tasks.app worker` runs it, as does `celeriac worker`. Settings stand in `celeryconfig.py`.
"""

from celeriac_worker import install
from celery import Celery, Task


class PromptTask(Task):  # type: ignore[type-arg]
    """The base of every task of this app that names no other."""

    # Seconds. Celery's own 180 are spent in the memory of one worker, out of the reach of others; that holds for a
    # `retry` that names no countdown, and for a task whose process was killed.
    default_retry_delay = 5


app = Celery("celeriac", task_cls=PromptTask)
app.config_from_object("celeryconfig")
install(app)
