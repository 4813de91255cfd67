from collections import Counter

from bench.worker_events import EVENTS_PER_TASK, bodies_of, messages_of, result_meta
from domain.fold import fold
from domain.states import Status
from gateway.results.metas import decode_meta
from mirror.decode import decode


def test_every_task_completes_by_its_events() -> None:
    ids = [f"task-{number}" for number in range(1_100)]
    decoded = decode(messages_of(ids))

    assert decoded.refused == 0
    assert set(Counter(fact.task_id for fact in decoded.facts).values()) == {EVENTS_PER_TASK}
    assert len({(fact.task_id, fact.key) for fact in decoded.facts}) == EVENTS_PER_TASK * len(ids)
    state = fold(fact for fact in decoded.facts if fact.task_id == "task-7")
    assert (state.status, len(state.attempts)) == (Status.COMPLETED, 1)


def test_messages_hold_one_to_three_events() -> None:
    bodies = bodies_of([f"task-{number}" for number in range(50)])
    assert {body.count(b'"uuid"') for body in bodies} == {1, 2, 3}


def test_the_stored_result_is_one_that_the_mirror_reads() -> None:
    result = decode_meta("some-id", result_meta("some-id"))
    assert result is not None
    assert (result.status, result.result_json) == (Status.COMPLETED, "5")
