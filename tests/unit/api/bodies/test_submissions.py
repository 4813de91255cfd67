from typing import Any

import pytest

from api.bodies.submissions import (
    find_unknown,
    name_fields,
    refuse_outside,
    refuse_unknown,
    to_submission,
    to_submissions,
)
from api.errors import OutsideLimits
from api.schemas.tasks import MAX_RETRIES, TaskSubmission
from domain.errors import InvalidRequest, UnknownTaskName
from domain.sight import UNLIMITED, Limits
from domain.submissions import MAX_ARGUMENT_BYTES
from tests.facts import NOON, after

TOO_LARGE = ["x" * MAX_ARGUMENT_BYTES]


def body(name: str = "shop.pay", **fields: Any) -> TaskSubmission:
    return TaskSubmission(task_name=name, **fields)


def test_what_a_body_leaves_out_has_its_default() -> None:
    made = to_submission(body(), author="me", default_queue="celery", now=NOON)
    assert (made.args, made.kwargs, made.queue_name, made.priority, made.max_retries) == ("[]", "{}", "celery", 5, 3)
    assert (made.timeout_seconds, made.scheduled_at, made.created_at) == (None, None, NOON)
    assert made.submitted_by == "me"


def test_what_a_body_says_is_kept() -> None:
    said = body(task_args=[1, "ж"], task_kwargs={"a": None}, queue_name="q", priority=10, scheduled_at=after(60))
    made = to_submission(said, author="me", default_queue="celery", now=NOON)
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
    made = to_submission(body(**fields), author="me", default_queue="celery", now=NOON, own_retries=own)
    assert made.max_retries == max_retries


def test_a_batch_keeps_its_order_and_gives_each_an_id() -> None:
    made = to_submissions(
        [body("a"), body("b"), body("a")], author="me", default_queue="celery", now=NOON, own_retries={}
    )
    assert [submission.task_name for submission in made] == ["a", "b", "a"]
    assert len({submission.task_id for submission in made}) == 3


def test_every_item_of_a_batch_that_is_too_large_is_named_at_once() -> None:
    large = body(task_args=TOO_LARGE)
    with pytest.raises(InvalidRequest) as refusal:
        to_submissions([large, body(), large], author="me", default_queue="celery", now=NOON, own_retries={})
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
    assert await find_unknown(None, ["whatever"], limits=UNLIMITED) == {}


def test_what_lies_outside_the_limits_of_a_key_is_refused_at_each_place_where_it_stands() -> None:
    wanted = [body(queue_name="etl.a"), body("bank.pay"), body("shop.pay", queue_name="other")]
    refuse_outside(UNLIMITED, wanted, default_queue="celery")
    refuse_outside(Limits(("etl.*",), ("shop.*",)), wanted[:1], default_queue="celery")
    with pytest.raises(OutsideLimits) as refusal:
        refuse_outside(Limits(("etl.*",), ("shop.*",)), wanted, default_queue="celery", place="tasks.{number}.{field}")
    fields = [field for field, _ in refusal.value.errors]
    assert fields == ["tasks.1.queue_name", "tasks.1.task_name", "tasks.2.queue_name"]
    assert "'celery'" in refusal.value.errors[0][1]
