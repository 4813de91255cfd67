"""What a page of another site can make an operator's Chromium do to a fresh `celeriac up`: nothing.

Each test asks first or last what a program may, so that a refusal is not that of a server which is not there.
"""

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route

from tests.acceptance.stack import Stack
from tests.browser.chromium import EVIL, PATIENCE_MS, REBOUND, fetch

NOTHING = ("error", 0, "")
JSON = {"Content-Type": "application/json"}
SITES = [f"http://{EVIL}", "http://localhost", "http://127.0.0.1"]
"""A stranger's, and two that Chromium takes for the same site as ours: another port of this machine."""


@pytest.fixture(params=SITES)
def foreign(request: pytest.FixtureRequest, page: Page, elsewhere: int) -> Page:
    """A page that is open on another origin."""
    page.goto(f"{request.param}:{elsewhere}/")
    return page


@pytest.fixture
def flower(stack: Stack) -> httpx.URL:
    """With its login."""
    return httpx.URL(stack.flower_url)


def open_url(url: httpx.URL) -> str:
    """The URL without its login."""
    return f"http://{url.host}:{url.port}"


def count(stack: Stack) -> int:
    total: int = stack.client.get("/tasks").json()["total"]
    return total


def test_a_script_reads_nothing_of_the_api(stack: Stack, foreign: Page) -> None:
    for path in ("/tasks", "/workers", "/health", "/dashboard/stats"):
        assert stack.client.get(path).status_code == 200
        assert fetch(foreign, f"{stack.url}/api/v1{path}") == NOTHING
    for path in ("/metrics", "/openapi.json", "/docs"):
        assert fetch(foreign, stack.url + path) == NOTHING


def test_a_script_submits_cancels_and_registers_nothing(stack: Stack, foreign: Page) -> None:
    task_id = stack.submit(
        "celeriac.sleep", 600, queue_name="nobody-consumes-this", scheduled_at="2126-01-01T00:00:00Z"
    )
    before = count(stack)
    urls = [
        f"{stack.url}/api/v1{path}" for path in (f"/tasks/{task_id}/cancel", "/workers?hostname=by-script", "/tasks")
    ]
    for url in urls:
        fetch(foreign, url, method="POST", mode="no-cors")
        fetch(foreign, url, method="POST", headers=JSON, body='{"task_name": "celeriac.echo"}')
    # A form is answered in the window: the only answer that anybody sees, and it is a refusal.
    foreign.set_content(f'<form method=post action="{urls[1]}"><button>x</button></form>')
    with foreign.expect_response(lambda answer: answer.url == urls[1]) as answered:
        foreign.click("button")
    assert answered.value.status == 403
    assert (stack.task(task_id)["status"], count(stack)) == ("PENDING", before)
    assert "by-script" not in stack.client.get("/workers").text
    assert stack.client.post(f"/tasks/{task_id}/cancel").json()["status"] == "CANCELLED"


def test_a_frame_of_no_origin_is_a_stranger_too(stack: Stack, foreign: Page) -> None:
    """A sandboxed frame, or a `data:` page, sends `Origin: null`."""
    before = stack.client.get("/workers").text
    url = f"{stack.url}/api/v1/workers?hostname=by-frame"
    foreign.set_content('<iframe sandbox="allow-scripts" srcdoc="<p>nobody"></iframe>')
    frame = foreign.frames[1]
    frame.wait_for_selector("p")
    with foreign.expect_response(lambda answer: answer.url == url) as answered:
        fetch(frame, url, method="POST", mode="no-cors")
    assert answered.value.status == 403
    assert frame.evaluate("self.origin") == "null"
    assert "by-frame" not in before + stack.client.get("/workers").text


def test_flower_shows_and_runs_nothing_whatever_the_browser_remembers(
    flower: httpx.URL, browser: Browser, elsewhere: int
) -> None:
    """Once without a login, once in a profile that has typed it in."""
    url = open_url(flower)
    login = {"username": flower.username, "password": flower.password, "origin": url}
    sent = httpx.get(f"{flower}/api/tasks").text
    for options in ({}, {"http_credentials": login}):
        with browser.new_context(**options) as context:  # type: ignore[arg-type]
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            if options:
                answer = page.goto(f"{url}/workers")
                assert answer is not None
                assert answer.status == 200
            page.goto(f"http://{EVIL}:{elsewhere}/")
            for path in ("/api/workers", "/api/tasks", "/metrics", "/healthcheck", "/tasks"):
                assert fetch(page, url + path) == NOTHING
                assert fetch(page, url + path, credentials="include") == NOTHING
                assert fetch(page, url + path, mode="no-cors", credentials="include")[2] == ""
            for path in ("/api/task/send-task/celeriac.echo", "/api/task/apply/celeriac.wordcount"):
                assert fetch(page, url + path, method="POST", credentials="include", body='{"args": ["x"]}') == NOTHING
                fetch(page, url + path, method="POST", mode="no-cors", credentials="include", body='{"args": ["x"]}')
            page.set_content(f'<iframe src="{url}/tasks"></iframe>')
            page.wait_for_load_state("networkidle")
            assert not [frame for frame in page.frames if "Flower" in frame.title()]
    assert httpx.get(f"{flower}/api/tasks").text == sent


def test_a_name_that_is_pointed_here_reads_and_runs_nothing(stack: Stack, flower: httpx.URL, page: Page) -> None:
    """DNS rebinding: the page came from the stranger's own machine, and its next requests go to ours."""
    before = count(stack)
    for port, reads, write in (
        (httpx.URL(stack.url).port, ("/api/v1/tasks", "/metrics", "/docs"), "/api/v1/tasks"),
        (flower.port, ("/api/workers", "/metrics", "/healthcheck"), "/api/task/send-task/celeriac.echo"),
    ):
        here = f"http://{REBOUND}:{port}"
        page.route(f"{here}/first", _answer_from_elsewhere)
        page.goto(f"{here}/first")
        for path in reads:
            type_, status, text = fetch(page, here + path)
            assert (type_, status) == ("basic", 421), path
            assert "rebound" not in text
        body = '{"task_name": "celeriac.echo", "args": []}'
        assert fetch(page, here + write, method="POST", headers=JSON, body=body)[1] == 421
        answer = page.goto(here + reads[-1])
        assert answer is not None
        assert answer.status == 421
    assert count(stack) == before


def _answer_from_elsewhere(route: Route) -> None:
    route.fulfill(status=200, content_type="text/html", body="<p>from the stranger's own machine")


def test_the_documentation_is_reached_by_a_link_and_tries_requests_out(stack: Stack, foreign: Page) -> None:
    foreign.set_content(f'<a href="{stack.url}/docs">documentation</a>')
    foreign.click("a")
    foreign.wait_for_url(f"{stack.url}/docs")
    before = count(stack)
    operation = foreign.locator(
        "#operations-tasks-submit_task_api_v1_tasks_post, .opblock-post", has_text="/api/v1/tasks"
    ).first
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("textarea.body-param__text").fill('{"task_name": "celeriac.echo"}')
    with foreign.expect_response(lambda answer: answer.request.method == "POST") as answered:
        operation.get_by_role("button", name="Execute").click()
    assert answered.value.status == 201
    assert answered.value.request.header_value("sec-fetch-site") == "same-origin"
    assert count(stack) == before + 1


def test_a_person_who_logs_in_uses_flower_as_ever(flower: httpx.URL, browser: Browser) -> None:
    login = {"username": flower.username, "password": flower.password, "origin": open_url(flower)}
    with browser.new_context(http_credentials=login) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{open_url(flower)}/workers")
        assert "Flower" in page.title()
        path = "/api/task/apply/celeriac.add"
        assert fetch(page, open_url(flower) + path, method="POST", body='{"args": [20, 22]}')[1] == 200
