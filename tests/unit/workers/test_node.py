"""What a worker process knows of its starts, whatever Redis answers, and whatever happens while it is asked."""

import pytest
from celeriac_worker.gate import Admission, GateUnreachableError
from celeriac_worker.node import ACCEPT_SECONDS, Node
from celery.worker import state

from tests.fakes.gates import RUN, Asking, ToldGate, node_with


@pytest.fixture
def gate() -> ToldGate:
    return ToldGate()


@pytest.fixture
def changes() -> list[str]:
    """One for each time that the node has said that it begins or ends to stand still."""
    return []


@pytest.fixture
def node(gate: ToldGate, changes: list[str]) -> Node:
    return node_with(gate, on_change=lambda: changes.append("changed"))


@pytest.fixture
def active(monkeypatch: pytest.MonkeyPatch) -> set[object]:
    """What Celery says is running."""
    running: set[object] = set()
    monkeypatch.setattr(state, "active_requests", running)
    return running


def test_a_start_is_asked_for_by_task_and_delivery_and_kept(node: Node, gate: ToldGate) -> None:
    request = Asking()
    assert node.admit(request) is Admission.GO
    assert (request.admitted, node.runs(RUN)) == (True, True)
    assert gate.asked == [("may_start", "t", RUN, False)]


def test_of_a_worker_that_was_silent_before_it_is_asked_whether_that_means_death(node: Node, gate: ToldGate) -> None:
    node.admit(Asking(found_silence=True))
    assert gate.asked == [("may_start", "t", RUN, True)]


def test_a_second_delivery_of_what_has_started_here_is_refused_without_asking(node: Node, gate: ToldGate) -> None:
    node.admit(Asking())
    second = Asking()
    assert node.admit(second) is Admission.RUNNING
    assert (second.admitted, len(gate.asked)) == (False, 1)


def test_messages_of_others_have_no_delivery_and_start_as_often_as_they_come(node: Node, gate: ToldGate) -> None:
    requests = [Asking(run_key=None), Asking(run_key=None)]
    assert [node.admit(request) for request in requests] == [Admission.GO] * 2
    assert not node.runs(None)
    node.release(requests[0])
    assert gate.told("release") == []


@pytest.mark.parametrize(
    "admission", [Admission.CANCELLED, Admission.RUNNING, Admission.SILENT, Admission.FINISHED, Admission.PAUSED]
)
def test_what_is_refused_does_not_run_here(node: Node, gate: ToldGate, admission: Admission) -> None:
    gate.admission = admission
    request = Asking()
    assert node.admit(request) is admission
    assert (request.admitted, node.runs(RUN)) == (False, False)
    assert node.paused is (admission is Admission.PAUSED)


@pytest.mark.parametrize("admission", [Admission.CANCELLED, Admission.RUNNING, Admission.SILENT, Admission.FINISHED])
def test_the_start_of_another_is_not_given_up_because_it_was_refused_to_us(
    node: Node, gate: ToldGate, admission: Admission
) -> None:
    gate.admission = admission
    node.admit(Asking())
    node.write_down_ends()
    assert gate.told("release") == []


def test_while_it_stands_still_nothing_is_asked(node: Node, gate: ToldGate) -> None:
    node.order(paused=True)
    assert node.admit(Asking()) is Admission.PAUSED
    node.order(paused=False)
    node.blind = True
    assert node.admit(Asking()) is Admission.PAUSED
    assert gate.asked == []


def test_a_pause_that_comes_while_redis_says_go_wins_and_the_start_is_taken_back(node: Node, gate: ToldGate) -> None:
    gate.meanwhile = lambda: node.order(paused=True)
    request = Asking()
    assert node.admit(request) is Admission.PAUSED
    gate.meanwhile = print
    node.write_down_ends()
    assert (request.admitted, node.runs(RUN), gate.told("release")) == (False, False, [(RUN,)])
    node.write_down_ends()
    assert gate.told("release") == [(RUN,)], "said once"


def test_a_message_that_went_back_to_its_queue_meanwhile_does_not_start(node: Node, gate: ToldGate) -> None:
    request = Asking()
    gate.meanwhile = lambda: node.take_back(request)
    assert node.admit(request) is Admission.PAUSED
    assert (request.admitted, node.stands_still) == (False, False)


def test_a_resume_that_comes_while_redis_says_paused_is_not_undone(node: Node, gate: ToldGate) -> None:
    gate.admission = Admission.PAUSED
    gate.meanwhile = lambda: node.order(paused=False)
    assert node.admit(Asking()) is Admission.PAUSED
    assert not node.paused


def test_without_an_answer_the_worker_stands_still_and_says_so_once(
    node: Node, gate: ToldGate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.away = True
    assert [node.admit(Asking()), node.admit(Asking(id="u"))] == [Admission.PAUSED] * 2
    assert (node.blind, node.paused, node.stands_still) == (True, False, True)
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "Redis does not answer (ConnectionError): no task is started until it does."


def test_what_another_thread_has_found_out_meanwhile_is_not_said_again(
    node: Node, gate: ToldGate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.away = True
    gate.meanwhile = lambda: setattr(node, "blind", True)
    assert node.admit(Asking()) is Admission.PAUSED
    assert caplog.records == []


def test_a_start_whose_answer_was_lost_is_taken_back_once_redis_answers(node: Node, gate: ToldGate) -> None:
    gate.away = True
    node.admit(Asking())
    with pytest.raises(GateUnreachableError):
        node.write_down_ends()
    gate.away = False
    node.show_life()
    node.write_down_ends()
    assert gate.told("release") == [(RUN,)]


def test_a_delivery_that_starts_after_its_answer_was_lost_is_not_taken_back(node: Node, gate: ToldGate) -> None:
    gate.away = True
    node.admit(Asking())
    gate.away = False
    node.show_life()
    assert node.admit(Asking()) is Admission.GO
    node.write_down_ends()
    assert (gate.told("release"), node.runs(RUN)) == ([], True)


def test_a_request_is_taken_back_once_and_never_after_its_start(node: Node) -> None:
    waiting, started = Asking(), Asking(admitted=True)
    assert [node.take_back(waiting), node.take_back(waiting), node.take_back(started)] == [True, False, False]
    assert started.was_put_back is False


def test_a_sign_of_life_tells_of_a_pause_that_was_found_and_of_its_end(
    node: Node, gate: ToldGate, changes: list[str]
) -> None:
    node.show_life()
    assert (node.paused, changes) == (False, [])
    gate.paused = True
    node.show_life()
    node.show_life()
    assert (node.paused, changes) == (True, ["changed"])
    gate.paused = False
    node.show_life()
    assert (node.paused, changes) == (False, ["changed"] * 2)


def test_the_first_answer_after_an_outage_ends_the_standing_still(
    node: Node, gate: ToldGate, changes: list[str]
) -> None:
    node.blind = gate.away = True
    with pytest.raises(GateUnreachableError):
        node.show_life()
    assert (node.blind, changes) == (True, [])
    gate.away = False
    node.show_life()
    assert (node.blind, changes) == (False, ["changed"])


def test_a_paused_worker_that_sees_redis_again_stays_paused_without_a_word(
    node: Node, gate: ToldGate, changes: list[str]
) -> None:
    node.paused = node.blind = gate.paused = True
    node.show_life()
    assert (node.blind, node.stands_still, changes) == (False, True, [])


def test_an_order_is_newer_than_the_key_that_was_read_before_it(node: Node, gate: ToldGate) -> None:
    gate.paused = True
    gate.meanwhile = lambda: node.order(paused=False)
    node.show_life()
    assert not node.paused


def test_an_end_is_told_once_the_pool_had_it_and_celery_runs_it_no_more(
    node: Node, gate: ToldGate, active: set[object]
) -> None:
    request = Asking()
    node.admit(request)
    node.write_down_ends()
    request.accepted = True
    active.add(request)
    node.write_down_ends()
    assert (gate.told("finish"), node.runs(RUN)) == ([], True)
    active.clear()
    node.write_down_ends()
    assert (gate.told("finish"), gate.told("release"), node.runs(RUN)) == ([(RUN,)], [], False)


def test_an_end_that_redis_did_not_hear_is_told_again(node: Node, gate: ToldGate, active: set[object]) -> None:
    request = Asking()
    node.admit(request)
    request.accepted = gate.away = True
    with pytest.raises(GateUnreachableError):
        node.write_down_ends()
    assert node.runs(RUN)
    gate.away = False
    node.write_down_ends()
    assert gate.told("finish") == [(RUN,)]


def test_a_run_that_celery_ends_for_another_delivery_is_taken_back_and_has_not_finished(
    node: Node, gate: ToldGate, active: set[object]
) -> None:
    request = Asking()
    node.admit(request)
    request.accepted = request.was_cancelled = True
    active.add(request)
    node.write_down_ends()
    assert gate.told("release") == [], "it is not over yet"
    active.clear()
    node.write_down_ends()
    assert (gate.told("finish"), gate.told("release")) == ([], [(RUN,)])


@pytest.mark.parametrize(("seconds", "released"), [(ACCEPT_SECONDS - 1, []), (ACCEPT_SECONDS + 1, [(RUN,)])])
def test_a_start_that_no_pool_takes_on_is_taken_back_after_ten_seconds(
    node: Node, gate: ToldGate, active: set[object], seconds: float, released: list[tuple[str]]
) -> None:
    request = Asking()
    node.admit(request)
    request.asked_at -= seconds
    node.write_down_ends()
    assert (gate.told("release"), node.runs(RUN)) == (released, not released)


def test_what_goes_back_to_its_queue_may_be_started_by_the_next(node: Node, gate: ToldGate) -> None:
    request = Asking()
    node.release(request)
    assert gate.told("release") == [], "it has never started"
    node.admit(request)
    node.release(request)
    assert (gate.told("release"), node.runs(RUN)) == ([(RUN,)], False)


def test_what_went_back_while_redis_was_away_is_released_later(node: Node, gate: ToldGate) -> None:
    request = Asking()
    node.admit(request)
    gate.away = True
    node.release(request)
    assert not node.runs(RUN)
    gate.away = False
    node.write_down_ends()
    assert gate.told("release") == [(RUN,)]


def test_each_process_has_a_boot_of_its_own() -> None:
    assert node_with(ToldGate()).boot_id != node_with(ToldGate()).boot_id
