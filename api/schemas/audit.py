"""The audit on the wire: which rows are wanted, the rows, and whether they are what they were."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.pages import (
    CURSOR_MEANING,
    DEFAULT_LIMIT,
    MAX_CURSOR,
    MAX_LIMIT,
    MAX_OFFSET,
    ROWS_MEANING,
    Page,
    Rows,
)
from api.schemas.types import Moment, Text, Timestamp, time_of
from domain.audit import MAX_ID, Action, Outcome
from domain.audit_seals import EXPLANATIONS, AuditRow, Flaw, Tampering
from services.audit_seals import Verification
from store.queries.audit import AuditFilter

_TIMES = "RFC 3339, a date (its start in UTC), or relative: -24h is 24 hours ago (s, m, h, d)."
Id = Annotated[Text, Field(min_length=1, max_length=MAX_ID)]


class AuditFilters(RequestModel):
    """All that is given must hold."""

    model_config = ConfigDict(strict=False)

    actor: Id | None = Field(None, description="The id of who did it, alone or as `kind:id`: `api_key:k7Qm2ZpX4rT1`.")
    action: Action | None = None
    subject: Id | None = Field(None, description="The id of what it was done to.")
    outcome: Outcome | None = None
    request_id: Annotated[Text, Field(min_length=1, max_length=128)] | None = None
    after: Moment | None = Field(None, description=f"From then on. {_TIMES}")
    before: Moment | None = Field(None, description=f"Before then. {_TIMES}")

    def as_filter(self) -> AuditFilter:
        """Return the filter as of now."""
        now = datetime.now(UTC)
        return AuditFilter(
            actor=self.actor,
            action=self.action,
            subject=self.subject,
            outcome=self.outcome,
            request_id=self.request_id,
            after=time_of(self.after, now) if self.after else None,
            before=time_of(self.before, now) if self.before else None,
        )


class AuditQuery(AuditFilters):
    """Which rows, and which page of them."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Rows in this page.")] = DEFAULT_LIMIT
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET, description="Rows before this page.")] = 0
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = Field(None, description=CURSOR_MEANING)
    rows: Rows = Field(Rows.BOTH, description=ROWS_MEANING)


class AuditModel(ResponseModel):
    """What somebody did."""

    audit_id: UUID
    at: Timestamp
    actor_kind: str = Field(description="How he was let in.", examples=["api_key", "env_key", "local", "cli"])
    actor_id: str
    actor_name: str
    action: str = Field(examples=["task.cancel"])
    subject_kind: str = Field(examples=["task"])
    subject_id: str
    outcome: str = Field(
        description="`done`: committed with this row; `requested`: the wish was, and was carried out afterwards; "
        "`refused`: for want of a scope."
    )
    request_id: str | None
    address: str | None
    reason: str | None = Field(description="What `X-Celeriac-Reason` said.")
    before: dict[str, Any] = Field(description="The fields that differ, as they were.")
    after: dict[str, Any] = Field(description="The fields that differ, as they are since.")

    @classmethod
    def from_row(cls, row: AuditRow) -> Self:
        return cls.model_validate(row)


class AuditPage(Page[AuditModel]):
    """A part of the audit; the rows stand under both names."""

    audit: list[AuditModel]


class TamperingModel(ResponseModel):
    """The first thing, in the order in which it was written, that is not as it was sealed."""

    flaw: Flaw
    message: str
    seal_no: int
    audit_id: UUID | None = Field(description="The row; null where it is the seal itself.")

    @classmethod
    def from_tampering(cls, found: Tampering) -> Self:
        return cls(flaw=found.flaw, message=EXPLANATIONS[found.flaw], seal_no=found.seal_no, audit_id=found.audit_id)


class AuditVerification(ResponseModel):
    """Whether all sealed rows are what they were when they were sealed."""

    ok: bool = Field(description="Nothing was found that differs, as far as was looked.")
    complete: bool = Field(description="False: time ran out; go on with `after_seal` = `last_seal`.")
    tampering: TamperingModel | None
    seals: int = Field(description="Seals that were looked at.")
    seals_with_key: int = Field(description="Those of them that were made with a key.")
    rows: int = Field(description="Rows that were looked at.")
    unsealed_rows: int = Field(description="Rows that no seal lists yet, at most 10,000; 0 while not complete.")
    last_seal: int | None = Field(description="The last seal that was found as it was made.")
    last_hash: str | None = Field(description="Its hash. Keep it elsewhere: then nobody can cut off the chain unseen.")
    sealed_at: Timestamp | None = Field(description="When it was made.")

    @classmethod
    def from_verification(cls, found: Verification) -> Self:
        last = found.last_seal
        return cls(
            ok=found.tampering is None,
            complete=found.complete,
            tampering=TamperingModel.from_tampering(found.tampering) if found.tampering else None,
            seals=found.seals,
            seals_with_key=found.seals_with_key,
            rows=found.rows,
            unsealed_rows=found.unsealed,
            last_seal=last.seal_no if last else None,
            last_hash=last.seal_hash.hex() if last else None,
            sealed_at=last.at if last else None,
        )
