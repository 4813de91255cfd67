"""Opens the shop of the demo through REST, tells what it did, and keeps a light stream of work going if asked."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cli.client import Client, Json
from cli.demo.shop import (
    FAN,
    LABELS,
    OURS,
    REPORT,
    STOCK,
    label,
    long_export,
    next_work,
    nightly_report,
    opening_day,
    reminder,
    shaky_parcel,
    stocktaking,
    wrong_payment,
)
from cli.errors import CliError
from cli.options import command_at

SIZE = 6
FAILED_WAIT_SECONDS = 20.0
ADOPTION_SECONDS = 3.0
"""Workers of `up` take on a queue that nobody consumes within a round of a second."""
POLL_SECONDS = 0.25
ROUND_SECONDS = 2.0
WORKFLOW_ROUNDS = 15
"""How many rounds, of 2 s, lie between two workflows."""
FIRST_ORDER = 1001
NAMES_SHOWN = 3

Tell = Callable[[str], None]


def refuse_foreign(client: Client) -> None:
    """Raise CliError where workers know tasks of somebody's own, which may have the names of ours and do real work."""
    known = {str(row["task_name"]) for row in client.task_names() if row["known_by"]}
    foreign = sorted(name for name in known - OURS if not name.startswith("celery."))
    if foreign:
        shown = ", ".join(foreign[:NAMES_SHOWN]) + (", ..." if len(foreign) > NAMES_SHOWN else "")
        raise CliError(
            f"Workers here know tasks of your own ({shown}): this is no place for a demo; "
            "--anyway opens the shop all the same."
        )


def open_shop(client: Client, *, url: str, tell: Tell) -> None:
    """Submit a day's work, tell what became of it, and drain a worker if another stays."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    wrong = client.submit(wrong_payment(FIRST_ORDER))["task_id"]
    unwanted = client.submit(label(FIRST_ORDER))["task_id"]
    day = opening_day(FIRST_ORDER, size=SIZE)
    more = [shaky_parcel(FIRST_ORDER, failures=4, max_retries=1), long_export(90), reminder(FIRST_ORDER, tomorrow)]
    client.submit_all([*day, *more])
    client.cancel(unwanted)
    client.start_workflow(nightly_report())
    client.start_workflow(stocktaking())
    kinds = {str(task["task_name"]) for task in [*day, *more]}
    tell(
        f"Submitted {len(day) + len(more) + 2} tasks of {len(kinds)} kinds: some fail, some are retried, "
        "one runs for 90 s, one is due tomorrow, one is cancelled."
    )
    tell(f"Started the workflow {REPORT}: {FAN} payments side by side, of which one fails; {STOCK} completes.")
    tell(_replay(client, wrong, url=url))
    tell(_labels(client))
    tell(_drain(client, url=url))


def keep_open(client: Client, *, minutes: float) -> None:
    """Submit a little every 2 s, for so many minutes."""
    ends_at = time.monotonic() + 60 * minutes
    number = 0
    while time.monotonic() < ends_at:
        client.submit_all(next_work(number, FIRST_ORDER + SIZE + number))
        if number % WORKFLOW_ROUNDS == WORKFLOW_ROUNDS - 1:
            client.start_workflow(stocktaking())
        number += 1
        time.sleep(ROUND_SECONDS)


def _replay(client: Client, task_id: str, *, url: str) -> str:
    if not _until(lambda: client.task(task_id)["status"] == "FAILED", seconds=FAILED_WAIT_SECONDS):
        return f"Nothing has been worked on yet: is a worker running? {command_at(url, 'workers', 'list')} tells."
    client.replay(task_id)
    return f"Replayed a payment that had failed: {task_id}."


def _labels(client: Client) -> str:
    if _until(lambda: client.queue(LABELS)["consumers"] > 0, seconds=ADOPTION_SECONDS):
        return (
            f"A worker has taken on the queue {LABELS}, which nobody consumed; "
            "after `CELERIAC_ADOPT_QUEUES=false celeriac up` such a queue waits to be noticed."
        )
    return f"Nobody consumes the queue {LABELS}: its tasks wait to be noticed."


def _drain(client: Client, *, url: str) -> str:
    active = sorted(str(worker["hostname"]) for worker in client.workers() if _may_be_drained(worker))
    if len(active) < 2:
        return "No worker was drained, for there is but one; after `celeriac up --workers 2` the demo drains one."
    client.drain(active[-1], None)
    return (
        f"Told {active[-1]} to drain: it ends what it runs and exits; "
        f"until then {command_at(url, 'workers', 'resume', active[-1])} lets it work again."
    )


def _may_be_drained(worker: Json) -> bool:
    return worker["status"] == "ACTIVE" and worker["plugin"] is not None and not worker["is_draining"]


def _until(holds: Callable[[], bool], *, seconds: float) -> bool:
    """Whether it holds within this time."""
    ends_at = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends_at:
            return False
        time.sleep(POLL_SECONDS)
    return True
