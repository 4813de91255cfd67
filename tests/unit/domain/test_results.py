import pytest

from domain.facts import BACKEND
from domain.results import StoredResult
from domain.states import EventType, Status
from tests.facts import NODE, NOON, TASK_ID, after


@pytest.mark.parametrize(
    ("state", "status"),
    [("SUCCESS", Status.COMPLETED), ("FAILURE", Status.FAILED), ("REVOKED", None), ("RETRY", None), ("STARTED", None)],
)
def test_only_success_and_failure_prove_an_end(state: str, status: Status | None) -> None:
    assert StoredResult(TASK_ID, state).status is status


def test_an_end_is_a_fact_of_its_attempt_and_node() -> None:
    result = StoredResult(
        TASK_ID,
        "FAILURE",
        exception_type="ValueError",
        exception_message="no such order",
        traceback="Trace",
        date_done=NOON,
        retries=2,
        worker=NODE,
    )
    fact = result.as_fact(seen_at=after(9))
    assert (fact.type, fact.at, fact.node, fact.retries, fact.source) == (EventType.FAILED, NOON, NODE, 2, BACKEND)
    assert (fact.details["exception"], fact.details["traceback"]) == ("ValueError: no such order", "Trace")
    assert fact.key == "backend:failed:2:20260301T120000.000000", "the same id may fail again another day"


def test_without_the_time_of_its_end_the_time_of_the_look_counts() -> None:
    fact = StoredResult(TASK_ID, "SUCCESS").as_fact(seen_at=after(9))
    assert (fact.at, fact.type, fact.key) == (after(9), EventType.SUCCEEDED, "backend:succeeded:0")


def test_a_success_has_no_error() -> None:
    assert StoredResult(TASK_ID, "SUCCESS").error is None


@pytest.mark.parametrize(
    ("state", "unreadable", "is_unread"),
    [
        ("", "is pickled", True),
        ("STARTED", "is pickled", True),
        ("SUCCESS", "is pickled", False),
        ("STARTED", None, False),
    ],
)
def test_a_result_is_unread_where_it_does_not_even_say_whether_it_is_an_end(
    state: str, unreadable: str | None, *, is_unread: bool
) -> None:
    assert StoredResult(TASK_ID, state, unreadable=unreadable).is_unread is is_unread
