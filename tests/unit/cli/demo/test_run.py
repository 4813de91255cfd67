from typing import Any

import pytest

from cli.client import Client
from cli.demo.run import keep_open, open_shop, refuse_foreign
from cli.errors import CliError
from tests.unit.cli.apis import Api, answering

Json = dict[str, Any]
ANSWER: Json = {"task_id": "t-1", "task_ids": [], "workflow_id": "w", "status": "FAILED", "consumers": 0, "data": []}


def worker(name: str, **more: Any) -> Json:
    return {"hostname": name, "status": "ACTIVE", "plugin": "1", "is_draining": False} | more


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait is over at its second look."""
    hours = iter(range(0, 10**6, 100))
    monkeypatch.setattr("cli.demo.run.time.monotonic", lambda: next(hours))
    monkeypatch.setattr("cli.demo.run.time.sleep", lambda _: None)


def opened(monkeypatch: pytest.MonkeyPatch, **answer: Any) -> tuple[str, Api]:
    told: list[str] = []
    with answering(monkeypatch, (200, ANSWER | answer)) as api, Client("http://h") as client:
        open_shop(client, url="http://h", tell=told.append)
    return "\n".join(told), api


def test_it_fills_every_kind_of_page_and_drains_the_last_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    told, api = opened(monkeypatch, data=[worker("b@h"), worker("c@h", status="OFFLINE"), worker("a@h")])
    assert "of 6 kinds" in told
    assert "Nobody consumes the queue label-printer" in told
    assert (
        "Told b@h to drain: it ends what it runs and exits; until then `celeriac workers resume b@h --url http://h`"
        in told
    )
    for line in ("tasks/batch", "tasks/t-1/cancel", "tasks/t-1/replay", "workflows", "workers/b@h/drain"):
        assert f"POST /api/v1/{line}" in api.lines


def test_where_there_is_one_worker_or_the_queue_is_taken_on_it_says_how_to_have_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, api = opened(monkeypatch, data=[worker("a@h"), worker("s@h", plugin=None)], consumers=1)
    assert "`CELERIAC_ADOPT_QUEUES=false celeriac up`" in told
    assert "`celeriac up --workers 2`" in told
    assert not [line for line in api.lines if "drain" in line]


def test_where_nothing_is_worked_on_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told, api = opened(monkeypatch, status="PENDING")
    assert "is a worker running?" in told
    assert not [line for line in api.lines if "replay" in line]


def test_it_stays_away_from_a_fleet_with_tasks_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def names(*known: str) -> tuple[int, Json]:
        return 200, {"data": [{"task_name": name, "known_by": 1} for name in known]}

    with Client("http://h") as client:
        with answering(monkeypatch, names("celeriac.echo", "celery.chord")):
            refuse_foreign(client)
        with answering(monkeypatch, (200, {"data": [{"task_name": "was.once", "known_by": 0}]})):
            refuse_foreign(client)
        foreign = names("celeriac.echo", "shop.d", "shop.c", "shop.b", "shop.a")
        with answering(monkeypatch, foreign), pytest.raises(CliError, match=r"\(shop\.a, shop\.b, shop\.c, \.\.\.\)"):
            refuse_foreign(client)


def test_it_is_kept_open_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, (200, ANSWER)) as api, Client("http://h") as client:
        keep_open(client, minutes=30)
    tasks, workflow = "POST /api/v1/tasks/batch", "POST /api/v1/workflows"
    assert api.lines == [*[tasks] * 15, workflow, tasks, tasks]
