"""The `max_retries` of a submission on tasks of any class."""

from types import SimpleNamespace
from typing import Any

import pytest
from celeriac_worker.retries import HEADER, CeilingObeyed, RetryCeiling, masked_texts, obey_ceiling
from celery import Celery, Task


class Own(Task):  # type: ignore[type-arg]
    """Somebody's own base of tasks."""

    def retry(self, *args: Any, **options: Any) -> Any:
        return options


def pay() -> None:
    """A task."""


@pytest.fixture
def task() -> Any:
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.task(name="shop.pay", shared=False, base=Own, max_retries=9)(pay)
    return app.tasks["shop.pay"]


@pytest.mark.parametrize(
    ("header", "asked", "obeyed"),
    [
        ({}, {}, {}),
        ({}, {"max_retries": 5}, {"max_retries": 5}),
        ({HEADER: None}, {"max_retries": 5}, {"max_retries": 5}),
        ({HEADER: 0}, {}, {"max_retries": 0}),
        ({HEADER: 2}, {"max_retries": 5, "countdown": 1}, {"max_retries": 2, "countdown": 1}),
        ({HEADER: 2}, {"max_retries": None}, {"max_retries": 2}),
    ],
)
def test_the_limit_of_the_submission_stands_in_for_that_of_the_task(
    task: Any, header: dict[str, Any], asked: dict[str, Any], obeyed: dict[str, Any]
) -> None:
    obey_ceiling(task)
    task.push_request(**header)
    try:
        assert task.retry(**asked) == obeyed
    finally:
        task.pop_request()


def test_a_task_stays_what_it_was_for_whoever_asks_for_its_class(task: Any) -> None:
    before = type(task)
    obey_ceiling(task)
    after = type(task)
    assert isinstance(task, Own)
    assert (after.__name__, after.__module__, after.__doc__) == (before.__name__, before.__module__, before.__doc__)
    obey_ceiling(task)
    assert type(task) is after


def test_a_limit_of_one_run_does_not_reach_the_next(task: Any) -> None:
    obey_ceiling(task)
    task.push_request(id="first")
    task.override_max_retries = 1
    assert task.override_max_retries == 1
    task.pop_request()
    task.push_request(id="second")
    assert not hasattr(task, "override_max_retries")
    task.override_max_retries = 2
    del task.override_max_retries
    assert not hasattr(task, "override_max_retries")
    task.pop_request()


def test_when_a_worker_starts_every_task_of_its_app_obeys(task: Any) -> None:
    RetryCeiling(SimpleNamespace(app=task.app))
    assert {isinstance(each, CeilingObeyed) for each in task.app.tasks.values()} == {True}


@pytest.mark.parametrize(
    ("told", "given", "texts"),
    [
        ({}, {}, {}),
        ({"argsrepr": "(1,)", "kwargsrepr": None}, {"args": (2,)}, {}),
        ({"argsrepr": "(1,)", "kwargsrepr": "{'token': '[masked]'}"}, {}, {"kwargsrepr": "{'token': '[masked]'}"}),
        ({"argsrepr": "('[masked]',)"}, {"args": (2,)}, {"argsrepr": "[masked]"}),
    ],
)
def test_texts_that_hide_something_are_kept_over_a_retry(
    told: dict[str, Any], given: dict[str, Any], texts: dict[str, str]
) -> None:
    assert masked_texts(SimpleNamespace(**told), given) == texts


def test_a_retry_with_other_arguments_tells_nothing_of_them(task: Any) -> None:
    obey_ceiling(task)
    task.push_request(argsrepr="('[masked]',)", kwargsrepr="{}")
    try:
        assert task.retry(("new",), countdown=1) == {"argsrepr": "[masked]", "countdown": 1}
    finally:
        task.pop_request()
