"""Alerts: what was raised, the rules that were changed, and the indexes that make measuring cheap."""

from alembic import op

revision = "0005_alerts"
down_revision = "0004_rollups"

ALERTS = """
CREATE TABLE alerts (
    alert_id        uuid PRIMARY KEY,
    type            text NOT NULL,
    subject         text NOT NULL,
    severity        text NOT NULL,
    description     text NOT NULL,
    value           double precision NOT NULL,
    threshold       double precision NOT NULL,
    created_at      timestamptz NOT NULL,
    acknowledged_at timestamptz,
    resolved_at     timestamptz
);
CREATE UNIQUE INDEX alerts_open ON alerts (type, subject) WHERE resolved_at IS NULL;
CREATE INDEX alerts_created ON alerts (created_at, alert_id);
CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;
CREATE TABLE alert_rules (
    type                  text PRIMARY KEY,
    severity              text NOT NULL,
    threshold             double precision NOT NULL,
    for_seconds           integer NOT NULL,
    resolve_after_seconds integer NOT NULL,
    window_seconds        integer,
    minimum_tasks         integer,
    enabled               boolean NOT NULL,
    updated_at            timestamptz NOT NULL
);
"""

MEASURED = """
ALTER TABLE outbox ADD COLUMN postponed_at timestamptz;
CREATE INDEX outbox_postponed ON outbox (postponed_at, task_id) WHERE postponed_at IS NOT NULL;
CREATE INDEX tasks_ended ON tasks (completed_at, status) WHERE completed_at IS NOT NULL;
CREATE INDEX tasks_unreceived ON tasks (queue_name, dispatched_at)
    WHERE phase = 'queued' AND submitted_here AND attempt_count = 0;
"""


def upgrade() -> None:
    """Make the tables, and what the measurements read."""
    op.execute(ALERTS)
    op.execute(MEASURED)


def downgrade() -> None:
    """Remove them, with all alerts and rules."""
    op.execute("DROP INDEX tasks_unreceived, tasks_ended")
    op.execute("ALTER TABLE outbox DROP COLUMN postponed_at")
    op.execute("DROP TABLE alerts, alert_rules")
