import pytest

from domain.cancels import DONE, StopSignal, can_stop, explain, explain_workflow, strongest_signal, wish
from domain.facts import Fact
from domain.states import EventType, Phase, Status
from domain.workflows.steps import WorkflowStatus
from tests.facts import TASK_ID, after, ours

GENTLE, HARSH = wish(TASK_ID, after(2)), wish(TASK_ID, after(1), signal=StopSignal.SIGKILL)


@pytest.mark.parametrize(
    ("wishes", "signal"),
    [
        ([], None),
        ([ours(EventType.CANCEL_REQUESTED)], "SIGTERM"),
        ([GENTLE], "SIGTERM"),
        ([HARSH, GENTLE], "SIGKILL"),
        ([GENTLE, HARSH], "SIGKILL"),
    ],
)
def test_of_several_wishes_the_harsher_one_counts_in_any_order(wishes: list[Fact], signal: str | None) -> None:
    assert strongest_signal([ours(EventType.SUBMITTED), *wishes]) == signal


def test_a_harsher_wish_is_a_fact_of_its_own_and_a_second_of_its_kind_is_none() -> None:
    assert wish(TASK_ID, after(9)).key == GENTLE.key == ours(EventType.CANCEL_REQUESTED).key != HARSH.key


@pytest.mark.parametrize(
    ("pool", "stops"), [("prefork", True), ("gevent", True), (None, True), ("threads", False), ("solo", False)]
)
def test_not_every_pool_stops_a_run(pool: str | None, stops: bool) -> None:
    assert can_stop(pool) is stops


@pytest.mark.parametrize(
    ("status", "phase", "told", "pool", "words"),
    [
        (Status.CANCELLED, Phase.FINISHED, False, None, DONE),
        (Status.PENDING, Phase.QUEUED, False, None, "cannot be reached"),
        (Status.PENDING, Phase.QUEUED, True, None, "waits in a queue"),
        (Status.PENDING, Phase.RESERVED, True, None, "has fetched the task"),
        (Status.PENDING, Phase.RETRYING, True, None, "next try"),
        (Status.PENDING, Phase.DISPATCHING, True, None, "being handed to the broker"),
        (Status.RUNNING, Phase.RUNNING, True, "prefork", "told to stop"),
        (Status.RUNNING, Phase.RUNNING, True, "threads", "A threads pool cannot stop"),
    ],
)
def test_the_answer_says_how_certain_it_is(
    status: Status, phase: Phase, told: bool, pool: str | None, words: str
) -> None:
    assert words in explain(status, phase, workers_told=told, pool=pool)


def test_where_nobody_reads_the_queue_no_worker_is_said_to_have_been_told() -> None:
    words = explain(Status.PENDING, Phase.QUEUED, workers_told=True, pool=None, is_read=False)
    assert words.startswith("No worker is known to read the task's queue")
    assert "were told" not in words
    assert explain(Status.CANCELLED, Phase.FINISHED, workers_told=True, pool=None, is_read=False) == DONE


@pytest.mark.parametrize(
    ("status", "reached", "sentence"),
    [
        (WorkflowStatus.CANCELLED, False, "Workflow cancelled successfully"),
        (WorkflowStatus.RUNNING, False, "The broker cannot be reached"),
        (WorkflowStatus.RUNNING, True, "Nothing new starts"),
    ],
)
def test_a_cancel_of_a_workflow_says_how_far_it_has_come(status: WorkflowStatus, reached: bool, sentence: str) -> None:
    assert explain_workflow(status, reached=reached).startswith(sentence)
