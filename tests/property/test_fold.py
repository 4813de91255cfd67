import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.facts import Fact, distinct
from domain.fold import TaskState, fold
from domain.states import TRANSITIONS, AttemptState, EventType, Phase, Status
from domain.timeline import TimelineEntry, timeline
from tests.facts import TASK_ID, ours
from tests.property.histories import ENDS, FAILED, REJECTED, histories, messy_histories, replacements, uses

BEFORE_AND_AFTER = {(before, event, after) for before, event, after in TRANSITIONS}
END_OF_A_RUN = {*ENDS, EventType.LOST}
HERE = ours(EventType.SUBMITTED, at=-7200, scheduled=False)


def exactly(state: TaskState | list[TimelineEntry]) -> str:
    """Everything there is to see, to the last detail."""
    return json.dumps(asdict(state) if isinstance(state, TaskState) else list(map(asdict, state)), default=str)


@given(messy_histories(), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_state_and_timeline(
    facts: list[Fact], random: st.DataObject
) -> None:
    again = facts + [fact for fact in facts if random.random() < 0.5]  # type: ignore[attr-defined]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert exactly(fold(again)) == exactly(fold(facts))
    assert exactly(timeline(again)) == exactly(timeline(facts))


def _begun(state: TaskState) -> datetime:
    """When the latest use of the id began; the first has always been there."""
    return state.renewed_at or datetime.min.replace(tzinfo=UTC)


@given(messy_histories(), st.data())
def test_a_success_is_undone_by_another_use_of_the_id_alone(facts: list[Fact], data: st.DataObject) -> None:
    before, after = fold(facts[: data.draw(st.integers(0, len(facts)))]), fold(facts)
    if before.status is Status.COMPLETED:
        # Not by its number: what is told of an earlier use may show that two of them were one.
        assert after.status is Status.COMPLETED or _begun(after) > _begun(before)


@given(messy_histories(), st.data())
def test_an_end_of_a_task_of_ours_is_left_only_for_another_end(facts: list[Fact], data: st.DataObject) -> None:
    """But for one of which nobody told how it was, and for the loss of one of several copies."""
    facts = [HERE, *facts]
    before = fold(facts[: data.draw(st.integers(0, len(facts)))])
    if before.status is Status.COMPLETED or certain_ends(before):
        assert fold(facts).phase is Phase.FINISHED


def certain_ends(state: TaskState) -> bool:
    certain = (AttemptState.FAILED, AttemptState.REVOKED)
    return state.phase is Phase.FINISHED and any(attempt.state in certain for attempt in state.attempts)


@given(messy_histories())
def test_every_fact_of_a_worker_belongs_to_exactly_one_attempt(facts: list[Fact]) -> None:
    attached = [fact.key for attempt in fold(facts).attempts for fact in attempt.facts]
    assert sorted(attached) == sorted(fact.key for fact in distinct(facts) if fact.node or fact.source == "backend")


@given(messy_histories())
def test_attempts_are_numbered_from_one_and_grow_by_retries(facts: list[Fact]) -> None:
    attempts = fold(facts).attempts
    assert [attempt.number for attempt in attempts] == list(range(1, len(attempts) + 1))
    order = [(attempt.story, attempt.retries, attempt.delivery) for attempt in attempts]
    assert order == sorted(order)
    assert len(set(order)) == len(order)


@given(messy_histories())
def test_durations_are_never_negative(facts: list[Fact]) -> None:
    state = fold(facts)
    assert state.duration_seconds is None or state.duration_seconds >= 0


@given(messy_histories())
def test_no_run_ends_before_it_began_and_each_takes_what_was_measured(facts: list[Fact]) -> None:
    for attempt in fold(facts).attempts:
        if attempt.started_at and attempt.finished_at:
            took = (attempt.finished_at - attempt.started_at).total_seconds()
            assert took >= 0
            assert attempt.runtime_seconds is None or abs(took - attempt.runtime_seconds) < 1e-6


@given(messy_histories())
def test_an_end_has_a_time_and_what_goes_on_has_none(facts: list[Fact]) -> None:
    state = fold(facts)
    assert (state.completed_at is not None) is (state.phase is Phase.FINISHED)


@given(messy_histories())
def test_each_attempt_reads_from_cause_to_effect_whatever_the_clocks_say(facts: list[Fact]) -> None:
    entries = timeline(facts)
    numbers = [entry.attempt for entry in entries if entry.attempt is not None]
    assert numbers == sorted(numbers)
    for number in set(numbers):
        assert_causal([entry.type for entry in entries if entry.attempt == number])


def assert_causal(types: Sequence[EventType]) -> None:
    """Received before started before any end."""
    steps = [(EventType.RECEIVED, EventType.REDELIVERED), (EventType.STARTED,), END_OF_A_RUN]
    ranks = [rank for event_type in types for rank, step in enumerate(steps) if event_type in step]
    assert ranks == sorted(ranks), types


@given(histories())
def test_a_fully_heard_life_moves_only_along_the_table_of_transitions(facts: list[Fact]) -> None:
    assume(not fold(facts).story)  # clocks that are an hour apart make two uses of the id of one
    phase = fold(facts[:1]).phase
    for heard in range(2, len(facts) + 1):
        event, after = facts[heard - 1], fold(facts[:heard]).phase
        if after is not phase:
            assert (phase, event.type, after) in BEFORE_AND_AFTER
        phase = after


@given(histories())
def test_a_fully_heard_life_has_an_attempt_for_each_received(facts: list[Fact]) -> None:
    attempts = fold(facts).attempts
    assert len(attempts) == sum(fact.type is EventType.RECEIVED for fact in facts)
    for attempt in attempts:
        ends = [fact.type for fact in attempt.facts if fact.type in END_OF_A_RUN]
        assert ends[1:] in ([], [FAILED], [REJECTED])
        assert (attempt.state in (AttemptState.RECEIVED, AttemptState.STARTED)) is (not ends)


@given(histories())
def test_a_fully_heard_life_reads_as_it_went(facts: list[Fact]) -> None:
    """But for the two ends of one run, whose order says nothing, and a cancel request, which has no cause.

    Several deliveries of one attempt are ordered by nothing but their nodes' clocks, so lives with them are left out.
    """
    assume(all(attempt.delivery == 1 and not attempt.story for attempt in fold(facts).attempts))
    skipped = {FAILED, REJECTED, EventType.CANCEL_REQUESTED}
    shown = [entry.type for entry in timeline(facts)]
    assert [event for event in shown if event not in skipped] == [
        fact.type for fact in facts if fact.type not in skipped
    ]


@given(uses(), st.randoms(use_true_random=False))
def test_an_id_that_is_used_again_tells_of_its_last_use(lives: list[list[Fact]], random: st.DataObject) -> None:
    facts = [fact for life in lives for fact in life]
    random.shuffle(facts)  # type: ignore[attr-defined]
    state, last = fold(facts), fold(lives[-1])
    assert (state.status, state.phase, state.started_at, state.completed_at, state.exception) == (
        last.status,
        last.phase,
        last.started_at,
        last.completed_at,
        last.exception,
    )
    assert state.story == len(lives) - 1
    assert len(state.attempts) == sum(len(fold(life).attempts) for life in lives)
    assert exactly(fold(facts)) == exactly(fold(sorted(facts, key=lambda fact: fact.at)))


@given(replacements(), st.randoms(use_true_random=False))
def test_a_task_that_was_replaced_again_and_again_is_what_took_its_place_last(
    facts: list[Fact], random: st.DataObject
) -> None:
    last = facts[-1]
    random.shuffle(facts)  # type: ignore[attr-defined]
    *replaced, state = [attempt.state for attempt in fold(facts).attempts]
    assert set(replaced) == {AttemptState.REPLACED}
    assert fold(facts).phase is (Phase.FINISHED if last.type in ENDS else Phase.RUNNING)
    assert state is (AttemptState.STARTED if last.type is EventType.STARTED else AttemptState[last.type.name])
    assert {fact.task_id for fact in facts} == {TASK_ID}
