"""Notifications of alerts: channels, routes to them, what was told, and the messages."""

from alembic import op

revision = "0028_notifications"
down_revision = "0027_sequence"

TABLES = """
CREATE TABLE notification_channels (
    channel_id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    url text NOT NULL,
    shown text NOT NULL,
    enabled boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    failing_since timestamptz,
    last_attempt_at timestamptz,
    last_outcome text,
    last_code integer,
    last_delivered_at timestamptz
);
CREATE TABLE notification_routes (
    route_id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    channel_ids uuid[] NOT NULL,
    severities text[] NOT NULL,
    alert_types text[] NOT NULL,
    subjects text[] NOT NULL,
    group_seconds integer NOT NULL,
    repeat_seconds integer,
    send_resolved boolean NOT NULL,
    enabled boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE notification_told (
    alert_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    phase text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (alert_id, channel_id)
);
CREATE TABLE notification_messages (
    message_id uuid PRIMARY KEY,
    channel_id uuid NOT NULL,
    route_id uuid NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    kind text NOT NULL,
    alerts integer NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    last_outcome text,
    last_code integer,
    done_at timestamptz
);
CREATE INDEX notification_messages_pending ON notification_messages (next_attempt_at) WHERE status = 'PENDING';
CREATE INDEX notification_messages_done ON notification_messages (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX notification_messages_of_channel ON notification_messages (channel_id, message_id)
"""


def upgrade() -> None:
    """New tables, which nobody waits for."""
    op.execute(TABLES)


def downgrade() -> None:
    """Remove them, with all channels; nobody is notified any more."""
    op.execute("DROP TABLE notification_channels, notification_routes, notification_told, notification_messages")
