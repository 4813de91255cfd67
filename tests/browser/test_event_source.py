"""A browser's EventSource goes on by itself where it was."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
from playwright.sync_api import Page

from domain.feed import Change, ChangeType
from services.feed import tell
from store.engine import open_engine
from tests.acceptance.stack import Stack
from tests.patience import wait_for

CHANGES, PORTION = 10_000, 250
FOLLOW = """url => {
    [window.seen, window.greetings] = [[], 0];
    const source = new EventSource(url);
    source.addEventListener("hello", () => window.greetings++);
    source.addEventListener("task.completed", event => window.seen.push(JSON.parse(event.data).data.task_id));
}"""


def tell_changes(stack: Stack, *, first: int, last: int) -> None:
    """Commit these changes, some at a time."""

    async def write() -> None:
        engine = open_engine(stack.database_url, pool_size=1)
        for begin in range(first, last, PORTION):
            numbers = range(begin, min(last, begin + PORTION))
            async with engine.begin() as connection:
                await tell(connection, [Change(ChangeType.TASK_COMPLETED, f"seen-{number}") for number in numbers])
        await engine.dispose()

    # Playwright has a loop of its own in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, write()).result()


def is_answering(stack: Stack) -> bool:
    try:
        return stack.client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def test_it_misses_none_of_ten_thousand_changes_over_a_restart_of_the_api(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.url}/docs")
    page.evaluate(FOLLOW, f"{stack.url}/api/v1/events/stream?types=task.completed")
    wait_for(lambda: page.evaluate("window.greetings") == 1)
    tell_changes(stack, first=0, last=CHANGES // 2)
    wait_for(lambda: page.evaluate("window.seen.length") > 0)
    api = stack.child("api")
    api.kill()
    tell_changes(stack, first=CHANGES // 2, last=CHANGES)
    api.wait()
    wait_for(lambda: is_answering(stack))
    wait_for(lambda: page.evaluate("window.seen.filter(id => id.startsWith('seen-')).length") >= CHANGES)
    seen = [task_id for task_id in page.evaluate("window.seen") if task_id.startswith("seen-")]
    assert seen == [f"seen-{number}" for number in range(CHANGES)]
