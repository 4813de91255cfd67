"""Webhooks: where somebody wants to be told of changes, his deliveries, and every attempt at one."""

from alembic import op

revision = "0026_webhooks"
down_revision = "0025_feed"

WEBHOOKS = """
CREATE TABLE webhooks (
    webhook_id text PRIMARY KEY,
    url text NOT NULL,
    description text NOT NULL,
    events text[] NOT NULL,
    filters json NOT NULL,
    payload text NOT NULL,
    format text NOT NULL,
    ordering text NOT NULL,
    rate_per_second integer,
    max_in_flight integer NOT NULL,
    headers text NOT NULL,
    secret text NOT NULL,
    previous_secret text,
    previous_expires_at timestamptz,
    state text NOT NULL,
    disabled_at timestamptz,
    disabled_because text,
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    held_until timestamptz,
    paced_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL
);
CREATE TABLE webhook_cursors (
    webhook_id text PRIMARY KEY,
    cursor text NOT NULL
);
CREATE TABLE webhook_deliveries (
    delivery_id uuid PRIMARY KEY,
    webhook_id text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    subject_id text NOT NULL,
    xact bigint NOT NULL,
    change_id bigint NOT NULL,
    body text NOT NULL,
    is_test boolean NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz,
    leased_until timestamptz,
    done_at timestamptz,
    last_status_code integer,
    last_error text,
    CONSTRAINT webhook_deliveries_once UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (webhook_id, created_at, delivery_id);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at) WHERE status = 'PENDING';
CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (webhook_id, subject_id, xact, change_id)
    WHERE status = 'PENDING';
CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (webhook_id) WHERE leased_until IS NOT NULL;
CREATE INDEX webhook_deliveries_tests ON webhook_deliveries (created_at) WHERE is_test AND status = 'PENDING';
CREATE TABLE webhook_attempts (
    delivery_id uuid NOT NULL,
    attempt_no integer NOT NULL,
    at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    status_code integer,
    error text,
    answer text NOT NULL,
    PRIMARY KEY (delivery_id, attempt_no)
)
"""


def upgrade() -> None:
    """New tables, which nobody waits for."""
    op.execute(WEBHOOKS)


def downgrade() -> None:
    """Whoever was told is told no more."""
    op.execute("DROP TABLE webhook_attempts, webhook_deliveries, webhook_cursors, webhooks")
