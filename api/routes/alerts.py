"""Alerts: what is wrong now, what was, who has seen it, and the rules by which it is said."""

from typing import Annotated

from fastapi import Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.authorship import RequestAuthor
from api.declarations import audited_as, caches_answers, needs, whole_fleet
from api.dependencies import ReadConnection, WriteConnection
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.alerts import AlertModel, AlertPage, RuleModel, RulePage, RulesUpdate
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from domain.alerts.rules import AlertType, Severity
from domain.audit import Action
from domain.errors import AlertNotFound
from domain.scopes import Scope
from services.alerts import acknowledge, change_rules, read_rules
from store.queries import alerts
from store.queries.alerts import AlertFilter

router = api_router("/alerts", tag="alerts")


@router.get("", summary="List alerts", response_model=AlertPage)
@needs(Scope.READ)
@whole_fleet
@caches_answers
async def list_alerts(
    connection: ReadConnection,
    include_resolved: Annotated[bool, Query(description="Also those that are over; kept for 90 days.")] = False,
    *,
    type: Annotated[list[AlertType], Query(description="May repeat.")] = [],  # noqa: B006  FastAPI copies it
    severity: Annotated[list[Severity], Query(description="May repeat.")] = [],  # noqa: B006
    acknowledged: bool | None = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    rows: RowsShown = Rows.BOTH,
) -> AlertPage | Response:
    """Active alerts, newest first. Each is raised once while its condition lasts, and resolved by itself."""
    filters = AlertFilter(tuple(type), tuple(severity), acknowledged, include_resolved)
    total, raised = await alerts.list_alerts(connection, filters, limit=limit, offset=offset)
    models = [AlertModel.from_row(row) for row in raised]
    return AlertPage(total=total, limit=limit, offset=offset, data=models, alerts=models).with_rows(rows)


@router.post("/{alert_id}/acknowledge", summary="Acknowledge an alert", responses=responses(AlertNotFound))
@needs(Scope.OPERATE)
@whole_fleet
@audited_as(Action.ALERT_ACKNOWLEDGE)
async def acknowledge_alert(connection: WriteConnection, alert_id: str, *, author: RequestAuthor) -> AlertModel:
    """Notes that somebody has seen it; a second time changes nothing. It stays listed until it is resolved."""
    return AlertModel.from_row(await acknowledge(connection, alert_id, author=author))


@router.get("/rules", summary="List alert rules", response_model=RulePage)
@needs(Scope.READ)
@whole_fleet
async def list_rules(
    connection: ReadConnection, limit: Limit = DEFAULT_LIMIT, *, offset: Offset = 0, rows: RowsShown = Rows.BOTH
) -> RulePage | Response:
    """The rule of every type of alert: as somebody changed it, else the default."""
    return (await _rules(connection, limit=limit, offset=offset)).with_rows(rows)


@router.put("/rules", summary="Change alert rules")
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.RULES_CHANGE)
async def update_rules(connection: WriteConnection, author: RequestAuthor, *, body: RulesUpdate) -> RulePage:
    """Changes the rules of the named types, all or none; in force from the next look, at most some 5 s later.

    What `GET` answers can be sent as it is, and changes nothing.
    """
    name, changes = body.changes()
    await change_rules(connection, changes, author=author, name=name)
    return await _rules(connection, limit=DEFAULT_LIMIT, offset=0)


async def _rules(connection: AsyncConnection, *, limit: int, offset: int) -> RulePage:
    rules = [RuleModel.from_rule(in_force) for in_force in (await read_rules(connection)).values()]
    page = rules[offset : offset + limit]
    return RulePage(total=len(rules), limit=limit, offset=offset, data=page, rules=page)
