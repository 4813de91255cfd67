"""Alerts and their rules, as stored. What they are judged by is measured in `for_alerts.py`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Double,
    Select,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from domain.alerts.conditions import AlertFinding, Key
from domain.alerts.rules import AlertType, Rule, Severity
from store.batch import Columns, batch_of, bind_rows
from store.queries.ages import interval_of
from store.tables.alerts import alert_rules, alerts


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert, open or resolved."""

    alert_id: UUID
    type: str
    subject: str
    severity: str
    description: str
    value: float
    threshold: float
    created_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    began_at: datetime | None = None
    """Is None for one that an older version raised."""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are wanted: all that is given must hold; None and empty mean no condition."""

    types: tuple[AlertType, ...] = ()
    severities: tuple[Severity, ...] = ()
    acknowledged: bool | None = None
    include_resolved: bool = False


_columns = [alerts.c[name] for name in AlertRow.__dataclass_fields__]


async def list_alerts(
    connection: AsyncConnection, filters: AlertFilter, *, limit: int, offset: int
) -> tuple[int, list[AlertRow]]:
    """Return how many alerts match and one page of them, newest first (index alerts_open or alerts_created)."""
    where = _conditions(filters)
    total = (await connection.execute(select(func.count()).select_from(alerts).where(*where))).scalar_one()
    newest_first = (alerts.c.created_at.desc(), alerts.c.alert_id.desc())
    page = select(*_columns).where(*where).order_by(*newest_first).limit(limit).offset(offset)
    return total, [AlertRow(*row) for row in await connection.execute(page)]


def _conditions(filters: AlertFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if not filters.include_resolved:
        conditions.append(alerts.c.resolved_at.is_(None))
    if filters.types:
        conditions.append(alerts.c.type.in_([alert_type.value for alert_type in filters.types]))
    if filters.severities:
        conditions.append(alerts.c.severity.in_([severity.value for severity in filters.severities]))
    if filters.acknowledged is not None:
        conditions.append(alerts.c.acknowledged_at.is_not(None) == filters.acknowledged)
    return conditions


_acknowledge = (
    update(alerts)
    .where(alerts.c.alert_id == bindparam("wanted", type_=Uuid))
    .values(acknowledged_at=func.coalesce(alerts.c.acknowledged_at, func.now()))
    .returning(*_columns)
)


async def acknowledge(connection: AsyncConnection, alert_id: UUID) -> AlertRow | None:
    """Note that somebody has seen the alert, the first time only; None if there is none of this id (primary key)."""
    row = (await connection.execute(_acknowledge, {"wanted": alert_id})).one_or_none()
    return AlertRow(*row) if row else None


async def list_open_keys(connection: AsyncConnection) -> frozenset[Key]:
    """Return type and subject of every open alert (index alerts_open)."""
    keys = select(alerts.c.type, alerts.c.subject).where(alerts.c.resolved_at.is_(None))
    return frozenset((AlertType(row.type), row.subject) for row in await connection.execute(keys))


async def get_open_description(connection: AsyncConnection, alert_type: AlertType, *, subject: str) -> str | None:
    """Return what the open alert of this type and subject says; None without one (index alerts_open)."""
    return (await connection.execute(open_description(alert_type, subject))).scalar_one_or_none()


def open_description(alert_type: AlertType, subject: str) -> Select[str]:
    """Ask what the open alert of this type and subject says."""
    conditions = (alerts.c.type == alert_type.value, alerts.c.subject == subject, alerts.c.resolved_at.is_(None))
    return select(alerts.c.description).where(*conditions)


_FOUND: Columns = {
    "alert_id": Uuid(),
    "type": Text(),
    "subject": Text(),
    "severity": Text(),
    "description": Text(),
    "value": Double(),
    "threshold": Double(),
}
_found = batch_of(**_FOUND, lasted=Double())
_insert_found = insert(alerts).from_select(
    (*_FOUND, "created_at", "began_at"),
    select(*(_found.c[name] for name in _FOUND), func.now(), func.now() - interval_of(_found.c.lasted)),
)
_NAMED = (alerts.c.type, alerts.c.subject, alerts.c.alert_id)
_REFRESHED = ("severity", "description", "value", "threshold")
_save = _insert_found.on_conflict_do_update(
    index_elements=["type", "subject"],
    index_where=alerts.c.resolved_at.is_(None),
    set_={name: _insert_found.excluded[name] for name in _REFRESHED},
    where=or_(*(alerts.c[name] != _insert_found.excluded[name] for name in _REFRESHED)),
).returning(*_NAMED)


async def save(connection: AsyncConnection, findings: Iterable[AlertFinding]) -> dict[Key, UUID]:
    """Raise these; what is open already is brought up to date and stays the alert that it is (index alerts_open).

    Returns the ids of those that were raised or are others than before.
    """
    rows = [_found_row(finding) for finding in findings]
    return _ids_of(await connection.execute(_save, bind_rows((*_FOUND, "lasted"), rows))) if rows else {}


def _ids_of(rows: Iterable[Any]) -> dict[Key, UUID]:
    return {(AlertType(row.type), row.subject): row.alert_id for row in rows}


def _found_row(finding: AlertFinding) -> tuple[object, ...]:
    rule = finding.rule
    # A batch's column is of one type: a count beside an age would be refused.
    numbers = float(finding.value), float(rule.threshold)
    return (uuid7(), *finding.key, rule.severity.value, finding.description, *numbers, finding.lasted_seconds)


_over = batch_of(type=Text(), subject=Text(), ago=Double())
_resolve = (
    update(alerts)
    .where(alerts.c.type == _over.c.type, alerts.c.subject == _over.c.subject, alerts.c.resolved_at.is_(None))
    .values(resolved_at=func.now(), ended_at=func.greatest(alerts.c.began_at, func.now() - interval_of(_over.c.ago)))
    .returning(*_NAMED)
)


async def resolve(connection: AsyncConnection, over: Mapping[Key, float]) -> dict[Key, UUID]:
    """Close the open alerts of these types and subjects, which ended so many seconds ago, and return their ids (index
    alerts_open).
    """
    rows = [(alert_type.value, subject, ago) for (alert_type, subject), ago in over.items()]
    return _ids_of(await connection.execute(_resolve, bind_rows(("type", "subject", "ago"), rows))) if rows else {}


async def forget_resolved(connection: AsyncConnection, *, older_than: timedelta) -> None:
    """Delete what was resolved so long ago (index alerts_resolved)."""
    await connection.execute(delete(alerts).where(alerts.c.resolved_at < func.now() - older_than))


@dataclass(frozen=True, slots=True)
class RuleInForce:
    """A rule, and when somebody last changed it; None for a default."""

    rule: Rule
    updated_at: datetime | None


_RULE = tuple(Rule.__dataclass_fields__)
_rules = select(*(alert_rules.c[name] for name in _RULE), alert_rules.c.updated_at)


async def list_changed_rules(connection: AsyncConnection) -> list[RuleInForce]:
    """Return the rules that somebody has changed; nine at most."""
    changed = []
    for *columns, updated_at in await connection.execute(_rules):
        values = dict(zip(_RULE, columns, strict=True))
        values |= {"type": AlertType(values["type"]), "severity": Severity(values["severity"])}
        changed.append(RuleInForce(Rule(**values), updated_at))
    return changed


async def lock_rules(connection: AsyncConnection) -> None:
    """Let nobody else change a rule until the transaction ends; readers are not held up."""
    await connection.execute(text("LOCK TABLE alert_rules IN SHARE ROW EXCLUSIVE MODE"))


async def save_rules(connection: AsyncConnection, rules: Sequence[Rule]) -> None:
    """Store at least one rule in the place of what was there for its type (primary key)."""
    rows = [{name: getattr(rule, name) for name in _RULE} | {"updated_at": func.now()} for rule in rules]
    statement = insert(alert_rules).values(rows)
    changed = {column.name: column for column in statement.excluded if column.name != "type"}
    await connection.execute(statement.on_conflict_do_update(index_elements=["type"], set_=changed))
