"""What the commands of a client ask of the API, what they print, and with what code they end."""

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli import progress, workflow_tree
from cli.commands import events, workers
from cli.errors import CliError
from cli.main import COMMANDS, application
from tests.unit.cli.apis import answering


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (progress, workers, workflow_tree, events):
        monkeypatch.setattr(f"{module.__name__}.time.sleep", lambda _: None)


def run(*arguments: str) -> Result:
    """Raises what the command raises."""
    result = CliRunner().invoke(application(list(arguments)), list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def task(status: str, **more: object) -> tuple[int, dict[str, object]]:
    return 200, {"task_id": "t-1", "status": status, **more}


def test_help_lists_every_command_and_loads_none() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert [name for name in COMMANDS if name not in result.output] == []


def test_a_submission_names_only_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, task("PENDING")) as api:
        assert run("submit", "shop.pay").exit_code == 0
        run("submit", "shop.pay", "--args", "[1]", "--kwargs", '{"a": 2}', "--priority", "9", "--queue", "q")
        assert api.bodies == [
            {"task_name": "shop.pay", "task_args": [], "task_kwargs": {}},
            {"task_name": "shop.pay", "task_args": [1], "task_kwargs": {"a": 2}, "priority": 9, "queue_name": "q"},
        ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--args", "{"), "--args is not JSON"),
        (("--args", "{}"), "--args must be a JSON array"),
        (("--kwargs", "[]"), "--kwargs must be a JSON object"),
        (("--args", "[NaN]"), "cannot be sent as JSON"),
        (("--args", "[" * 100_000), "--args is nested too deeply"),
    ],
)
def test_arguments_that_cannot_be_sent_are_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    with answering(monkeypatch, task("PENDING")) as api:
        with pytest.raises(CliError, match=said):
            run("submit", "shop.pay", *arguments)
        assert api.asked == []


@pytest.mark.parametrize(("end", "code"), [("COMPLETED", 0), ("FAILED", 1), ("CANCELLED", 1)])
def test_a_submission_that_waits_ends_as_its_task_does(monkeypatch: pytest.MonkeyPatch, end: str, code: int) -> None:
    answers = [task("PENDING"), task("RUNNING"), task(end, result_pending=True), task(end, result=7)]
    with answering(monkeypatch, *answers) as api:
        result = run("submit", "shop.pay", "--wait", "--json")
        assert (result.exit_code, json.loads(result.stdout)["result"]) == (code, 7)
        assert api.lines == ["POST /api/v1/tasks", *["GET /api/v1/tasks/t-1"] * 3]


def test_an_api_that_restarts_while_a_task_is_followed_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, task("PENDING"), httpx.ConnectError("refused"), task("COMPLETED")) as api:
        assert run("submit", "shop.pay", "--wait", "--json").exit_code == 0
        assert len(api.asked) == 3


def test_an_api_that_stays_away_while_a_task_is_followed_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", -1.0)
    with (
        answering(monkeypatch, task("PENDING"), httpx.ConnectError("refused")),
        pytest.raises(CliError, match="No answer from"),
    ):
        run("submit", "shop.pay", "--wait", "--json")


def test_a_task_is_shown_without_what_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, task("FAILED", error="ValueError: no", traceback="Trace", queue_name=None)):
        shown = run("task", "t-1").stdout
        assert "ValueError: no" in shown
        assert not [word for word in ("Trace", "queue_name") if word in shown]
        assert json.loads(run("task", "t-1", "--json").stdout)["traceback"] == "Trace"


WORKER = {
    "hostname": "one",
    "status": "ACTIVE",
    "current_tasks": 2,
    "capacity": None,
    "pool": "prefork",
    "queues": ["a", "b"],
    "plugin": None,
    "converged": True,
}


def test_workers_are_listed_with_empty_cells_for_what_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with answering(monkeypatch, (200, {"data": [WORKER]})):
        head, row = run("workers", "list").stdout.splitlines()
        assert head.split()[:3] == ["hostname", "status", "current"]
        assert row.split() == ["one", "ACTIVE", "2", "prefork", '["a",', '"b"]', "true"]
        assert json.loads(run("workers", "list", "--json").stdout) == [WORKER]


@pytest.mark.parametrize(
    ("arguments", "line", "body"),
    [
        (("show", "one"), "GET /api/v1/workers/one", []),
        (("pause", "one"), "PATCH /api/v1/workers/one/pause", []),
        (("resume", "one"), "PATCH /api/v1/workers/one/resume", []),
        (("capacity", "one", "4"), "PATCH /api/v1/workers/one/capacity", [{"capacity": 4}]),
        (("drain", "one"), "POST /api/v1/workers/one/drain", [{"deadline_seconds": None}]),
        (("drain", "one", "--deadline", "9"), "POST /api/v1/workers/one/drain", [{"deadline_seconds": 9}]),
    ],
)
def test_an_order_to_a_worker_is_one_request(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], line: str, body: list[object]
) -> None:
    with answering(monkeypatch, (200, {"hostname": "one"})) as api:
        assert "one" in run("workers", *arguments).stdout
        assert (api.lines, api.bodies) == ([line], body)


@pytest.mark.parametrize(("end", "code"), [("drained", 0), ("overdue", 1)])
def test_a_drain_is_waited_for_until_it_is_over_or_overdue(
    monkeypatch: pytest.MonkeyPatch, end: str, code: int
) -> None:
    states = [(200, {"state": state}) for state in ("draining", "draining", end)]
    with answering(monkeypatch, *states) as api:
        result = run("workers", "drain", "one", "--wait", "--json")
        assert (result.exit_code, json.loads(result.stdout)) == (code, {"state": end})
        assert len(api.asked) == 3


def test_a_workflow_is_cancelled_in_the_words_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, (200, {"message": "It stops."})) as api:
        assert run("workflow", "cancel", "w").stdout == "It stops.\n"
        assert api.lines == ["POST /api/v1/workflows/w/cancel"]


@pytest.mark.parametrize(("end", "code"), [("COMPLETED", 0), ("FAILED", 1)])
def test_a_workflow_that_is_waited_for_ends_as_it_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str, code: int
) -> None:
    file = tmp_path / "w.json"
    file.write_text('{"name": "n", "steps": []}')
    last = {"workflow_id": "w", "name": "n", "status": end, "steps": [], "step_count": 0, "unfinished_steps": 0}
    with answering(monkeypatch, (201, {"workflow_id": "w"}), (200, last)) as api:
        result = run("workflow", "run", str(file), "--wait", "--json")
        assert (result.exit_code, json.loads(result.stdout)) == (code, last)
        assert api.bodies == [{"name": "n", "steps": []}]


def workflow(status: str) -> tuple[int, object]:
    body = {"workflow_id": "w", "name": "n", "status": status, "steps": [], "step_count": 0, "unfinished_steps": 0}
    return 200, body


def test_a_workflow_is_shown_until_its_end_or_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [workflow("RUNNING"), workflow("RUNNING"), workflow("FAILED")]
    with answering(monkeypatch, *answers) as api:
        shown = run("workflow", "show", "w")
        assert (shown.exit_code, len(api.asked)) == (0, 3)
        assert "FAILED" in shown.stdout
    for option in ("--once", "--json"):
        with answering(monkeypatch, workflow("RUNNING")) as api:
            assert "RUNNING" in run("workflow", "show", "w", option).stdout
            assert len(api.asked) == 1


@pytest.mark.parametrize(("wait", "end", "code"), [(False, "FAILED", 0), (True, "FAILED", 1), (True, "COMPLETED", 0)])
def test_a_workflow_that_goes_on_is_waited_for_only_where_asked(
    monkeypatch: pytest.MonkeyPatch, wait: bool, end: str, code: int
) -> None:
    with answering(monkeypatch, (200, {}), workflow(end)) as api:
        assert run("workflow", "retry", "w", "--json", *(["--wait"] if wait else [])).exit_code == code
        assert api.lines == ["POST /api/v1/workflows/w/retry", "GET /api/v1/workflows/w"]


def test_a_submission_may_say_no_retries_and_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zero is said; only what was not given is left out."""
    with answering(monkeypatch, task("PENDING")) as api:
        run("submit", "shop.pay", "--max-retries", "0", "--timeout", "0", "--at", "2026-01-24T10:30:00Z")
        (body,) = api.bodies
        assert (body["max_retries"], body["timeout_seconds"], body["scheduled_at"]) == (0, 0, "2026-01-24T10:30:00Z")


def test_settings_are_listed_with_their_variables_and_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_DATABASE_URL", "postgresql://u:s3cret@db.test/x")
    monkeypatch.setenv("CELERIAC_API_KEYS", "k-s3cret-key-of-this-test")
    told = run("settings", "--json").stdout
    rows = {row["variable"]: row for row in json.loads(told)}
    assert "db.test" in rows["CELERIAC_DATABASE_URL"]["value"]
    assert all(row["meaning"] for row in rows.values())
    assert "s3cret" not in told
    assert "s3cret" not in run("settings").stdout


def changes(*task_ids: str, cursor: str, has_more: bool = False, reset: bool = False) -> tuple[int, dict[str, object]]:
    data = [
        {"type": "task.failed", "timestamp": "2026-03-01T12:00:00Z", "data": {"task_id": task_id, "attempt": 1}}
        for task_id in task_ids
    ]
    gap = {"from": "a", "to": "b", "reason": "no longer kept"} if reset else None
    return 200, {"data": data, "next_cursor": cursor, "has_more": has_more, "reset": reset, "gap": gap}


def test_changes_are_listed_over_pages_until_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = changes("a", cursor="1", has_more=True), changes("b\nc", cursor="2", has_more=True)
    with answering(monkeypatch, *pages) as api:
        result = run("events", "--limit", "2", "--type", "task.*", "--queue-name", "etl")
    assert result.stdout.splitlines()[0] == "2026-03-01T12:00:00Z task.failed task_id=a attempt=1"
    assert len(result.stdout.splitlines()) == 2
    query = "types=task.%2A&queue_name=etl"
    assert api.lines == [
        f"GET /api/v1/events?{query}&limit=2",
        f"GET /api/v1/events?{query}&after=1&limit=1",
    ]


def test_changes_are_followed_over_a_restart_behind_the_cursor_of_the_last_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = httpx.ConnectError("refused")
    pages = changes("a", cursor="1"), away, away, changes("b", cursor="2", reset=True), (401, {"detail": "No key"})
    with answering(monkeypatch, *pages) as api, pytest.raises(CliError, match="No key"):
        run("events", "--follow", "--json")
    assert [request.url.params["after"] for request in api.asked] == ["now", "1", "1", "1", "2"]


def test_what_was_missed_is_said_on_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, changes("a", cursor="1", reset=True)):
        result = run("events", "--json", "--after", "0")
    assert json.loads(result.stdout)["data"]["task_id"] == "a"
    assert "no longer kept" in result.stderr
    assert "another database" in result.stderr
