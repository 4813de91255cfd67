"""Why a task is not running: each thing on its way, and which of them the verdict names."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.degradation import BROKER, Mark, Signature, Strategy
from domain.explained_workers import Absence, QueueWorker
from domain.explanations import CheckState, Situation, Undispatched, explain
from tests.facts import NOON, after

WORKER = QueueWorker("one", True, None, knows_task=True, running=1, capacity=2, heard_at=NOON)
QUEUED = Situation(
    now=after(60),
    status="PENDING",
    phase="queued",
    task_name="pay",
    queue_name="payments",
    created_at=NOON,
    scheduled_at=None,
    dispatched_at=after(1),
    started_at=None,
    completed_at=None,
    cancel_requested_at=None,
    hostname=None,
    submitted_here=True,
    undispatched=None,
    marks={},
    failing=(),
    waiting=812,
    broker_answers=True,
    sent_before=11,
    workers=(WORKER,),
    takers=(),
    adopts=False,
    heard_seconds_ago=0.5,
    had_gap=False,
)
OUTBOX = Undispatched(NOON, refusals=0, refusal=None, parked_at=None, postponed_at=None)
UNDISPATCHED = replace(QUEUED, phase="dispatching", dispatched_at=None, undispatched=OUTBOX)
RESERVED = replace(QUEUED, phase="reserved", hostname="one")


def marked(service: str, strategy: Strategy = Strategy.QUEUE_ONLY, *, ends: bool = True) -> dict[str, Mark]:
    return {service: Mark(service, strategy, after(300) if ends else None)}


def states(situation: Situation) -> dict[str, str]:
    return {check.name: check.state for check in explain(situation).checks}


def test_where_nothing_is_in_the_way_all_checks_are_ok() -> None:
    explanation = explain(QUEUED)
    assert explanation.verdict == "Nothing is in its way: 812 wait in its queue, itself among them."
    assert explanation.since == after(1)
    looked_at = "due outbox marks breaker broker queue consumers registered held capacity mirror"
    assert states(QUEUED) == dict.fromkeys(looked_at.split(), "ok")
    quiet = replace(QUEUED, waiting=0)
    assert explain(quiet).verdict == "Nothing is in its way: it should start within a moment."


@pytest.mark.parametrize(
    ("situation", "verdict", "since"),
    [
        (replace(QUEUED, status="FAILED", completed_at=after(9)), "It has ended: FAILED.", after(9)),
        (replace(QUEUED, status="RUNNING", hostname="one", started_at=after(3)), "It is running on one.", after(3)),
        (replace(QUEUED, status="RUNNING", started_at=after(3)), "It is running.", after(3)),
        (
            replace(QUEUED, status="RUNNING", started_at=after(3), absence=Absence(after(4), is_replaced=False)),
            "Its worker, which runs it, is not heard any more; what it holds is looked after once it is proven dead.",
            after(3),
        ),
        (
            replace(QUEUED, status="RUNNING", hostname="one", started_at=NOON, absence=Absence(None, is_replaced=True)),
            "one ended without a goodbye while it ran, and was started again; what it held is looked after.",
            NOON,
        ),
        (RESERVED, "one has fetched it and will start it next.", after(1)),
    ],
)
def test_a_task_that_has_come_further_is_said_to_be_there(situation: Situation, verdict: str, since: Any) -> None:
    explanation = explain(situation)
    assert (explanation.verdict, explanation.since) == (verdict, since)


BLOCKING: list[tuple[Situation, str, str]] = [
    (replace(QUEUED, cancel_requested_at=after(5)), "cancel", "asked for it to be cancelled"),
    (replace(QUEUED, phase="scheduled", scheduled_at=after(100), undispatched=None), "due", "in 40 s"),
    (UNDISPATCHED, "outbox", "has not been handed to the broker"),
    (replace(UNDISPATCHED, undispatched=replace(OUTBOX, refusals=2, refusal="no queue")), "outbox", "within seconds"),
    (
        replace(UNDISPATCHED, undispatched=replace(OUTBOX, refusals=7, refusal="too large", parked_at=after(30))),
        "outbox",
        "(too large); it is parked",
    ),
    (replace(QUEUED, workers=()), "consumers", "No worker that is online consumes payments."),
    (replace(QUEUED, workers=(replace(WORKER, online=False),)), "consumers", "payments; one did."),
    (replace(QUEUED, workers=(replace(WORKER, knows_task=False),)), "registered", "Celery would throw it away"),
    (replace(QUEUED, workers=(replace(WORKER, held="paused"),)), "held", "is paused: one."),
    (replace(QUEUED, workers=(replace(WORKER, running=2),)), "capacity", "busy: 2 of 2 run"),
    (replace(RESERVED, workers=(replace(WORKER, online=False),)), "fetched", "proven to be dead"),
    (replace(RESERVED, workers=(replace(WORKER, held="draining"),)), "fetched", "is draining"),
    (replace(RESERVED, workers=(replace(WORKER, running=2),)), "fetched", "busy: 2 of 2 run"),
]


@pytest.mark.parametrize(("scheduled_at", "due_at"), [(NOON - timedelta(days=2500), NOON), (after(30), after(30))])
def test_a_task_is_due_from_when_it_was_submitted_or_later(scheduled_at: datetime, due_at: datetime) -> None:
    [check] = [check for check in explain(replace(QUEUED, scheduled_at=scheduled_at)).checks if check.name == "due"]
    assert check.since == due_at


@pytest.mark.parametrize(("situation", "name", "detail"), BLOCKING)
def test_the_verdict_is_what_blocks(situation: Situation, name: str, detail: str) -> None:
    explanation = explain(situation)
    assert detail in explanation.verdict
    (check,) = (check for check in explanation.checks if check.name == name)
    assert (check.state, check.detail) == (CheckState.BLOCKS, explanation.verdict)


UNCERTAIN: list[tuple[Situation, str, str]] = [
    (replace(QUEUED, phase="retrying", started_at=after(3)), "due", "the pause is over"),
    (replace(QUEUED, failing=(BROKER,)), "breaker", "has failed for seconds"),
    (replace(QUEUED, broker_answers=False, waiting=None), "broker", "does not answer"),
    (replace(RESERVED, workers=()), "fetched", "no more is known"),
    (replace(RESERVED, hostname=None, workers=()), "fetched", "A worker has fetched it"),
    (replace(QUEUED, queue_name=None, waiting=None, workers=()), "consumers", "in which queue"),
    (replace(QUEUED, workers=(replace(WORKER, knows_task=None),)), "registered", "has said what it knows"),
    (replace(QUEUED, workers=(WORKER, replace(WORKER, hostname="two", knows_task=False))), "registered", "two would"),
    (replace(QUEUED, workers=(replace(WORKER, capacity=None),)), "capacity", "how many it runs"),
    (replace(QUEUED, heard_seconds_ago=41.2), "mirror", "for 41 s"),
    (replace(QUEUED, had_gap=True), "mirror", "could not hear"),
]


@pytest.mark.parametrize(("situation", "name", "detail"), UNCERTAIN)
def test_what_nobody_knows_is_not_said_to_be_well(situation: Situation, name: str, detail: str) -> None:
    explanation = explain(situation)
    assert detail in explanation.verdict
    assert states(situation)[name] == "unknown"


def test_a_mark_holds_back_only_what_the_broker_does_not_have_yet() -> None:
    for service in (BROKER, "queue:payments", "task:pay"):
        (check,) = (
            check for check in explain(replace(UNDISPATCHED, marks=marked(service))).checks if check.name == "marks"
        )
        assert (check.state, check.evidence["service_name"]) == (CheckState.BLOCKS, service)
        assert service in (check.action or "")
        assert states(replace(QUEUED, marks=marked(service)))["marks"] == "ok"
    for others in (marked("queue:mail"), marked("task:pay", Strategy.FAIL_FAST)):
        assert states(replace(UNDISPATCHED, marks=others))["marks"] == "ok"
    endless = explain(replace(UNDISPATCHED, marks=marked(BROKER, ends=False)))
    assert [check.action for check in endless.checks if check.name == "marks"] == [None]
    assert [check.evidence["until"] for check in endless.checks if check.name == "marks"] == [None]


def test_a_mark_tells_who_set_it_when_and_why() -> None:
    (mark,) = marked("task:pay").values()
    signed = replace(mark, signature=Signature(after(-60), "api_key:k1", "ann", "the bank is down"))
    (check,) = (it for it in explain(replace(UNDISPATCHED, marks={"task:pay": signed})).checks if it.name == "marks")
    assert (
        check.detail
        == "Held back by ann: all tasks named pay are, for 4 m 00 s more. The reason given: “the bank is down”."
    )
    assert check.since == after(-60)
    assert (check.evidence["set_by"], check.evidence["set_by_name"]) == ("api_key:k1", "ann")
    assert check.evidence["reason"] == "the bank is down"


@pytest.mark.parametrize(
    ("marks", "verdict"),
    [
        (marked("task:pay"), "Held back: all tasks named pay are, for 4 m 00 s more."),
        (marked("queue:payments"), "Held back: all that is submitted to queue payments is, for 4 m 00 s more."),
        (marked(BROKER), "Held back: all tasks are, by a mark of broker, for 4 m 00 s more."),
        (
            marked(BROKER, ends=False),
            "Held back: all tasks are, by the breaker of broker, until that answers again.",
        ),
    ],
)
def test_a_mark_is_the_first_cause_and_the_loops_are_not_blamed(marks: dict[str, Mark], verdict: str) -> None:
    held = replace(UNDISPATCHED, marks=marks)
    assert explain(held).verdict == verdict
    assert [check.name for check in explain(held).checks][:3] == ["due", "marks", "outbox"]
    assert states(held)["outbox"] == "ok"


def test_how_a_mark_is_cleared_is_said_so_that_it_can_be_sent_as_it_is() -> None:
    quoted = replace(UNDISPATCHED, task_name='a"b', marks=marked('task:a"b'))
    (check,) = (check for check in explain(quoted).checks if check.name == "marks")
    way, body = (check.action or "").split(" {")
    assert way == "Let it go again: POST /resilience/degradation/clear"
    assert json.loads("{" + body) == {"service_name": 'task:a"b'}


def test_a_broker_that_has_failed_holds_back_what_it_does_not_have() -> None:
    found = states(replace(UNDISPATCHED, failing=(BROKER,)))
    assert (found["breaker"], found["outbox"]) == ("blocks", "ok")


def test_a_task_in_the_outbox_that_is_not_due_is_not_late() -> None:
    later = replace(OUTBOX, due_at=after(100))
    assert "outbox" not in states(replace(UNDISPATCHED, scheduled_at=after(100), undispatched=later))


def test_whoever_sees_some_tasks_of_a_queue_is_not_told_how_many_wait() -> None:
    found = states(replace(QUEUED, waiting=None, broker_answers=None, sent_before=None))
    assert {"broker", "queue"}.isdisjoint(found)
    assert "were sent" not in "".join(check.detail for check in explain(replace(QUEUED, sent_before=None)).checks)


def test_many_workers_are_named_in_part() -> None:
    many = tuple(replace(WORKER, hostname=name) for name in "abcde")
    details = [check.detail for check in explain(replace(QUEUED, workers=many)).checks if check.name == "consumers"]
    assert details == ["a, b, c and 2 more consume payments."]


def test_another_program_hands_over_by_itself() -> None:
    foreign = replace(QUEUED, submitted_here=False, dispatched_at=None, created_at=NOON - timedelta(seconds=1))
    assert [check.detail for check in explain(foreign).checks if check.name == "outbox"] == [
        "Another program has sent it."
    ]
