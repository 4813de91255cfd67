from domain.states import (
    ATTEMPT_RANK,
    ENDED,
    PHASE_OF_ATTEMPT,
    STATUS_OF_ATTEMPT,
    TERMINAL,
    TRANSITIONS,
    AttemptState,
    EventType,
    Phase,
    Status,
)


def test_finished_is_left_by_nothing_but_another_run() -> None:
    assert [step for step in TRANSITIONS if step[0] is Phase.FINISHED] == [
        (Phase.FINISHED, EventType.RECEIVED, Phase.RESERVED)
    ]


def test_every_phase_leads_to_the_end() -> None:
    reached = {Phase.FINISHED}
    for _ in Phase:
        reached |= {before for before, _, after in TRANSITIONS if after in reached}
    assert reached == set(Phase)


def test_every_phase_but_the_first_ones_is_reached() -> None:
    assert {after for _, _, after in TRANSITIONS} == set(Phase) - {Phase.SCHEDULED}


def test_one_event_leads_from_a_phase_to_one_other() -> None:
    """But for a loss, which the task's message may survive or not."""
    certain = [step for step in TRANSITIONS if step[1] is not EventType.LOST]
    assert len({(before, event) for before, event, _ in certain}) == len(certain)


def test_a_success_outranks_a_failure_outranks_a_revoke_outranks_not_knowing() -> None:
    ranked = sorted(STATUS_OF_ATTEMPT, key=ATTEMPT_RANK.__getitem__)
    assert ranked == [AttemptState.UNKNOWN, AttemptState.REVOKED, AttemptState.FAILED, AttemptState.SUCCEEDED]


def test_an_attempt_that_has_not_ended_ranks_below_every_end() -> None:
    unended = set(AttemptState) - ENDED
    assert max(ATTEMPT_RANK[state] for state in unended) < min(ATTEMPT_RANK[state] for state in ENDED)


def test_every_attempt_puts_its_task_somewhere() -> None:
    assert PHASE_OF_ATTEMPT.keys() == set(AttemptState)
    assert {state for state, phase in PHASE_OF_ATTEMPT.items() if phase is Phase.FINISHED} == STATUS_OF_ATTEMPT.keys()


def test_a_task_that_is_not_terminal_is_pending_or_running() -> None:
    assert set(Status) - TERMINAL == {Status.PENDING, Status.RUNNING}
