"""What the shop of the demo submits: the work of orders, some of it wrong, and a report by night. Pure.

All of it is tasks that ship with Celeriac, which charge nobody and store nothing.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

Json = dict[str, Any]

OURS = frozenset(
    {
        "celeriac.add",
        "celeriac.echo",
        "celeriac.fail",
        "celeriac.flaky",
        "celeriac.hash_file",
        "celeriac.sleep",
        "celeriac.wordcount",
        "process_data",
        "process_payment",
    }
)
"""Names of the tasks that ship with Celeriac."""
LABELS = "label-printer"
"""A queue that no worker takes from by itself: its tasks wait."""
REPORT = "nightly-report"
STOCK = "stocktaking"
FAN = 12
"""Payments that the report settles side by side."""
REVIEWS = ("the cups are lovely and the saucers are too", "one cup broke on the way", "lovely lovely lovely")
CURRENCIES = ("EUR", "EUR", "USD", "JPY")


def order(number: int) -> list[Json]:
    """Return the work that an order makes: it is paid for, confirmed, counted, and reviewed."""
    price = 12.9 + number % 7 * 4.5
    rows = [{"sku": f"cup-{each}", "price": price, "pieces": 1 + each} for each in range(1 + number % 3)]
    return [
        _task("process_payment", number, currency=CURRENCIES[number % 4], amount=price) | {"priority": 8},
        _task("celeriac.echo", f"Order {number} is on its way.", to=f"customer-{number}@example.com"),
        _task("process_data", rows) | {"priority": 3},
        _task("celeriac.wordcount", REVIEWS[number % 3]),
    ]


def wrong_payment(number: int) -> Json:
    """Return a payment that fails: its amount has a comma where Python wants a point, or is nothing at all."""
    return _task("process_payment", number, currency="EUR", amount="12,90" if number % 3 else 0) | {"max_retries": 0}


def shaky_parcel(number: int, *, failures: int = 2, max_retries: int = 3) -> Json:
    """Return a task that fails so many times before it succeeds, if it is retried as often."""
    return _task("celeriac.flaky", f"parcel {number}", failures) | {"max_retries": max_retries}


def long_export(seconds: int) -> Json:
    """Return a task that runs for a while, to be seen running."""
    return _task("celeriac.sleep", seconds)


def label(number: int) -> Json:
    """Return a task for the queue that nobody consumes."""
    return _task("celeriac.echo", f"Label of order {number}") | {"queue_name": LABELS, "priority": 1 + number % 10}


def reminder(number: int, at: datetime) -> Json:
    """Return a task that is due at this time."""
    text = f"Order {number}: how are the cups?"
    return _task("celeriac.echo", text) | {"scheduled_at": at.isoformat(timespec="seconds")}


def opening_day(first: int, *, size: int) -> list[Json]:
    """Return what the shop submits at once, from this number of an order on; `size`: how many of each."""
    numbers = range(first, first + size)
    whole = [task for number in numbers for task in order(number)]
    wrong = [wrong_payment(number) for number in numbers]
    shaky = [shaky_parcel(number) for number in numbers[: max(1, size // 2)]]
    return [*whole, *wrong, *shaky, *(label(number) for number in numbers)]


def nightly_report(*, broken: Collection[int] = (7,)) -> Json:
    """Return a workflow: a fan of payments of which some fail, so that its last step is never reached."""
    pays = [
        {
            "id": f"pay-{number}",
            "depends_on": ["begin"],
            "max_retries": 0,
            **_task("process_payment", number, currency="EUR", amount="none" if number in broken else 10 + number),
        }
        for number in range(FAN)
    ]
    begin = {"id": "begin", **_task("celeriac.echo", "The day is over.")}
    report = {"id": "report", **_task("celeriac.echo"), "depends_on": [f"pay-{number}" for number in range(FAN)]}
    return {"name": REPORT, "steps": [begin, *pays, report]}


def stocktaking() -> Json:
    """Return a workflow that completes: two shelves are counted side by side, then the count is told."""
    shelves = [
        {"id": shelf, **_task("process_data", [{"sku": f"{shelf}-{each}", "pieces": 3 + each} for each in range(4)])}
        for shelf in ("cups", "saucers")
    ]
    told = {"id": "told", **_task("celeriac.echo", {"$result": "cups"}, {"$result": "saucers"})}
    return {"name": STOCK, "steps": [*shelves, told]}


def next_work(round_number: int, number: int) -> list[Json]:
    """Return what one round of a light stream submits: an order, and now and then something that goes wrong."""
    work = order(number)
    if round_number % 5 == 3:
        work.append(wrong_payment(number))
    if round_number % 7 == 4:
        work.append(shaky_parcel(number))
    if round_number % 10 == 0:
        work.append(long_export(10))
    return work


def _task(name: str, *args: Any, **kwargs: Any) -> Json:
    return {"task_name": name, "task_args": list(args), "task_kwargs": kwargs}
