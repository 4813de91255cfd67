from datetime import timedelta

import pytest

from domain.audit import Author
from domain.degradation import (
    BROKER,
    COMPONENTS,
    MIRROR,
    NEEDS,
    NO_MARKS,
    READS,
    RESULT_BACKEND,
    WORKERS,
    Access,
    BlockedWork,
    Mark,
    Marks,
    Strategy,
    automatic,
    blocked_by,
    check_service,
    counts_by_mark,
    decide,
    holders_of,
    in_force,
    refusal_of,
    signature_of,
)
from domain.errors import InvalidRequest
from domain.health import DATABASE
from tests.facts import NOON
from tests.raised import raised_by

CACHED, FAST, QUEUE = Strategy.RETURN_CACHED, Strategy.FAIL_FAST, Strategy.QUEUE_ONLY
LATER = NOON + timedelta(minutes=5)


def marked(**strategies: Strategy) -> Marks:
    return {name: Mark(name, strategy, LATER) for name, strategy in strategies.items()}


def named(service_name: str, strategy: Strategy) -> Marks:
    return {service_name: Mark(service_name, strategy, LATER)}


def affected(marks: Marks) -> set[Access]:
    return {access for access in Access if decide(access, marks)}


@pytest.mark.parametrize(
    "name",
    [
        *COMPONENTS,
        "queue:emails",
        "queue:a.b_c-9",
        "queue:high:priority",
        "queue:acme/eu west",
        "task:app.tasks.pay",
        "task:ж",
    ],
)
def test_components_queues_and_tasks_can_be_marked(name: str) -> None:
    assert raised_by(check_service, name) is None
    assert raised_by(check_service, name, FAST) is None
    assert raised_by(check_service, name, QUEUE) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "redis",
        "Database",
        "queue:",
        "task:",
        "queue:a\tb",
        "queue:unacked",
        f"queue:{'q' * 256}",
        f"task:{'t' * 256}",
        "task:\n",
    ],
)
def test_any_other_name_is_refused_with_a_list_of_those_that_can(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_service(name, FAST)
    assert all(service in refused.value.detail for service in (*COMPONENTS, "queue:<name>", "task:<name>"))


@pytest.mark.parametrize("name", ["queue:emails", "task:app.pay"])
def test_a_queue_or_a_task_has_no_cached_answers(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_service(name, CACHED)
    assert refused.value.errors[0][0] == "strategy"


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_takes_every_strategy(name: str) -> None:
    assert [raised_by(check_service, name, strategy) for strategy in Strategy] == [None] * len(Strategy)


def test_a_mark_ends_by_itself_and_one_without_an_end_does_not() -> None:
    ending, endless = Mark(DATABASE, FAST, LATER), Mark(BROKER, QUEUE, None)
    assert in_force([ending, endless], now=NOON) == {DATABASE: ending, BROKER: endless}
    assert in_force([ending, endless], now=LATER) == {BROKER: endless}


def test_every_component_is_needed_by_something_and_a_cancel_needs_the_database_alone() -> None:
    assert frozenset().union(*NEEDS.values()) == set(COMPONENTS)
    assert NEEDS[Access.WRITE] == {DATABASE}


def test_fail_fast_refuses_what_depends_on_the_service_and_nothing_else() -> None:
    assert affected(marked(database=FAST)) == set(Access)
    assert affected(marked(mirror=FAST)) == READS
    assert affected(marked(result_backend=FAST)) == {Access.SUBMIT, Access.READ_RESULT}
    for component in (BROKER, WORKERS):
        assert affected(named(component, FAST)) == {Access.SUBMIT, Access.CONTROL, Access.READ_NODES}


def test_return_cached_changes_only_reads() -> None:
    assert affected(marked(database=CACHED)) == affected(marked(mirror=CACHED)) == READS
    assert affected(marked(result_backend=CACHED)) == {Access.READ_RESULT}
    assert affected(marked(workers=CACHED)) == {Access.READ_NODES}


def test_queue_only_changes_no_answer() -> None:
    for component in COMPONENTS:
        assert affected(named(component, QUEUE)) == set()


def test_a_refusal_comes_before_a_cached_answer() -> None:
    mark = decide(Access.READ, marked(database=CACHED, mirror=FAST))
    assert mark is not None
    assert (mark.service_name, mark.strategy) == (MIRROR, FAST)


def test_a_failing_database_gives_cached_reads_and_refuses_the_rest() -> None:
    for access in Access:
        mark = decide(access, {}, failing={DATABASE})
        assert mark == Mark(DATABASE, CACHED if access in READS else FAST, None)


def test_other_failing_components_change_no_answer() -> None:
    assert not any(decide(access, {}, failing={BROKER, RESULT_BACKEND, WORKERS, MIRROR}) for access in Access)


def test_breakers_mark_the_database_and_the_broker_alone() -> None:
    marks = automatic(COMPONENTS)
    assert {name: mark.strategy for name, mark in marks.items()} == {DATABASE: CACHED, BROKER: QUEUE}
    assert automatic({WORKERS}) == {}


def test_new_work_is_refused_for_the_queue_or_the_name_that_is_marked_to_fail() -> None:
    queue, task = named("queue:emails", FAST), named("task:pay", FAST)
    assert refusal_of(queue, queue_name="emails", task_name="pay") == queue["queue:emails"]
    assert refusal_of(task, queue_name="emails", task_name="pay") == task["task:pay"]
    assert refusal_of({**queue, **task}, queue_name="other", task_name="other") is None
    assert refusal_of(named("queue:emails", QUEUE), queue_name="emails", task_name="pay") is None


def test_queue_only_of_any_component_holds_all_work_back() -> None:
    for component in COMPONENTS:
        assert blocked_by(named(component, QUEUE)).everything
        assert blocked_by(named(component, FAST)) == BlockedWork()


def test_queue_only_of_a_queue_or_a_name_holds_its_own_work_back() -> None:
    held = blocked_by({**named("queue:emails", QUEUE), **named("task:pay", QUEUE), **named("queue:other", FAST)})
    assert held == BlockedWork(queue_names=frozenset({"emails"}), task_names=frozenset({"pay"}))


@pytest.mark.parametrize(
    ("blocked", "held"),
    [
        (BlockedWork(), False),
        (BlockedWork(everything=True), True),
        (BlockedWork(queue_names=frozenset({"emails"})), True),
        (BlockedWork(task_names=frozenset({"pay"})), True),
        (BlockedWork(queue_names=frozenset({"pay"}), task_names=frozenset({"emails"})), False),
    ],
)
def test_a_task_is_held_back_by_its_queue_or_by_its_name(blocked: BlockedWork, *, held: bool) -> None:
    assert blocked.holds("emails", "pay") is held


def test_what_holds_a_task_back_is_named() -> None:
    marks = {
        name: Mark(name, strategy, None)
        for name, strategy in (
            ("broker", Strategy.QUEUE_ONLY),
            ("database", Strategy.FAIL_FAST),
            ("queue:payments", Strategy.QUEUE_ONLY),
            ("task:pay", Strategy.QUEUE_ONLY),
        )
    }
    assert holders_of("payments", "pay", marks=marks) == ["broker", "queue:payments", "task:pay"]
    assert holders_of("mail", "send", marks=marks) == ["broker"]


def test_what_a_mark_holds_back_is_counted_with_each_that_does() -> None:
    marks = {**named("task:pay", QUEUE), **named("queue:payments", QUEUE), **named("task:mail", FAST)}
    held = [("payments", "pay", 3), ("payments", "refund", 2), ("other", "pay", 1)]
    assert counts_by_mark(held, marks=marks) == {"queue:payments": 5, "task:pay": 4}
    assert not blocked_by(NO_MARKS)
    assert blocked_by(marks)


@pytest.mark.parametrize(("kind", "name"), [("api_key", "ann"), ("local", None), ("cli", None)])
def test_who_has_no_name_is_not_named(kind: str, name: str | None) -> None:
    signature = signature_of(Author(kind, "k1", "ann", reason="why"), at=NOON)
    assert (signature.name, signature.reason, signature.at) == (name, "why", NOON)
