from typing import Any

import pytest

from api.bodies.submissions import find_unknown, name_fields, refuse_unknown, to_submission, to_submissions
from api.schemas.tasks import MAX_RETRIES, TaskSubmission
from domain.errors import InvalidRequest, UnknownTaskName
from domain.submissions import MAX_ARGUMENT_BYTES
from tests.facts import NOON, after

TOO_LARGE = ["x" * MAX_ARGUMENT_BYTES]


def body(name: str = "shop.pay", **fields: Any) -> TaskSubmission:
    return TaskSubmission(task_name=name, **fields)


def test_what_a_body_leaves_out_has_its_default() -> None:
    made = to_submission(body(), default_queue="celery", now=NOON)
    assert (made.args, made.kwargs, made.queue_name, made.priority, made.max_retries) == ("[]", "{}", "celery", 5, 3)
    assert (made.timeout_seconds, made.scheduled_at, made.created_at) == (None, None, NOON)


def test_what_a_body_says_is_kept() -> None:
    said = body(task_args=[1, "ж"], task_kwargs={"a": None}, queue_name="q", priority=10, scheduled_at=after(60))
    made = to_submission(said, default_queue="celery", now=NOON)
    assert (made.args, made.kwargs) == ('[1, "\\u0436"]', '{"a": null}')
    assert (made.queue_name, made.priority, made.scheduled_at) == ("q", 10, after(60))


@pytest.mark.parametrize(
    ("fields", "own", "max_retries"),
    [
        ({}, {}, 3),
        ({}, {"shop.pay": 7}, 7),
        ({}, {"shop.pay": 0}, 0),
        ({}, {"shop.pay": MAX_RETRIES + 1}, MAX_RETRIES),
        ({"max_retries": 3}, {"shop.pay": 7}, 3),
        ({}, {"another": 7}, 3),
    ],
)
def test_a_tasks_own_limit_of_retries_holds_unless_the_client_names_one(
    fields: dict[str, Any], own: dict[str, int], max_retries: int
) -> None:
    made = to_submission(body(**fields), default_queue="celery", now=NOON, own_retries=own)
    assert made.max_retries == max_retries


def test_a_batch_keeps_its_order_and_gives_each_an_id() -> None:
    made = to_submissions([body("a"), body("b"), body("a")], default_queue="celery", now=NOON, own_retries={})
    assert [submission.task_name for submission in made] == ["a", "b", "a"]
    assert len({submission.task_id for submission in made}) == 3


def test_every_item_of_a_batch_that_is_too_large_is_named_at_once() -> None:
    large = body(task_args=TOO_LARGE)
    with pytest.raises(InvalidRequest) as refusal:
        to_submissions([large, body(), large], default_queue="celery", now=NOON, own_retries={})
    assert [field for field, _ in refusal.value.errors] == ["tasks.0.task_args", "tasks.2.task_args"]
    assert refusal.value.detail.endswith("(and 1 more)")


def test_an_unknown_name_is_refused_at_each_place_where_it_stands() -> None:
    named = list(name_fields([body("ad"), body("add"), body("ad")]))
    refuse_unknown({}, named)
    refuse_unknown({"other": "No worker knows `other`."}, named)
    with pytest.raises(UnknownTaskName) as refusal:
        refuse_unknown({"ad": "No worker knows `ad`. Close: add."}, named)
    assert [field for field, _ in refusal.value.errors] == ["tasks.0.task_name", "tasks.2.task_name"]


async def test_where_names_are_not_checked_none_is_unknown() -> None:
    assert await find_unknown(None, ["whatever"]) == {}
