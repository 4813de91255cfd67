"""The tables of alerts and of the rules that somebody has changed."""

from sqlalchemy import Boolean, Column, Double, Index, Integer, Table, Text, Uuid, text

from store.tables.base import Time, metadata

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Uuid, primary_key=True),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("value", Double, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("acknowledged_at", Time),
    Column("resolved_at", Time),
    Column("began_at", Time),
    Column("ended_at", Time),
    Index("alerts_open", "type", "subject", unique=True, postgresql_where=text("resolved_at IS NULL")),
    Index("alerts_created", "created_at", "alert_id"),
    Index("alerts_resolved", "resolved_at", postgresql_where=text("resolved_at IS NOT NULL")),
)
"""What was found wrong, with at most one open row for each type and subject; the empty subject is the whole system.
`began_at` and `ended_at` are when it was so, `created_at` and `resolved_at` when that was said; of old rows only these.
"""

alert_rules = Table(
    "alert_rules",
    metadata,
    Column("type", Text, primary_key=True),
    Column("severity", Text, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("for_seconds", Integer, nullable=False),
    Column("resolve_after_seconds", Integer, nullable=False),
    Column("window_seconds", Integer),
    Column("minimum_tasks", Integer),
    Column("enabled", Boolean, nullable=False),
    Column("updated_at", Time, nullable=False),
)
"""Rules that somebody has changed; of all others the default in `domain/alerts/rules.py` holds."""
