import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from domain.alerts.conditions import AlertFinding, Judgement, Key
from domain.alerts.rules import DEFAULT_RULES, AlertType, Severity
from domain.degradation import BlockedWork
from domain.errors import InvalidRequest
from loops.expiry import ALERTS_KEPT_FOR, ExpiryRound
from services.alerts import RuleChange, change_rules, measure, read_rules, write_changes
from store.queries.alerts import AlertFilter, AlertRow, acknowledge, list_alerts, list_open_keys
from store.tables.alerts import alerts
from tests.authors import AUTHOR
from tests.stored import add_task, add_worker, ago

ALL = AlertFilter(include_resolved=True)


def finding(alert_type: AlertType, subject: str, *, value: float) -> AlertFinding:
    return AlertFinding((alert_type, subject), value, DEFAULT_RULES[alert_type], "Something is wrong")


def judgement(
    *, raised: tuple[AlertFinding, ...] = (), still_open: tuple[AlertFinding, ...] = (), resolved: tuple[Key, ...] = ()
) -> Judgement:
    return Judgement(raised, still_open, dict.fromkeys(resolved, 0.0), {})


async def settled(engine: AsyncEngine, outcome: Judgement) -> list[AlertRow]:
    """All alerts, newest first, after this."""
    async with engine.begin() as connection:
        await write_changes(connection, outcome)
        return (await list_alerts(connection, ALL, limit=100, offset=0))[1]


async def test_an_alert_is_stored_once_refreshed_and_resolved(engine: AsyncEngine) -> None:
    key = (AlertType.WORKER_OFFLINE, "one")
    (raised,) = await settled(engine, judgement(raised=(finding(*key, value=20),)))
    assert (raised.subject, raised.severity, raised.value, raised.threshold) == ("one", "WARNING", 20, 15)
    assert raised.resolved_at is None
    (again,) = await settled(engine, judgement(raised=(finding(*key, value=25),)))
    assert again == replace(raised, value=25)
    (gone,) = await settled(engine, judgement(resolved=(key,)))
    assert gone.resolved_at is not None
    assert replace(gone, resolved_at=None, ended_at=None) == again
    async with engine.connect() as connection:
        assert await list_open_keys(connection) == frozenset()


async def test_an_alert_tells_when_it_began_and_ended_beside_when_that_was_said(engine: AsyncEngine) -> None:
    key = (AlertType.COMPONENT_DOWN, "redis")
    raised = replace(finding(*key, value=12), lasted_seconds=12.0)
    (said,) = await settled(engine, judgement(raised=(raised,)))
    assert said.began_at == said.created_at - timedelta(seconds=12)
    (seen,) = await settled(engine, judgement(still_open=(replace(raised, value=20, lasted_seconds=20.0),)))
    assert seen.began_at == said.began_at
    (gone,) = await settled(engine, Judgement((), (), {key: 0.001}, {}))
    assert gone.resolved_at is not None
    assert gone.ended_at == gone.resolved_at - timedelta(seconds=0.001)
    async with engine.begin() as connection:
        await write_changes(connection, judgement(raised=(raised,)))
        await write_changes(connection, Judgement((), (), {key: 60.0}, {}))
        again = (await list_alerts(connection, ALL, limit=1, offset=0))[1][0]
    assert again.ended_at == again.began_at, "nothing ends before it began"


async def test_counts_and_ages_are_stored_side_by_side(engine: AsyncEngine) -> None:
    found = (
        finding(AlertType.HIGH_QUEUE_DEPTH, "etl", value=1001),
        finding(AlertType.STUCK_TASKS, "report", value=3600.5),
    )
    assert {row.value for row in await settled(engine, judgement(raised=found))} == {1001, 3600.5}


async def test_an_open_alert_follows_its_rule(engine: AsyncEngine) -> None:
    found = finding(AlertType.HIGH_QUEUE_DEPTH, "etl", value=1001)
    await settled(engine, judgement(raised=(found,)))
    strict = replace(found.rule, threshold=500, severity=Severity.CRITICAL)
    (row,) = await settled(engine, judgement(still_open=(replace(found, rule=strict, description="Worse"),)))
    assert (row.threshold, row.severity, row.description) == (500, "CRITICAL", "Worse")


async def test_a_condition_that_comes_back_is_a_new_alert_that_nobody_has_seen(engine: AsyncEngine) -> None:
    key = (AlertType.COMPONENT_DOWN, "redis")
    (first,) = await settled(engine, judgement(raised=(finding(*key, value=20),)))
    async with engine.begin() as connection:
        assert (await acknowledge(connection, first.alert_id)) is not None
    await settled(engine, judgement(resolved=(key,)))
    second, old = await settled(engine, judgement(raised=(finding(*key, value=20),)))
    assert old.alert_id == first.alert_id
    assert old.acknowledged_at is not None
    assert second.acknowledged_at is None


async def test_two_processes_that_raise_at_once_make_one_alert(engine: AsyncEngine) -> None:
    outcome = judgement(raised=(finding(AlertType.NO_ACTIVE_WORKERS, "", value=0),))
    await asyncio.gather(*(settled(engine, outcome) for _ in range(4)))
    assert len(await settled(engine, judgement())) == 1


async def test_what_was_resolved_long_ago_is_forgotten(engine: AsyncEngine) -> None:
    row = {"type": "STUCK_TASKS", "subject": "x", "severity": "INFO", "description": "", "value": 1, "threshold": 1}
    kept = timedelta(seconds=60)
    async with engine.begin() as connection:
        for resolved_at in (
            ago((ALERTS_KEPT_FOR + kept).total_seconds()),
            ago((ALERTS_KEPT_FOR - kept).total_seconds()),
        ):
            times = {"alert_id": uuid7(), "created_at": resolved_at, "resolved_at": resolved_at}
            await connection.execute(insert(alerts).values(row | times))
    await ExpiryRound(engine).run_once()
    assert len(await settled(engine, judgement())) == 1


async def test_rules_are_their_defaults_until_somebody_changes_them(engine: AsyncEngine) -> None:
    change = RuleChange(AlertType.HIGH_QUEUE_DEPTH, {"threshold": 50.0, "severity": Severity.CRITICAL})
    async with engine.begin() as connection:
        before = await read_rules(connection)
        await change_rules(connection, [change], author=AUTHOR)
        after = await read_rules(connection)
    assert {kind: rule.rule for kind, rule in before.items()} == DEFAULT_RULES
    assert all(rule.updated_at is None for rule in before.values())
    changed = after.pop(AlertType.HIGH_QUEUE_DEPTH)
    assert changed.rule == replace(DEFAULT_RULES[AlertType.HIGH_QUEUE_DEPTH], threshold=50, severity=Severity.CRITICAL)
    assert changed.updated_at is not None
    assert after.items() <= before.items()


async def test_a_second_change_keeps_what_it_does_not_name(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await change_rules(connection, [RuleChange(AlertType.STUCK_TASKS, {"threshold": 50.0})], author=AUTHOR)
        await change_rules(connection, [RuleChange(AlertType.STUCK_TASKS, {"enabled": False})], author=AUTHOR)
        rule = (await read_rules(connection))[AlertType.STUCK_TASKS].rule
    assert rule == replace(DEFAULT_RULES[AlertType.STUCK_TASKS], threshold=50, enabled=False)


async def test_concurrent_changes_of_one_rule_are_both_kept(engine: AsyncEngine) -> None:
    async def change(**values: object) -> None:
        async with engine.begin() as connection:
            await change_rules(connection, [RuleChange(AlertType.STUCK_TASKS, values)], author=AUTHOR)

    await asyncio.gather(change(threshold=50.0), change(enabled=False), change(for_seconds=7))
    async with engine.connect() as connection:
        rule = (await read_rules(connection))[AlertType.STUCK_TASKS].rule
    assert (rule.threshold, rule.enabled, rule.for_seconds) == (50, False, 7)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (RuleChange(AlertType.HIGH_FAILURE_RATE, {"threshold": 101.0}), "rules.1.threshold"),
        (RuleChange(AlertType.STUCK_TASKS, {"window_seconds": 60}), "rules.1.window_seconds"),
        (RuleChange(AlertType.HIGH_QUEUE_DEPTH, {"threshold": 1.0}), "rules.1.type"),
    ],
)
async def test_one_bad_change_refuses_all(engine: AsyncEngine, bad: RuleChange, field: str) -> None:
    good = RuleChange(AlertType.HIGH_QUEUE_DEPTH, {"threshold": 50.0})
    async with engine.begin() as connection:
        with pytest.raises(InvalidRequest) as refused:
            await change_rules(connection, [good, bad], author=AUTHOR)
        rules = await read_rules(connection)
    assert [name for name, _ in refused.value.errors] == [field]
    assert {kind: in_force.rule for kind, in_force in rules.items()} == DEFAULT_RULES


async def test_the_measured_facts_are_those_of_the_database(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_worker(connection, "celery@one", queues=["celery"])
        await add_worker(connection, "celery@two", silent=30, queues=["etl"])
        await add_task(connection, queue_name="etl", dispatched_at=ago(90))
        await add_task(connection, status="FAILED", phase="finished", completed_at=ago(5))
        facts = (await measure(connection, DEFAULT_RULES, blocked=BlockedWork())).inputs
    assert (facts.online_workers, facts.failed, facts.finished) == (1, 1, 1)
    assert facts.silent_workers == {"two": pytest.approx(30, abs=2)}
    assert facts.not_picked_up == {"etl": pytest.approx(90, abs=2)}
    assert facts.unserved == {"etl"}
    assert facts.waiting is None
