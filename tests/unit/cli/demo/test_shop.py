from datetime import UTC, datetime

import pytest

from cli.demo import shop
from tasks.app import app

SUBMITTED = [
    *shop.opening_day(1001, size=3),
    shop.long_export(9),
    shop.reminder(1, datetime(2026, 11, 26, tzinfo=UTC)),
    *(task for number in range(20) for task in shop.next_work(number, 1 + number)),
]


def test_ours_are_all_the_tasks_that_ship() -> None:
    for module in ("basics", "examples", "files", "text"):
        __import__(f"tasks.{module}")
    assert {name for name in app.tasks if not name.startswith("celery.")} >= shop.OURS
    assert {task["task_name"] for task in SUBMITTED} < shop.OURS
    assert len({task["task_name"] for task in SUBMITTED}) >= 5


@pytest.mark.parametrize("number", range(1001, 1013))
def test_an_order_succeeds_and_a_wrong_payment_does_not(number: int) -> None:
    for task in shop.order(number):
        app.tasks[task["task_name"]].run(*task["task_args"], **task["task_kwargs"])
    wrong = shop.wrong_payment(number)
    with pytest.raises((ValueError, ArithmeticError)):
        app.tasks[wrong["task_name"]].run(*wrong["task_args"], **wrong["task_kwargs"])


def test_the_report_waits_for_a_fan_of_which_one_fails() -> None:
    steps = {step["id"]: step for step in shop.nightly_report()["steps"]}
    assert len(steps["report"]["depends_on"]) == shop.FAN
    assert [step["id"] for step in steps.values() if step["task_kwargs"].get("amount") == "none"] == ["pay-7"]


def test_the_stocktaking_counts_what_there_is_and_tells_it() -> None:
    *shelves, told = shop.stocktaking()["steps"]
    counts = [app.tasks[step["task_name"]].run(*step["task_args"]) for step in shelves]
    assert [count["columns"]["pieces"]["count"] for count in counts] == [4, 4]
    assert [argument["$result"] for argument in told["task_args"]] == [step["id"] for step in shelves]


def test_a_reminder_says_when_and_a_label_goes_to_nobody() -> None:
    assert shop.reminder(1, datetime(2026, 11, 26, tzinfo=UTC))["scheduled_at"] == "2026-11-26T00:00:00+00:00"
    assert {task["queue_name"] for task in SUBMITTED if "queue_name" in task} == {shop.LABELS}
