"""Events of real workers, shuffled, repeated, held back and dropped: what the mirror makes of them is held to what
the tasks themselves and the result backend say (`record.py` makes the recording)."""

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.facts import Fact
from domain.fold import TaskState, fold
from domain.states import TERMINAL, Status
from gateway.events.sources import EventMessage
from gateway.results.metas import decode_meta
from mirror.decode import decode
from tests.property.record import FILE

RECORDING: Mapping[str, Any] = json.loads(gzip.decompress(FILE.read_bytes()))
LIVES: Mapping[str, Mapping[str, Any]] = {life["task_id"]: life for life in RECORDING["lives"]}
EVENTS = [
    event for told in map(json.loads, RECORDING["messages"]) for event in (told if isinstance(told, list) else [told])
]
HEARD_AT = datetime.fromtimestamp(max(event["timestamp"] for event in EVENTS), UTC)
"""Nothing was told of later than of when it was heard."""

COMPLETED, FAILED, CANCELLED = Status.COMPLETED, Status.FAILED, Status.CANCELLED
ENDS: Mapping[str, tuple[Status, str]] = {
    # How each kind of task ends, and the states of its attempts.
    "succeeds": (COMPLETED, "SUCCEEDED"),
    "fails": (FAILED, "FAILED"),
    "retries_twice": (COMPLETED, "RETRIED RETRIED SUCCEEDED"),
    "retries_and_fails": (FAILED, "RETRIED FAILED"),
    "meets_its_hard_limit": (FAILED, "FAILED"),
    "meets_its_soft_limit": (FAILED, "FAILED"),
    "is_terminated": (CANCELLED, "REVOKED"),
    "is_revoked": (CANCELLED, "REVOKED"),
    "expires": (CANCELLED, "REVOKED"),
    "is_rejected": (FAILED, "FAILED"),
    "kills_its_process": (FAILED, "FAILED"),
    "kills_its_process_once": (COMPLETED, "RETRIED SUCCEEDED"),
    "kills_its_process_and_is_redelivered": (COMPLETED, "REJECTED SUCCEEDED"),
    "outlives_its_worker": (COMPLETED, "STARTED SUCCEEDED"),
    "is_unknown": (FAILED, "FAILED"),
}


def facts_of(event: Mapping[str, Any]) -> list[Fact]:
    return decode([EventMessage(json.dumps(event).encode(), HEARD_AT)]).facts


def exactly(state: TaskState) -> str:
    return json.dumps(asdict(state), default=str)


class Hearing(RuleBasedStateMachine):
    """One task of each kind is heard of in some order; at the end, what was only held back comes as well."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Mapping[str, Any]] = []
        self.heard: list[Mapping[str, Any]] = []
        self.facts: dict[str, list[Fact]] = defaultdict(list)
        self.dropped: set[str] = set()
        self.completed: set[str] = set()

    @initialize(seed=st.integers(0, 2**32), nth=st.integers(0, 2))
    def begin(self, seed: int, nth: int) -> None:
        """Every third life, so that each kind is there once; in their order, or in none."""
        chosen = {task_id for number, task_id in enumerate(sorted(LIVES, key=kind_of)) if number % 3 == nth}
        self.waiting = [event for event in EVENTS if event["uuid"] in chosen]
        if seed % 2:
            random.Random(seed).shuffle(self.waiting)

    @precondition(lambda self: self.waiting)
    @rule(count=st.integers(1, 12))
    def hear_some(self, count: int) -> None:
        for _ in range(min(count, len(self.waiting))):
            self.hear(self.waiting.pop(0))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def hear_one_before_its_turn(self, data: st.DataObject) -> None:
        self.hear(self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1))))

    @precondition(lambda self: self.heard)
    @rule(data=st.data())
    def hear_one_again(self, data: st.DataObject) -> None:
        self.hear(data.draw(st.sampled_from(self.heard)))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def drop_one(self, data: st.DataObject) -> None:
        event = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        self.dropped.add(event["uuid"])

    @precondition(lambda self: self.facts)
    @rule(data=st.data())
    def ask_the_result_backend(self, data: st.DataObject) -> None:
        self.reconcile(data.draw(st.sampled_from(sorted(self.facts))))

    @invariant()
    def no_end_is_shown_that_was_not(self) -> None:
        for task_id, facts in self.facts.items():
            status = fold(facts).status
            assert status not in TERMINAL or status is true_end(task_id)[0], kind_of(task_id)
            assert task_id not in self.completed or status is COMPLETED
            if status is COMPLETED:
                self.completed.add(task_id)

    def teardown(self) -> None:
        random.Random(len(self.heard)).shuffle(self.waiting)
        for event in self.waiting:
            self.hear(event)
        for task_id in list(self.facts):
            self.reconcile(task_id)
            if task_id in self.dropped:
                self.is_repaired(task_id)
            else:
                self.is_as_it_went(task_id)

    def hear(self, event: Mapping[str, Any]) -> None:
        self.heard.append(event)
        self.facts[event["uuid"]] += facts_of(event)

    def reconcile(self, task_id: str) -> None:
        """As the sweep does: an end that only the backend tells becomes a fact."""
        meta = LIVES[task_id]["meta"]
        result = decode_meta(task_id, json.dumps(meta).encode()) if meta else None
        if result and result.status and fold(self.facts[task_id]).status is not result.status:
            self.facts[task_id].append(result.as_fact(seen_at=HEARD_AT))

    def is_as_it_went(self, task_id: str) -> None:
        """Nothing of it was dropped: to the last detail what its events tell in their order, and what it did."""
        state = fold(self.facts[task_id])
        status, attempts = true_end(task_id)
        assert (state.status, " ".join(attempt.state for attempt in state.attempts)) == (status, attempts)
        assert sum(attempt.started_at is not None for attempt in state.attempts) == LIVES[task_id]["begun"]
        in_order = [fact for event in EVENTS if event["uuid"] == task_id for fact in facts_of(event)]
        told = [fact for fact in self.facts[task_id] if fact.source != "backend"]
        assert exactly(fold(told)) == exactly(fold(in_order))

    def is_repaired(self, task_id: str) -> None:
        """Something was: its end is true all the same where the backend knows one."""
        status, _ = true_end(task_id)
        if status is not CANCELLED:
            assert fold(self.facts[task_id]).status is status


def kind_of(task_id: str) -> str:
    return str(LIVES[task_id]["kind"])


def true_end(task_id: str) -> tuple[Status, str]:
    return ENDS[kind_of(task_id)]


def test_every_kind_of_life_is_in_the_recording_three_times() -> None:
    kinds = sorted(map(kind_of, LIVES))
    assert kinds == sorted([*ENDS, *ENDS, *ENDS])


Hearing.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestHearing = Hearing.TestCase
