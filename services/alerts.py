"""Alerts: measure what Postgres knows, store what was judged, read and change the rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alerts.conditions import Judgement
from domain.alerts.rules import DEFAULT_RULES, KINDS, AlertType, Rule, problems
from domain.audit import Action, Author, Change
from domain.degradation import BlockedWork
from domain.errors import AlertNotFound, InvalidRequest
from services.audit import record_change
from services.feed import tell_alerts
from store.queries import alerts, for_alerts
from store.queries.alerts import AlertRow, RuleInForce
from store.queries.for_alerts import Measured

FIXED_FIELDS = ("unit", "description", "updated_at")
"""The fields of a rule, as it is shown, that nobody can set."""


@dataclass(frozen=True, slots=True)
class RuleChange:
    """New values by field, for the rule of one type; what is not named stays as it is."""

    type: AlertType
    values: Mapping[str, Any]
    repeated: Mapping[str, Any] = field(default_factory=dict)
    """What was repeated of `FIXED_FIELDS`; it must be as it is."""


async def read_rules(connection: AsyncConnection) -> dict[AlertType, RuleInForce]:
    """Return the rule of every type: as somebody changed it, else the default."""
    changed = {stored.rule.type: stored for stored in await alerts.list_changed_rules(connection)}
    return {kind: changed.get(kind) or RuleInForce(default, None) for kind, default in DEFAULT_RULES.items()}


async def change_rules(
    connection: AsyncConnection, changes: Sequence[RuleChange], *, author: Author, name: str = "rules"
) -> None:
    """Store these changes, all or none; what changes nothing is not stored, so that a default stays one.

    Raises InvalidRequest for a type named twice, a rule that makes no sense, or one that was not read as it is; `name`
    is the field in which the changes stand.
    """
    await alerts.lock_rules(connection)
    rules = await read_rules(connection)
    changed: dict[AlertType, Rule] = {}
    errors: list[tuple[str, str]] = []
    for index, change in enumerate(changes):
        in_force = rules[change.type]
        rule = replace(in_force.rule, **change.values)
        wrong = [("type", "is named twice")] if change.type in changed else problems(rule)
        wrong += _differences(change, in_force)
        errors += [(f"{name}.{index}.{field}", message) for field, message in wrong]
        changed[change.type] = rule
    if errors:
        raise InvalidRequest(f"{errors[0][0]}: {errors[0][1]}", errors=tuple(errors))
    if new := [rule for kind, rule in changed.items() if rule != rules[kind].rule]:
        await alerts.save_rules(connection, new)
    before, after = _fields([rules[kind].rule for kind in changed]), _fields(changed.values())
    await record_change(connection, Change(Action.RULES_CHANGE, ", ".join(changed), before, after), author=author)


def _fields(rules: Iterable[Rule]) -> dict[str, object]:
    """Every field of these rules by its type and name."""
    return {f"{rule.type}.{name}": getattr(rule, name) for rule in rules for name in Rule.__dataclass_fields__}


async def acknowledge(connection: AsyncConnection, alert_id: str, *, author: Author) -> AlertRow:
    """Note that somebody has seen the alert; a second time changes nothing. Raises AlertNotFound."""
    try:
        row = await alerts.acknowledge(connection, UUID(alert_id))
    except ValueError:
        row = None
    if row is None:
        raise AlertNotFound
    after = {"type": row.type, "subject": row.subject, "acknowledged_at": row.acknowledged_at}
    await record_change(connection, Change(Action.ALERT_ACKNOWLEDGE, alert_id, after=after), author=author)
    return row


def _differences(change: RuleChange, in_force: RuleInForce) -> list[tuple[str, str]]:
    """What was told of a rule and is not so, as pairs of (field, message)."""
    kind = KINDS[change.type]
    stored = {"unit": kind.unit, "description": kind.meaning, "updated_at": in_force.updated_at}
    wrong = [field for field, value in change.repeated.items() if value != stored[field]]
    return [(field, f"cannot be set, and differs from what is stored: {stored[field]}") for field in wrong]


async def measure(connection: AsyncConnection, rules: Mapping[AlertType, Rule], *, blocked: BlockedWork) -> Measured:
    """Return all that Postgres knows; what must be asked of the broker and other servers is left open."""
    return await for_alerts.measure(
        connection,
        failures=_window(rules[AlertType.HIGH_FAILURE_RATE]),
        silences=_window(rules[AlertType.WORKER_OFFLINE]),
        gaps=_window(rules[AlertType.EVENTS_MISSED]),
        blocked=blocked,
    )


async def write_changes(connection: AsyncConnection, judgement: Judgement) -> None:
    """Store what was raised, seen again and resolved."""
    ids = await alerts.resolve(connection, judgement.resolved)
    ids |= await alerts.save(connection, (*judgement.raised, *judgement.still_open))
    await tell_alerts(connection, judgement, ids=ids)


def _window(rule: Rule) -> timedelta:
    return timedelta(seconds=rule.window_seconds or 0)
