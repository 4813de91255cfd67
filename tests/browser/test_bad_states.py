"""What a page shows while something is away, refused or over, on real systems in a real Chromium.

Nothing that was typed or shown is lost by any of it, and all of it is left again without a reload.
"""

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from bench.drills.freezing import frozen
from bench.stack import RunningProcess, free_ports
from bench.stack import running as running_process
from cli.launch import launch_command
from tests.acceptance.stack import Stack, running
from tests.browser.pages import Watch, open_page, watched
from tests.browser.people import another_api
from tests.browser.scenes import answer, show_updated
from tests.browser.shop import NOT_CONSUMED, Shop
from tests.patience import PATIENCE_SECONDS, wait_for

Looked = tuple[Page, Watch]
SUBMIT = re.compile("^Submit")
TOO_LATE = {"detail": "Task has already finished (COMPLETED)", "code": "TASK_ALREADY_FINISHED"}


def test_too_many_requests_are_said_and_asked_again_later(stack: Stack, shop: Shop, browser: Browser) -> None:
    with another_api(stack, rate_limit_per_minute=1) as url, watched(browser, url) as (page, _):
        # Asked again and again, so that none is left for the page in the next minute either.
        wait_for(lambda: _is_refused(url))
        page.goto(f"{url}/ui/queues")
        said = page.get_by_text("Too many requests: it is asked again by itself").first
        wait_for(lambda: _is_refused(url) and said.is_visible())


def _is_refused(url: str) -> bool:
    return httpx.get(f"{url}/api/v1/queues").status_code == 429


def test_what_is_not_possible_any_more_is_said_and_what_is_true_now_is_shown_though_paused(
    stack: Stack, shop: Shop, looked: Looked
) -> None:
    page, watch = looked
    task = stack.submit("celeriac.echo", "cancelled by two", queue_name=NOT_CONSUMED)
    cancel = f"{stack.url}/api/v1/tasks/{task}/cancel"
    open_page(page, f"{stack.url}/ui/tasks/{task}")
    page.keyboard.press("p")
    page.route(cancel, lambda route: answer(route, TOO_LATE, status=409))
    page.keyboard.press("c")
    page.get_by_role("button", name="Cancel the task").press("Enter")
    expect(page.get_by_text(TOO_LATE["detail"])).to_be_visible()
    for width, height in ((360, 640), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        main, toast = page.locator("main").bounding_box(), page.locator(".toast").bounding_box()
        assert main
        assert toast
        # What it says covers nothing that cannot be scrolled out from under it.
        assert main["y"] + main["height"] <= toast["y"]
    page.unroute(cancel)
    stack.client.post(f"/tasks/{task}/cancel").raise_for_status()
    expect(page.get_by_role("heading", level=1)).to_contain_text("queued")
    page.keyboard.press("c")
    page.get_by_role("button", name="Cancel the task").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    # Nobody reads its queue: no worker is said to have been told.
    expect(page.locator(".receipt")).to_contain_text(f"Its message was taken out of queue {NOT_CONSUMED}")
    expect(page.locator(".receipt")).not_to_contain_text("told")
    watch.problems[:] = [problem for problem in watch.problems if "status of 409" not in problem]


def test_another_build_is_said_and_loads_nothing_by_itself(stack: Stack, shop: Shop, looked: Looked) -> None:
    page, _ = looked
    show_updated(page, stack.url)
    page.evaluate("window.isTheSamePage = true")
    page.unroute_all()
    page.get_by_role("button", name="Reload").press("Enter")
    expect(page.get_by_text("Celeriac was updated")).to_have_count(0)
    assert page.evaluate("window.isTheSamePage") is None


@contextmanager
def _api(stack: Stack, folder: Path, *, port: int) -> Iterator[RunningProcess]:
    """A process of its own, that may be stopped while others of the stack go on."""
    found = stack.addresses
    environment = {f"CELERIAC_{name.upper()}": getattr(found, name) for name in ("database_url", "broker_url")} | {
        "CELERIAC_RESULT_URL": found.result_url,
        "CELERIAC_REDIS_URL": found.redis_url,
        "CELERIAC_PORT": str(port),
        "CELERIAC_RATE_LIMIT_PER_MINUTE": "0",
    }
    command = launch_command([sys.executable, "-m", "cli", "api"], death_signal=signal.SIGTERM)
    with running_process(command, folder / "api.log", environment=environment) as api:
        yield api


def test_an_api_ends_though_a_page_is_open_which_waits_for_the_next(
    stack: Stack, shop: Shop, browser: Browser, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with watched(browser, url) as (page, _):
        with _api(stack, tmp_path, port=port) as api:
            wait_for(lambda: "startup complete" in api.log.read_text())
            open_page(page, f"{url}/ui/tasks?status=FAILED")
            expect(page.get_by_role("button", name="live")).to_be_visible()
            form = page.context.new_page()
            open_page(form, f"{url}/ui/submit?task_name=celeriac.echo")
            form.get_by_role("textbox", name="Arguments", exact=True).fill('["half a form"]')
            overview = page.context.new_page()
            open_page(overview, f"{url}/ui/")
            queue = overview.locator(".overview-queue", has_text=NOT_CONSUMED)
            before = int(queue.locator(".end").first.inner_text())
            page.bring_to_front()
            api.process.send_signal(signal.SIGINT)
            assert api.process.wait(PATIENCE_SECONDS) == 0
            # It did not have to cut the streams off.
            assert "graceful" not in api.log.read_text()
        expect(page.get_by_text("No answer since")).to_be_visible()
        expect(page.get_by_role("button", name="no answer")).to_be_visible()
        rows = page.get_by_role("row").count()
        assert rows > 1
        expect(form.get_by_text("No answer since")).to_be_visible()
        expect(form.get_by_role("button", name=SUBMIT)).to_be_disabled()
        with _api(stack, tmp_path, port=port):
            expect(page.get_by_text("No answer since")).to_have_count(0)
            expect(page.get_by_role("button", name="live")).to_be_visible()
            assert page.get_by_role("row").count() >= rows
            overview.bring_to_front()
            # However much goes on, what had failed meanwhile is asked again.
            stack.submit("celeriac.echo", "one more", queue_name=NOT_CONSUMED)
            expect(queue.locator(".end").first).to_have_text(str(before + 1))
            expect(overview.get_by_text("As of")).to_have_count(0)
            form.bring_to_front()
            expect(form.get_by_role("textbox", name="Arguments", exact=True)).to_have_value('["half a form"]')
            form.get_by_role("button", name=SUBMIT).click()
            form.wait_for_url(re.compile("/ui/tasks/"))


OLD = ".stage[data-stale]"
"""A page with all that it shows, while it is older than it looks."""


@contextmanager
def _opened(browser: Browser, stack: Stack, *addresses: str) -> Iterator[list[Page]]:
    """Each address in a profile of its own: all of them are seen, so that none of them rests."""
    with ExitStack() as profiles:
        pages = [profiles.enter_context(watched(browser, stack.url))[0] for _ in addresses]
        for page, address in zip(pages, addresses, strict=True):
            open_page(page, f"{stack.url}/ui{address}")
        yield pages


def test_a_whole_system_ends_at_ctrl_c_though_a_page_is_open_which_waits_for_the_next(
    browser: Browser, tmp_path: Path
) -> None:
    with running(tmp_path / "data") as stack, watched(browser, stack.url) as (page, _):
        open_page(page, f"{stack.url}/ui/")
        live, away = page.get_by_role("button", name="live"), page.get_by_text("No answer since")
        expect(live).to_be_visible()
        family = psutil.Process(stack.pid).children(recursive=True)
        assert stack.stop(signal.SIGINT) == 0
        assert psutil.wait_procs(family, timeout=PATIENCE_SECONDS)[1] == []
        expect(away).to_be_visible()
        expect(page.get_by_role("button", name="no answer")).to_be_visible()
        expect(page.locator(OLD)).to_be_visible()
        stack.start()
        expect(away).to_have_count(0)
        expect(live).to_be_visible()
        expect(page.locator("[data-stale]")).to_have_count(0)
        # The first task of all is submitted here: what the page shows is of the system that was started again.
        stack.wait_for_end(stack.submit("celeriac.add", 1, 1))
        expect(page.locator(".verdict-text")).to_contain_text("All well.")


def test_without_a_database_old_answers_are_shown_as_old(stack: Stack, shop: Shop, browser: Browser) -> None:
    addresses = ("/workers", "/tasks", f"/tasks/{shop.waiting}", "/")
    with _opened(browser, stack, *addresses) as pages:
        workers, tasks, task, overview = pages
        rows = workers.get_by_role("row").count()
        with frozen([stack.child("postgres")]):
            for page in pages:
                expect(page.locator(".banner")).to_contain_text("The database does not answer.")
                expect(page.locator(OLD)).to_be_visible()
            for page in (workers, tasks, task):
                expect(page.locator("main [data-stale]").first).to_be_visible()
            expect(overview.locator(".verdict-text")).to_contain_text("The database does not answer")
            assert workers.get_by_role("row").count() == rows
            # As many as there is room for below the line that says so.
            assert tasks.get_by_role("row").count() > 1
        for page in pages:
            expect(page.get_by_text("The database does not answer")).to_have_count(0)
            expect(page.locator("[data-stale]")).to_have_count(0)
    wait_for(stack.is_healthy)


def test_without_the_mirror_the_list_and_a_task_are_shown_as_old(stack: Stack, shop: Shop, browser: Browser) -> None:
    with _opened(browser, stack, "/tasks", f"/tasks/{shop.waiting}") as pages:
        with frozen([stack.child("mirror")]):
            for page in pages:
                expect(page.locator(OLD)).to_be_visible()
                expect(page.locator(".banner")).to_contain_text(
                    re.compile(r"what is shown is not updated\. It is as of \d")
                )
        for page in pages:
            expect(page.locator("[data-stale]")).to_have_count(0)
    wait_for(stack.is_healthy)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("valkey", "The broker has not answered"),
        ("mirror", "Tasks run, and what is shown is not updated."),
    ],
)
def test_a_part_that_is_away_is_named_with_what_goes_on_without_it(
    stack: Stack, shop: Shop, browser: Browser, server: str, said: str
) -> None:
    with watched(browser, stack.url) as (page, _):
        open_page(page, f"{stack.url}/ui/")
        verdict = page.locator(".verdict-text")
        with frozen([stack.child(server)]):
            expect(verdict).to_contain_text(said)
        expect(verdict).not_to_contain_text(said)
    wait_for(stack.is_healthy)


def test_while_the_broker_is_away_who_is_not_heard_is_not_called_offline(
    stack: Stack, shop: Shop, browser: Browser
) -> None:
    with _opened(browser, stack, "/workers", f"/queues/{shop.queue}") as pages:
        workers, queue = pages
        with frozen([stack.child("valkey")]):
            expect(workers.locator(".page-head")).to_contain_text("whether they run is not known")
            expect(workers.get_by_role("row").filter(has_text="not heard")).to_have_count(1)
            expect(queue.locator(".page-head")).to_contain_text("Who takes it is not known")
            for page in pages:
                expect(page.get_by_text(re.compile("offline|nobody", re.I))).to_have_count(0)
        for page in pages:
            expect(page.locator(".page-head")).not_to_contain_text("is not known")
    wait_for(stack.is_healthy)
