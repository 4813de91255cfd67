"""The tables of the audit: what was done by whom, and the chain of seals over it."""

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import UserDefinedType

from store.tables.base import Time, metadata


class Xid8(UserDefinedType[int]):
    """The number of a transaction, which is never used again: `xid8` of Postgres, here a whole number."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the name of the type in Postgres."""
        return "xid8"

    def bind_processor(self, _dialect: Dialect) -> "_Writes":
        """Write it as text: Postgres turns no number into an `xid8`."""
        return _as_text

    def result_processor(self, _dialect: Dialect, _coltype: object) -> Callable[[str | None], int | None]:
        """Read it from the text that the driver gives."""
        return _as_number


class _Writes(Protocol):
    def __call__(self, value: int | None) -> str | None: ...


def _as_text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _as_number(value: str | None) -> int | None:
    return None if value is None else int(value)


audit = Table(
    "audit",
    metadata,
    Column("audit_id", Uuid, nullable=False),
    Column("xact", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    Column("at", Time, nullable=False, server_default=func.now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("request_id", Text),
    Column("address", Text),
    Column("reason", Text),
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
    PrimaryKeyConstraint("xact", "audit_id"),
    Index("audit_at", "at", "audit_id"),
    Index("audit_subject", "subject_id", "at"),
)
"""Rows are inserted in the transaction of what they tell, and never changed; they go with the seals that list them.

`xact` is the number of that transaction: below the oldest that still runs, no row is added any more
(`domain/audit_seals.py`).
"""

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("seal_no", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("begins_xact", Xid8, nullable=False),
    Column("begins_id", Uuid, nullable=False),
    Column("ends_xact", Xid8, nullable=False),
    Column("ends_id", Uuid, nullable=False),
    Column("row_ids", ARRAY(Uuid), nullable=False),
    Column("digests", LargeBinary, nullable=False),
    Column("previous_hash", LargeBinary, nullable=False, unique=True),
    Column("at", Time, nullable=False),
    Column("seal_hash", LargeBinary, nullable=False),
    Column("mac", LargeBinary),
    Column("expired_seal_no", BigInteger),
    Column("expired_hash", LargeBinary),
    Column("expired_rows", BigInteger),
)
"""One row for each seal; the fields are those of `domain.audit_seals.Seal`. Each hash has one successor: there is one
chain, whoever seals.
"""
