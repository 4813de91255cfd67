"""Alerts and their rules on the wire."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.pages import MAX_LIMIT, MAX_OFFSET, Page
from api.schemas.types import Time, Timestamp
from domain.alerts.rules import KINDS, AlertType, Severity, Unit
from domain.errors import InvalidRequest
from services.alerts import FIXED_FIELDS, RuleChange
from store.queries.alerts import AlertRow, RuleInForce

LONGEST_WAIT_SECONDS = 86_400
LONGEST_WINDOW_SECONDS = 31 * 86_400
LARGEST_MINIMUM = 1_000_000


class AlertModel(ResponseModel):
    """Something that is or was wrong."""

    alert_id: UUID
    type: AlertType
    severity: Severity
    description: str = Field(examples=["Depth of queue payments exceeded 1000"])
    created_at: Timestamp = Field(description="When it was raised.")
    acknowledged: bool
    acknowledged_at: Timestamp | None
    resolved_at: Timestamp | None = Field(description="null while the condition lasts.")
    began_at: Timestamp = Field(
        description="Since when it is or was so, as far as is known: before it was raised. Of what is counted, since "
        "when it was first seen so."
    )
    ended_at: Timestamp | None = Field(description="When it was first seen well again; null while it lasts.")
    subject: str | None = Field(
        description="Queue, worker, task name or component; null for the system as a whole.", examples=["payments"]
    )
    value: float = Field(description="What was last measured while it was open, in the unit of the type's rule.")
    threshold: float = Field(description="Of the rule by which it was raised.")

    @classmethod
    def from_row(cls, row: AlertRow) -> Self:
        return cls(
            alert_id=row.alert_id,
            type=AlertType(row.type),
            severity=Severity(row.severity),
            description=row.description,
            created_at=row.created_at,
            acknowledged=row.acknowledged_at is not None,
            acknowledged_at=row.acknowledged_at,
            resolved_at=row.resolved_at,
            began_at=row.began_at or row.created_at,
            ended_at=row.ended_at or row.resolved_at,
            subject=row.subject or None,
            value=row.value,
            threshold=row.threshold,
        )


class AlertPage(Page[AlertModel]):
    """A part of the list of alerts; the rows stand under both names."""

    alerts: list[AlertModel]


class RuleModel(ResponseModel):
    """When alerts of one type are raised and resolved."""

    type: AlertType
    severity: Severity
    enabled: bool = Field(description="false: none is raised, and open ones are resolved.")
    threshold: float = Field(description="Raised beyond this; NO_ACTIVE_WORKERS below it.")
    unit: Unit = Field(description="Of the threshold and of the alerts' values.")
    window_seconds: int | None = Field(description="How far back is measured; null for types that measure the present.")
    minimum_tasks: int | None = Field(
        description="Fewer finished tasks within the window raise nothing; null for types that are no rate."
    )
    for_seconds: int = Field(description="Raised once the condition has held so long.")
    resolve_after_seconds: int = Field(description="Resolved once the condition has been gone so long.")
    description: str = Field(description="What is measured.")
    updated_at: Timestamp | None = Field(description="When somebody last changed it; null for a default.")

    @classmethod
    def from_rule(cls, in_force: RuleInForce) -> Self:
        rule, kind = in_force.rule, KINDS[in_force.rule.type]
        return cls(
            type=rule.type,
            severity=rule.severity,
            enabled=rule.enabled,
            threshold=rule.threshold,
            unit=kind.unit,
            window_seconds=rule.window_seconds,
            minimum_tasks=rule.minimum_tasks,
            for_seconds=rule.for_seconds,
            resolve_after_seconds=rule.resolve_after_seconds,
            description=kind.meaning,
            updated_at=in_force.updated_at,
        )


class RulePage(Page[RuleModel]):
    """A part of the list of rules, one for each type; they stand under both names."""

    rules: list[RuleModel]


Wait = Annotated[int, Field(ge=0, le=LONGEST_WAIT_SECONDS)]


_AS_READ = "Cannot be set: left out, or as `GET` answers it."


class RuleUpdate(RequestModel):
    """New values for the rule of one type; what is left out or null stays as it is."""

    type: Annotated[AlertType, Field(strict=False)]
    severity: Annotated[Severity, Field(strict=False)] | None = None
    enabled: bool | None = None
    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="Within the bounds of the type, e.g. 0 to 100 percent."
    )
    window_seconds: Annotated[int, Field(ge=60, le=LONGEST_WINDOW_SECONDS)] | None = Field(
        None, description="Only for types that have a window."
    )
    minimum_tasks: Annotated[int, Field(ge=1, le=LARGEST_MINIMUM)] | None = Field(
        None, description="Only for HIGH_FAILURE_RATE."
    )
    for_seconds: Wait | None = None
    resolve_after_seconds: Wait | None = None
    unit: Annotated[Unit, Field(strict=False)] | None = Field(None, description=_AS_READ)
    description: Annotated[str, Field(max_length=1000)] | None = Field(None, description=_AS_READ)
    updated_at: Time | None = Field(None, description=f"{_AS_READ} Older than the rule: somebody has changed it since.")

    def as_change(self) -> RuleChange:
        """What is to be set, and what was only repeated."""
        given = self.model_dump(exclude_none=True, exclude={"type", *FIXED_FIELDS})
        repeated = {name: getattr(self, name) for name in FIXED_FIELDS if name in self.model_fields_set}
        return RuleChange(self.type, given, repeated)


Updates = Annotated[list[RuleUpdate], Field(min_length=1, max_length=len(AlertType))]


class RulesUpdate(RequestModel):
    """The body of `PUT /alerts/rules`: some rules, or what `GET` has answered, changed or not."""

    rules: Updates | None = None
    data: Updates | None = Field(None, description="In the place of `rules`, or the same.")
    total: int | None = Field(None, description=_AS_READ)
    total_is_exact: bool | None = Field(None, description=_AS_READ)
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] | None = Field(None, description="Of the page that was read.")
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] | None = Field(None, description="Of the page that was read.")
    next_cursor: None = Field(None, description=_AS_READ)

    def changes(self) -> tuple[str, list[RuleChange]]:
        """The changes, and the field in which they stand. Raises InvalidRequest for what is not as `GET` answers it."""
        name, updates = ("data", self.data) if self.rules is None else ("rules", self.rules)
        wrong: list[tuple[str, str]] = []
        if updates is None:
            wrong.append(("rules", "Field required"))
        if self.data is not None and self.rules not in (None, self.data):
            wrong.append(("data", "differs from rules, which it repeats"))
        if self.total not in (None, len(AlertType)):
            wrong.append(("total", f"cannot be set; it is {len(AlertType)}"))
        if self.total_is_exact is False:
            wrong.append(("total_is_exact", "cannot be set; it is true"))
        if wrong or updates is None:
            raise InvalidRequest(": ".join(wrong[0]), errors=tuple(wrong))
        return name, [update.as_change() for update in updates]
