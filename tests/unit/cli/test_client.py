from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cli.client import Client, NotReachable
from cli.errors import CliError
from tests.unit.cli.apis import answering

URL = "http://u:s3cret@api.test:8000/"


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (lambda client: client.submit({}), "POST /api/v1/tasks"),
        (lambda client: client.task("a/b c"), "GET /api/v1/tasks/a%2Fb%20c"),
        (lambda client: client.start_workflow({}), "POST /api/v1/workflows"),
        (lambda client: client.workflow("w?x"), "GET /api/v1/workflows/w%3Fx"),
        (lambda client: client.change_workflow("w", "retry"), "POST /api/v1/workflows/w/retry"),
        (lambda client: client.worker("celery@one"), "GET /api/v1/workers/celery@one"),
        (lambda client: client.order("a/b", "pause"), "PATCH /api/v1/workers/a%2Fb/pause"),
        (lambda client: client.drain("one", 30), "POST /api/v1/workers/one/drain"),
        (lambda client: client.drain_progress("one"), "GET /api/v1/workers/one/drain"),
        (lambda client: client.resize("one", 4), "PATCH /api/v1/workers/one/capacity"),
        (lambda client: client.add_notification("routes", {}), "POST /api/v1/notifications/routes"),
        (lambda client: client.test_channel("a/b"), "POST /api/v1/notifications/channels/a%2Fb/test"),
        (lambda client: client.health(), "GET /api/v1/health"),
    ],
)
def test_each_wish_is_one_request_whose_path_says_just_what_was_named(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[Client], object], line: str
) -> None:
    with answering(monkeypatch, (200, {})) as api, Client(URL) as client:
        assert act(client) == {}
        assert api.lines == [line]


@pytest.mark.parametrize("task_id", [".", ".."])
def test_an_id_that_no_path_can_carry_is_asked_for_as_a_filter(monkeypatch: pytest.MonkeyPatch, task_id: str) -> None:
    with answering(monkeypatch, (200, {"data": [{"task_id": task_id}]}), (200, {"data": []})) as api:
        with Client(URL) as client:
            assert client.task(task_id) == {"task_id": task_id}
            with pytest.raises(CliError, match=r"^Task not found$"):
                client.task(task_id)
        assert api.lines == [f"GET /api/v1/tasks?task_id={task_id}"] * 2


def test_an_error_is_said_in_the_words_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        answering(monkeypatch, (404, {"detail": "Task not found", "code": "TASK_NOT_FOUND"})),
        Client(URL) as client,
        pytest.raises(CliError, match=r"^Task not found$"),
    ):
        client.task("t")


@pytest.mark.parametrize("answer", ["<html>bad gateway</html>", ["bad"], {}, {"detail": ""}])
def test_an_error_of_another_is_its_status_without_the_password_of_the_url(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    with (
        answering(monkeypatch, (502, answer)),
        Client(URL) as client,
        pytest.raises(CliError, match=r"HTTP 502 from http://") as raised,
    ):
        client.task("t")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("answer", ["hello", "", ["a", "list"], None])
def test_a_success_without_an_object_is_not_ours(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    with (
        answering(monkeypatch, (200, answer)),
        Client(URL) as client,
        pytest.raises(CliError, match=r"What answers at api\.test:8000 is not Celeriac"),
    ):
        client.task("t")


def test_health_that_is_bad_is_an_answer_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, (503, {"status": "unhealthy"}), (500, {"detail": "broken"})), Client(URL) as client:
        assert client.health() == {"status": "unhealthy"}
        with pytest.raises(CliError, match="broken"):
            client.health()


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.InvalidURL("odd")])
def test_where_nobody_answers_it_is_said_how_to_start_one(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    with (
        answering(monkeypatch, error),
        Client(URL) as client,
        pytest.raises(NotReachable, match="celeriac up") as raised,
    ):
        client.workers()
    assert str(error) in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_carry_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    with answering(monkeypatch, (201, {})) as api, Client(URL) as client:
        with pytest.raises(CliError, match="cannot be sent as JSON"):
            client.submit({"task_args": [value]})
        assert api.asked == []


def test_the_key_of_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_API_KEY", "k-1")
    with answering(monkeypatch, (200, {})) as api, Client("http://api.test") as client:
        client.health()
        assert api.asked[0].headers["Authorization"] == "Bearer k-1"


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERIAC_API_KEY", raising=False)
    with answering(monkeypatch, (200, {})) as api, Client("http://api.test") as client:
        client.health()
        assert "Authorization" not in api.asked[0].headers


def test_the_reason_of_the_environment_is_sent_with_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_REASON", "INC-17: \N{LATIN SMALL LETTER E WITH ACUTE}")
    with answering(monkeypatch, (200, {})) as api, Client("http://api.test") as client:
        client.order("one", "pause")
        sent = dict(api.asked[0].headers.raw)[b"X-Celeriac-Reason"]
        assert sent.decode() == "INC-17: \N{LATIN SMALL LETTER E WITH ACUTE}"
    monkeypatch.setenv("CELERIAC_REASON", "two\nlines")
    with pytest.raises(CliError, match=r"^CELERIAC_REASON holds a control character"):
        Client("http://api.test")


@pytest.mark.parametrize("key", ["s3cret\n", "s3cret\r\nX-Other: 1", "s3cr\N{LATIN SMALL LETTER E WITH ACUTE}t"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("CELERIAC_API_KEY", key)
    with pytest.raises(CliError, match=r"^CELERIAC_API_KEY holds a line break") as raised:
        Client("http://api.test")
    assert "s3cr" not in str(raised.value)
