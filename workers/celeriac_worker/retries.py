"""The `max_retries` of a submission, as a ceiling on the retries that a task itself asks for; and what hides values.

Celery's messages carry no such limit: it belongs to the task, or to each call of `retry`. Celeriac sends it as a
header, which Celery keeps over retries. The texts of arguments, in which secrets are masked, Celery does not keep.
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps

HEADER = "celeriac_max_retries"
MASK = "[masked]"
"""What stands in the place of a hidden value in the texts of arguments that events, logs and Flower show."""


class RetryCeiling(bootsteps.Step):
    """When the worker starts, and before it forks, every task of its app learns to obey the header.

    Not done through `app.task_cls`: tasks with a base of their own, and those defined before `install`, would miss it.
    """

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        for task in worker.app.tasks.values():
            obey_ceiling(task)


def obey_ceiling(task: Any) -> None:
    """Give this one task the behaviour of `CeilingObeyed`, before its own class'; a second time changes nothing."""
    own: type = type(task)
    if not issubclass(own, CeilingObeyed):
        task.__class__ = type(
            own.__name__, (CeilingObeyed, own), {"__module__": own.__module__, "__doc__": own.__doc__}
        )


def masked_texts(request: Any, given: dict[str, Any]) -> dict[str, str]:
    """Return what the message of a retry says of its arguments, where that of this run hides some of them.

    Celery would write them out anew. Of other arguments that are `given` for the retry nothing is told then.
    """
    texts = {}
    for name in ("args", "kwargs"):
        told = getattr(request, f"{name}repr", None)
        if isinstance(told, str) and MASK in told:
            texts[f"{name}repr"] = told if given.get(name) is None else MASK
    return texts


class CeilingObeyed:
    """Mixed into the class of a task."""

    request: Any

    def retry(self, *args: Any, **options: Any) -> Any:
        """Retry as Celery does, with the submission's limit in place of the task's."""
        ceiling = getattr(self.request, HEADER, None)
        if ceiling is not None:
            options["max_retries"] = ceiling
        given = dict(zip(("args", "kwargs"), args)) | options
        options = masked_texts(self.request, given) | options
        return super().retry(*args, **options)  # type: ignore[misc]

    @property
    def override_max_retries(self) -> int:
        """Return the limit that a `retry(max_retries=...)` of this run has set.

        Celery keeps it on the task, which all runs of a process share: there it limits later, unrelated runs too
        (2 runs measured where 4 were due). A request belongs to one run and ends with it.
        """
        return self.request.celeriac_override_max_retries  # type: ignore[no-any-return]

    @override_max_retries.setter
    def override_max_retries(self, limit: int) -> None:
        """Keep the limit with the request of this run."""
        self.request.celeriac_override_max_retries = limit

    @override_max_retries.deleter
    def override_max_retries(self) -> None:
        """Forget the limit of this run."""
        del self.request.celeriac_override_max_retries
