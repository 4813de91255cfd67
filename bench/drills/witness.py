"""A module for CELERIAC_TASK_MODULES: each run of any task is noted, with the number of its retries."""

from typing import Any

from celery import Task
from celery.signals import task_prerun

from bench.drills.notes import note


@task_prerun.connect
def note_run(task_id: str, task: "Task[..., Any]", **_: object) -> None:
    """Note that this task begins to run; a receiver of Celery's signal."""
    note(task_id, task.request.retries)
