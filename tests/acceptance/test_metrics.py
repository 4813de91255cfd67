"""The figures of a living system are those of the work that it was given."""

import httpx
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.stack import Stack
from tests.patience import PATIENCE_SECONDS, wait_for

TASKS = 20
EVENTS_OF_EACH = 3
"""Received, started, succeeded; the other two of a timeline are our own."""


def scrape(stack: Stack) -> dict[str, float]:
    """Samples by name, with their labels' values appended."""
    text = httpx.get(f"{stack.url}/metrics", timeout=PATIENCE_SECONDS).text
    return {
        ".".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape_anew(stack: Stack) -> dict[str, float]:
    """The same from a text that was made after this call: one is kept for a second, and counts its own scrapes."""
    scrapes = "celeriac_request_seconds_count.GET./metrics.2xx"
    known = scrape(stack).get(scrapes, 0)
    wait_for(lambda: scrape(stack).get(scrapes, 0) > known)
    return scrape(stack)


def count_dispatches(stack: Stack) -> int:
    """As the timelines tell; nothing is dispatched twice while all is well."""
    with psycopg.connect(stack.database_url) as connection:
        (count,) = connection.execute("select count(*) from events where event_type = 'dispatched'").fetchone() or (0,)
    return int(count)


def test_the_figures_are_those_of_the_work(stack: Stack) -> None:
    before = scrape_anew(stack)
    for task_id in [stack.submit("celeriac.add", 1, number) for number in range(TASKS)]:
        stack.wait_for_end(task_id)

    def grown(name: str) -> float:
        return scrape(stack).get(name, 0) - before.get(name, 0)

    wait_for(lambda: grown("celeriac_request_seconds_count.POST./api/v1/tasks.2xx") == TASKS)
    assert grown("celeriac_group_commit_size_sum") == TASKS
    assert grown("celeriac_group_commit_size_count") <= TASKS
    # Told to Redis once a second. Of the whole life of the stack: the last of another test may come with these.
    wait_for(lambda: scrape(stack)["celeriac_dispatched_tasks_total"] == count_dispatches(stack))
    assert grown("celeriac_dispatched_tasks_total") >= TASKS
    wait_for(lambda: grown("celeriac_mirror_events_applied_total") >= TASKS * EVENTS_OF_EACH)
    wait_for(lambda: scrape(stack)["celeriac_mirror_pending_events.stream"] == 0)
    found = scrape(stack)
    assert (found["celeriac_outbox_tasks.due"], found["celeriac_outbox_oldest_due_seconds"]) == (0, 0)
    assert found["celeriac_mirror_lag_seconds"] < 5
    assert found["celeriac_mirror_heartbeat_age_seconds"] < 15
    assert {name: value for name, value in found.items() if name.startswith("celeriac_up.")} == {
        "celeriac_up.database": 1,
        "celeriac_up.redis": 1,
        "celeriac_up.broker": 1,
    }
    assert found["celeriac_healthy.mirror"] == 1
