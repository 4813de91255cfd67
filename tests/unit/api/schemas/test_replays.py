"""What may differ in a replay: left out is as it was, null is without."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.schemas.replays import TaskReplay
from tests.facts import NOON


def changes(**fields: Any) -> dict[str, Any]:
    return TaskReplay.model_validate(fields).changes()


def test_what_is_left_out_is_no_change() -> None:
    assert changes() == {}


def test_arguments_become_json_texts_under_the_names_of_a_submission() -> None:
    assert changes(task_args=[1, "ж"], task_kwargs={}) == {"args": '[1, "\\u0436"]', "kwargs": "{}"}


def test_null_takes_a_limit_or_a_time_away() -> None:
    assert changes(timeout_seconds=None, scheduled_at=None) == {"timeout_seconds": None, "scheduled_at": None}


def test_what_is_said_is_kept() -> None:
    said = changes(
        priority=10, queue_name="q", max_retries=0, timeout_seconds=1, scheduled_at="2026-03-01T13:00:00+01:00"
    )
    assert said == {
        "priority": 10,
        "queue_name": "q",
        "max_retries": 0,
        "timeout_seconds": 1,
        "scheduled_at": NOON,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": None},
        {"priority": 11},
        {"priority": "5"},
        {"task_args": None},
        {"task_args": {}},
        {"task_kwargs": []},
        {"task_args": ["\x00"]},
        {"queue_name": ""},
        {"queue_name": "a\nb"},
        {"max_retries": -1},
        {"max_retries": 101},
        {"timeout_seconds": 0},
        {"timeout_seconds": 86_401},
        {"scheduled_at": "2026-03-01T13:00:00"},
        {"scheduled_at": "tomorrow"},
        {"task_name": "another"},
    ],
)
def test_what_a_replay_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        changes(**fields)
