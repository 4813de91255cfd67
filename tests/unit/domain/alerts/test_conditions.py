from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.alerts.conditions import (
    NOTHING_PENDING,
    SYSTEM,
    AlertInputs,
    Judgement,
    Key,
    Parked,
    Pending,
    advance_alert,
    describe_alert,
    is_breached,
    judge_alerts,
    seconds_to_next,
)
from domain.alerts.rules import DEFAULT_RULES, AlertType, Rule, Severity
from domain.broker_options import OptionDifference
from tests.facts import NOON, after

WELL = AlertInputs(waiting={}, online_workers=1)


def look(
    inputs: AlertInputs,
    *rules: Rule,
    open_alerts: Collection[Key] = (),
    pending: Pending = NOTHING_PENDING,
    at: float = 0,
) -> Judgement:
    """One look, so many seconds after noon."""
    by_type = {rule.type: rule for rule in rules}
    return judge_alerts(inputs, by_type, open_alerts=open_alerts, pending=pending, now=after(at))


def rule_of(alert_type: AlertType, **changed: Any) -> Rule:
    """The default rule, impatient unless told otherwise."""
    impatient = {"for_seconds": 0, "resolve_after_seconds": 0}
    return replace(DEFAULT_RULES[alert_type], **(impatient | changed))


ILL = [
    (AlertType.HIGH_QUEUE_DEPTH, {"waiting": {"a": 600, "b": 1000}, "due": {"a": 401}}, "a", 1001),
    (AlertType.HIGH_QUEUE_DEPTH, {"due": {"only-due": 1001}}, "only-due", 1001),
    (AlertType.NO_ACTIVE_WORKERS, {"online_workers": 0}, SYSTEM, 0),
    (AlertType.WORKER_OFFLINE, {"silent_workers": {"one": 16.0}}, "one", 16),
    (AlertType.HIGH_FAILURE_RATE, {"failed": 5, "finished": 20}, SYSTEM, 25),
    (AlertType.STUCK_TASKS, {"running": {"report": 3601.0, "quick": 1.0}}, "report", 3601),
    (AlertType.TASKS_NOT_PICKED_UP, {"not_picked_up": {"etl": 61.0, "celery": 60.0}}, "etl", 61),
    (AlertType.DISPATCH_STALLED, {"oldest_due": 31.0}, SYSTEM, 31),
    (AlertType.DISPATCH_STALLED, {"oldest_due": 2.0, "refused": {"nowhere": 31.0}}, "nowhere", 31),
    (AlertType.EVENTS_MISSED, {"missed": {"broker": 0.5}}, "broker", 0.5),
    (AlertType.COMPONENT_DOWN, {"down": {"redis": 11.0}}, "redis", 11),
    (AlertType.BROKER_OPTIONS_DIFFER, {"differing": {"sep": OptionDifference("sep", 2, "Write this")}}, "sep", 2),
    (AlertType.EVENTS_OFF, {"without_events": ("one", "two")}, SYSTEM, 2),
    (AlertType.OPEN_ACCESS, {"open_hosts": ("0.0.0.0",)}, SYSTEM, 1),
    (AlertType.NOTIFICATION_FAILING, {"failing_channels": {"mail": 61.0, "chat": 60.0}}, "mail", 61),
    (AlertType.WEBHOOK_FAILING, {"failing_webhooks": {"k7Qm2ZpX4rT1": 3_601}}, "k7Qm2ZpX4rT1", 3_601),
]


@pytest.mark.parametrize(("alert_type", "ill", "subject", "value"), ILL)
def test_each_condition_raises_one_alert_for_its_subject(
    alert_type: AlertType, ill: dict[str, Any], subject: str, value: float
) -> None:
    (found,) = look(replace(WELL, **ill), rule_of(alert_type)).raised
    assert (found.key, found.value) == ((alert_type, subject), value)
    assert found.description


@pytest.mark.parametrize("alert_type", AlertType)
def test_a_system_that_is_well_raises_nothing_and_resolves_what_was_open(alert_type: AlertType) -> None:
    key = (alert_type, SYSTEM)
    judgement = look(WELL, rule_of(alert_type), open_alerts={key})
    assert (judgement.raised, judgement.still_open, list(judgement.resolved)) == ((), (), [key])


def test_pods_of_a_week_ago_are_one_alert_and_not_thousands() -> None:
    silent = {f"pod-{number:04}": 2_000.0 - number for number in range(1_500)}
    rule = rule_of(AlertType.WORKER_OFFLINE)
    judgement = look(replace(WELL, silent_workers=silent), rule)
    subjects = [found.key[1] for found in judgement.raised]
    assert subjects == [SYSTEM, *sorted(silent)[:10]], "those that fell silent first keep an alert of their own"
    assert judgement.raised[0].value == 1_990
    assert judgement.raised[0].description.startswith("1490 more workers were silent without a goodbye: pod-0010, ")
    assert judgement.raised[0].description.endswith(" and 1485 more")
    fewer = replace(WELL, silent_workers=dict(list(silent.items())[:10]))
    assert look(fewer, rule, open_alerts={found.key for found in judgement.raised}).resolved == {
        (AlertType.WORKER_OFFLINE, SYSTEM): 0
    }


def test_all_that_send_no_events_are_one_alert_that_names_some_of_them() -> None:
    inputs = replace(WELL, without_events=[f"w{number}" for number in range(7)])
    (found,) = look(inputs, rule_of(AlertType.EVENTS_OFF)).raised
    assert found.description.endswith(": w0, w1, w2, w3, w4 and 2 more")


def test_few_tasks_say_nothing_about_the_failure_rate() -> None:
    inputs = replace(WELL, failed=19, finished=19)
    assert not look(inputs, rule_of(AlertType.HIGH_FAILURE_RATE)).raised
    assert look(inputs, rule_of(AlertType.HIGH_FAILURE_RATE, minimum_tasks=19)).raised
    assert not look(WELL, rule_of(AlertType.HIGH_FAILURE_RATE, minimum_tasks=None, threshold=0)).raised


@pytest.mark.parametrize(
    ("alert_type", "unknown"),
    [
        (AlertType.HIGH_QUEUE_DEPTH, AlertInputs(waiting=None, due={"a": 5000})),
        (AlertType.NO_ACTIVE_WORKERS, replace(WELL, online_workers=0, down={"broker": 1.0})),
        (AlertType.WORKER_OFFLINE, replace(WELL, silent_workers={"one": 99.0}, down={"broker": 1.0})),
        (AlertType.NO_ACTIVE_WORKERS, replace(WELL, online_workers=0, settling={"broker"})),
        (AlertType.WORKER_OFFLINE, replace(WELL, silent_workers={"one": 99.0}, settling={"broker"})),
    ],
)
def test_what_cannot_be_known_neither_raises_nor_resolves(alert_type: AlertType, unknown: AlertInputs) -> None:
    rule = rule_of(alert_type)
    assert look(unknown, rule) == Judgement((), (), {}, {})
    assert look(unknown, rule, open_alerts={(alert_type, "one")}) == Judgement((), (), {}, {})


def test_a_condition_is_raised_only_once_it_has_held_long_enough() -> None:
    rule = rule_of(AlertType.NO_ACTIVE_WORKERS, for_seconds=10)
    nobody = replace(WELL, online_workers=0)
    first = look(nobody, rule, at=0)
    assert (first.raised, first.pending) == ((), {((rule.type, SYSTEM), True): NOON})
    second = look(nobody, rule, pending=first.pending, at=9)
    assert (second.raised, second.pending) == ((), first.pending)
    third = look(nobody, rule, pending=second.pending, at=10)
    assert ([found.key for found in third.raised], third.pending) == ([(rule.type, SYSTEM)], {})


def test_an_interruption_starts_the_wait_anew() -> None:
    rule = rule_of(AlertType.NO_ACTIVE_WORKERS, for_seconds=10)
    nobody = replace(WELL, online_workers=0)
    pending = look(nobody, rule).pending
    pending = look(WELL, rule, pending=pending, at=5).pending
    assert pending == {}
    assert not look(nobody, rule, pending=pending, at=12).raised


def test_an_open_alert_is_not_raised_again_but_told_its_present_value() -> None:
    rule = rule_of(AlertType.WORKER_OFFLINE)
    judgement = look(replace(WELL, silent_workers={"one": 40.0}), rule, open_alerts={(rule.type, "one")})
    assert (judgement.raised, judgement.resolved) == ((), {})
    assert [found.value for found in judgement.still_open] == [40]


def test_it_is_resolved_only_once_it_has_been_gone_long_enough() -> None:
    rule = rule_of(AlertType.WORKER_OFFLINE, resolve_after_seconds=30)
    key = (rule.type, "one")
    first = look(WELL, rule, open_alerts={key})
    assert (first.resolved, first.pending) == ({}, {(key, False): NOON})
    assert look(WELL, rule, open_alerts={key}, pending=first.pending, at=30).resolved == {key: 30}


def test_between_the_bounds_an_open_alert_stays_and_a_closed_one_is_not_raised() -> None:
    rule = rule_of(AlertType.HIGH_QUEUE_DEPTH)
    key = (rule.type, "a")
    between = replace(WELL, waiting={"a": 900})
    assert look(between, rule) == Judgement((), (), {}, {})
    assert [found.value for found in look(between, rule, open_alerts={key}).still_open] == [900]
    assert look(replace(WELL, waiting={"a": 800}), rule, open_alerts={key}).resolved == {key: 0}


def test_a_value_that_falls_while_the_alert_waits_to_be_resolved_is_told() -> None:
    rule = rule_of(AlertType.HIGH_QUEUE_DEPTH, resolve_after_seconds=30)
    judgement = look(replace(WELL, waiting={"a": 10}), rule, open_alerts={(rule.type, "a")})
    assert [found.value for found in judgement.still_open] == [10]


def test_a_rule_switched_off_raises_nothing_and_resolves_at_once() -> None:
    rule = rule_of(AlertType.COMPONENT_DOWN, enabled=False, resolve_after_seconds=600)
    down = replace(WELL, down={"redis": 100.0})
    assert look(down, rule) == Judgement((), (), {}, {})
    assert look(down, rule, open_alerts={(rule.type, "redis")}).resolved == {(rule.type, "redis"): 0}


def test_a_process_that_ended_is_down_at_once_whatever_the_threshold_and_said_to_have_ended() -> None:
    rule = rule_of(AlertType.COMPONENT_DOWN, threshold=600, resolve_after_seconds=5)
    (found,) = look(replace(WELL, ended={"mirror": 0.1}, down={"redis": 11.0}), rule).raised
    assert (found.key, found.value) == ((rule.type, "mirror"), 0.1)
    assert found.description == "Process mirror ended without being asked to"
    there_again = look(WELL, rule, open_alerts={found.key})
    assert there_again.resolved == {}
    assert look(WELL, rule, open_alerts={found.key}, pending=there_again.pending, at=5).resolved == {found.key: 5}


def test_that_a_process_ended_says_nothing_of_other_types_with_its_name() -> None:
    inputs = replace(WELL, ended={"etl": 1.0}, not_picked_up={"etl": 1.0})
    assert look(inputs, rule_of(AlertType.TASKS_NOT_PICKED_UP)).raised == ()


def test_types_and_subjects_are_judged_each_for_itself() -> None:
    inputs = replace(WELL, silent_workers={"one": 20.0, "two": 20.0}, down={"redis": 20.0})
    rules = rule_of(AlertType.WORKER_OFFLINE), rule_of(AlertType.COMPONENT_DOWN)
    open_alerts = {(AlertType.WORKER_OFFLINE, "one"), (AlertType.WORKER_OFFLINE, "three")}
    judgement = look(inputs, *rules, open_alerts=open_alerts)
    assert {found.key[1] for found in judgement.raised} == {"two", "redis"}
    assert [found.key[1] for found in judgement.still_open] == ["one"]
    assert judgement.resolved == {(AlertType.WORKER_OFFLINE, "three"): 0}


@pytest.mark.parametrize(("value", "closed", "opened"), [(0, True, True), (1, False, False), (2, False, False)])
def test_a_lower_limit_is_breached_below_it(value: float, closed: bool, opened: bool) -> None:
    rule = rule_of(AlertType.NO_ACTIVE_WORKERS)
    assert is_breached(rule, value, is_open=False) is closed
    assert is_breached(rule, value, is_open=True) is opened


@pytest.mark.parametrize(
    ("is_open", "breached", "waited", "opens"),
    [
        (False, True, 9, False),
        (False, True, 10, True),
        (True, False, 19, True),
        (True, False, 20, False),
        (True, True, 0, True),
        (False, False, 0, False),
    ],
)
def test_a_step_follows_the_condition_after_its_patience(
    is_open: bool, breached: bool, waited: int, opens: bool
) -> None:
    rule = rule_of(AlertType.HIGH_QUEUE_DEPTH, for_seconds=10, resolve_after_seconds=20)
    now = NOON + timedelta(seconds=waited)
    assert advance_alert(rule, is_open=is_open, breached=breached, since=NOON, now=now) is opens


@pytest.mark.parametrize(
    ("alert_type", "subject", "said"),
    [
        (AlertType.HIGH_QUEUE_DEPTH, "payments", "Depth of queue payments exceeded 1000"),
        (AlertType.HIGH_FAILURE_RATE, SYSTEM, "More than 20 % of the tasks that finished within 5 minutes failed"),
        (AlertType.TASKS_NOT_PICKED_UP, "etl", "A task in queue etl was not picked up for more than 1 minute"),
        (
            AlertType.TASKS_NOT_PICKED_UP,
            "nobody",
            "A task in queue nobody was not picked up for more than 1 minute; no online worker consumes it",
        ),
        (AlertType.EVENTS_MISSED, SYSTEM, "Events of workers were missed within the last hour"),
        (AlertType.DISPATCH_STALLED, SYSTEM, "A task that was due was not handed to the broker for more than 30 s"),
        (AlertType.DISPATCH_STALLED, "q", "The broker did not take a task for queue q for more than 30 s"),
    ],
)
def test_a_description_says_what_happened(alert_type: AlertType, subject: str, said: str) -> None:
    assert describe_alert(DEFAULT_RULES[alert_type], subject, inputs=replace(WELL, unserved={"nobody"})) == said


def test_tasks_that_are_nowhere_to_be_found_are_counted() -> None:
    rule, inputs = DEFAULT_RULES[AlertType.TASKS_NOT_PICKED_UP], replace(WELL, unserved={"etl"}, vanished={"etl": 2})
    said = "A task in queue etl was not picked up for more than 1 minute; no online worker consumes it; 2 in no queue"
    assert describe_alert(rule, "etl", inputs=inputs).startswith(said)


def test_a_subject_is_never_taken_for_a_format() -> None:
    said = describe_alert(DEFAULT_RULES[AlertType.STUCK_TASKS], "{rule}", inputs=WELL)
    assert said == "A task {rule} was running for more than 1 hour"


def test_a_queue_with_parked_tasks_is_a_warning_that_names_the_task_and_the_reason() -> None:
    rule = DEFAULT_RULES[AlertType.DISPATCH_STALLED]
    parked = {"cart": Parked("t-1", "the broker says: WRONGTYPE", 3)}
    inputs = AlertInputs(refused={"cart": 50.0, "mute": 50.0}, parked=parked, oldest_due=50.0)
    found = judge_alerts(inputs, {rule.type: rule}, open_alerts=[], pending=NOTHING_PENDING, now=NOON).raised
    told = {finding.key[1]: (finding.rule.severity, finding.description) for finding in found}
    assert told["cart"] == (
        Severity.WARNING,
        "Task t-1 for queue cart was refused again and again, and 2 more of the queue: the broker says: WRONGTYPE",
    )
    assert told["mute"][0] is told[SYSTEM][0] is Severity.CRITICAL
    mild = replace(rule, severity=Severity.INFO)
    found = judge_alerts(inputs, {rule.type: mild}, open_alerts=[], pending=NOTHING_PENDING, now=NOON).raised
    assert {finding.rule.severity for finding in found} == {Severity.INFO}


def test_an_open_door_is_described_by_its_address_and_stays_open_while_redis_says_nothing() -> None:
    rule, key = rule_of(AlertType.OPEN_ACCESS), (AlertType.OPEN_ACCESS, SYSTEM)
    (found,) = look(replace(WELL, open_hosts=("0.0.0.0",)), rule).raised
    assert found.description.endswith("all who reach it may do everything, on 0.0.0.0")
    unknown = look(replace(WELL, open_hosts=None), rule, open_alerts={key})
    assert (unknown.raised, unknown.resolved) == ((), {})
    assert look(WELL, rule, open_alerts={key}).resolved == {key: 0}


@pytest.mark.parametrize(
    ("alert_type", "ill", "lasted"),
    [
        (AlertType.COMPONENT_DOWN, {"down": {"redis": 24.0}}, 24),
        (AlertType.COMPONENT_DOWN, {"ended": {"mirror": 0.5}}, 0.5),
        (AlertType.HIGH_QUEUE_DEPTH, {"waiting": {"a": 5_000}}, 10),
        (AlertType.EVENTS_MISSED, {"missed": {"broker": 300.0}}, 10),
    ],
)
def test_an_alert_knows_for_how_long_it_has_been_so(alert_type: AlertType, ill: dict[str, Any], lasted: float) -> None:
    """Of an age it is the age, of a count the time since the first look that found it."""
    rule = rule_of(alert_type, for_seconds=0 if "ended" in ill or "down" in ill else 10)
    inputs = replace(WELL, **ill)
    pending = look(inputs, rule).pending
    (found,) = look(inputs, rule, pending=pending, at=10).raised
    assert found.lasted_seconds == lasted


def test_the_next_look_is_due_when_the_first_of_all_would_be_raised_or_resolved() -> None:
    rules = {kind: rule_of(kind, for_seconds=10, resolve_after_seconds=30) for kind in AlertType}
    queue, worker = (AlertType.HIGH_QUEUE_DEPTH, "a"), (AlertType.WORKER_OFFLINE, "one")
    pending = {(queue, True): NOON, (worker, False): NOON}
    assert seconds_to_next(rules, pending, down={}, now=after(4)) == 6
    assert seconds_to_next(rules, {(worker, False): NOON}, down={}, now=after(4)) == 26
    assert seconds_to_next(rules, pending, down={"redis": 7.0, "broker": 60.0}, now=after(4)) == 3
    assert seconds_to_next(rules, {}, down={"broker": 60.0}, now=NOON) is None


def test_a_worker_that_ended_without_a_goodbye_is_told_at_once_though_it_is_back() -> None:
    rule = rule_of(AlertType.WORKER_OFFLINE, for_seconds=10, threshold=600)
    inputs = replace(WELL, vanished_workers={"one": 4.0}, silent_workers={"two": 5.0})
    (found,) = look(inputs, rule).raised
    assert (found.key, found.value, found.lasted_seconds) == ((rule.type, "one"), 4, 4)
    assert found.description == "Worker one ended without a goodbye, and was started again"
    assert look(replace(inputs, down={"broker": 1.0}), rule).raised == ()
    switched_off = replace(rule, enabled=False)
    assert look(inputs, switched_off, open_alerts={found.key}).resolved == {found.key: 0}


def test_of_many_workers_that_ended_so_the_first_are_told() -> None:
    vanished = {f"pod-{number:03}": 50.0 for number in range(100)}
    raised = look(replace(WELL, vanished_workers=vanished), rule_of(AlertType.WORKER_OFFLINE)).raised
    assert [found.key[1] for found in raised] == list(vanished)[:10]
