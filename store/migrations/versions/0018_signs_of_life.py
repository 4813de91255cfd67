"""Every sign of life of a worker counts, not its heartbeats alone; and what it does not tell is known and said."""

from alembic import op

revision = "0018_signs_of_life"
down_revision = "0017_outcomes"

COLUMNS = {
    "seen_at": "timestamptz",
    "heartbeat_seconds": "double precision",
    "events": "boolean",
    "events_asked_at": "timestamptz",
    "events_asked_pid": "bigint",
    "task_event_at": "timestamptz",
    "started_before": "bigint",
    "counted_at": "timestamptz",
    "asked_at": "timestamptz",
    "unanswered": "integer NOT NULL DEFAULT 0",
    "unreadable": "text",
}


def upgrade() -> None:
    """Add the columns; nothing is known of any of them yet."""
    for name, kind in COLUMNS.items():
        op.execute(f"ALTER TABLE workers ADD COLUMN {name} {kind}")


def downgrade() -> None:
    """Remove the columns; older versions know heartbeats alone."""
    for name in COLUMNS:
        op.execute(f"ALTER TABLE workers DROP COLUMN {name}")
