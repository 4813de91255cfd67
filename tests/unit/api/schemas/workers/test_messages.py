from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from api.schemas.workers.messages import message_of
from domain.workers.control import PLUGIN_VERSION, PROTOCOL
from store.queries.workers.nodes import DEAF, WorkerRow
from tests.facts import NOON

EMPTY: dict[str, Any] = dict.fromkeys(field.name for field in fields(WorkerRow))
USUAL: dict[str, Any] = {
    "worker_id": uuid4(),
    "node": "celery@one",
    "pool": "prefork",
    "concurrency": 4,
    "queues": ["a", "b"],
    "consuming": ["a", "b"],
    "is_paused": False,
    "described_at": NOON,
    "plugin": PLUGIN_VERSION,
    "protocol": PROTOCOL,
    "capabilities": ["pause", "drain", "resize"],
    "autoscales": False,
    "unanswered": 0,
    "running": 0,
    "online": True,
}
DRAINED: dict[str, Any] = {"drain_started_at": NOON, "drain_finished_at": NOON}
STOCK: dict[str, Any] = {"plugin": None, "protocol": None, "capabilities": None}


def message(**told: Any) -> str | None:
    return message_of(WorkerRow(**(EMPTY | USUAL | told)))


def test_of_a_worker_that_is_as_wanted_nothing_is_said() -> None:
    assert message() is None
    assert message(**STOCK) is None
    assert message(online=False) is None
    assert message(capacity=4) is None


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"plugin": "0.0.1"}, f"Its plugin is 0.0.1, this Celeriac brings {PLUGIN_VERSION}"),
        ({"protocol": PROTOCOL + 1}, "what both know holds"),
        ({"protocol": PROTOCOL + 1, "capabilities": []}, "it is treated as a worker without the plugin"),
        ({"unreadable": "application/x-python-serialize"}, "It answers in pickle, which Celeriac does not read"),
        ({"unreadable": "text/odd"}, "It answers in text/odd, which Celeriac does not read"),
        ({"unanswered": DEAF, "described_at": None}, "It has never answered a question"),
        ({"events": False}, "It sends no events of its tasks"),
        ({"capacity": 6}, "It still runs up to 4 tasks at once"),
        ({"capacity": 6, "resize_target": 6}, "It has been told to take on a capacity of 6"),
        ({"capacity": 6, "pool": "solo", **STOCK}, "It cannot be resized while it runs (pool solo): it keeps 4."),
        ({"want_paused": True}, "It has not confirmed the order yet"),
        ({"want_paused": True, **STOCK}, "It cannot be paused exactly"),
    ],
)
def test_what_stands_in_the_way_is_said(told: dict[str, Any], said: str) -> None:
    assert said in (message(**told) or "")


@pytest.mark.parametrize(
    "told",
    [
        {"unanswered": DEAF - 1, "described_at": None},
        {"unanswered": DEAF},
        {"events": True},
        {"events": None},
    ],
)
def test_what_may_still_be_well_is_not_complained_of(told: dict[str, Any]) -> None:
    assert message(**told) is None


def test_a_worker_beside_which_another_of_its_name_is_heard_is_told_of() -> None:
    now = datetime.now(UTC)
    assert "Several workers run under this name" in (message(other_life_at=now) or "")
    assert message(other_life_at=now - timedelta(hours=1)) is None


def test_a_stock_worker_that_stands_still_goes_on_hearing_its_broadcasts() -> None:
    still = {"want_paused": True, "is_paused": True, **STOCK}
    assert "broadcast queues" in (message(**still, consuming=["news"]) or "")
    assert "broadcast queues" not in (message(**still, consuming=[]) or "")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (DRAINED, "It was drained and has exited; its next start is an ordinary one."),
        (DRAINED | {"want_paused": True}, "It was drained and has exited; once it is back, it is paused until"),
        ({"drain_started_at": NOON, "goodbye_at": NOON}, "It has said goodbye and is about to exit."),
        ({"drain_started_at": NOON}, "It went away without a goodbye while it was drained"),
        ({"drain_started_at": NOON, "goodbye_at": NOON, "drain_goodbye_at": NOON}, "It went away without a goodbye"),
        ({"want_paused": True}, "It is offline: once it is back, it is paused until it is resumed."),
        ({"capacity": 2}, "It is offline: what is wanted of it is stored"),
    ],
)
def test_of_a_worker_that_is_away_it_is_said_what_becomes_of_the_wish(told: dict[str, Any], said: str) -> None:
    assert (message(online=False, **told) or "").startswith(said)


def test_a_worker_that_was_told_to_exit_is_said_to_be() -> None:
    told = message(drain_started_at=NOON, drain_shutdown_at=NOON, is_paused=True)
    assert told is not None
    assert told.endswith("It has been told to exit.")
