"""Idempotency keys: requests that may be sent again and must act once."""

from alembic import op

revision = "0002_idempotency_keys"
down_revision = "0001_first_light"


def upgrade() -> None:
    """Make the table."""
    op.execute("""
        CREATE TABLE idempotency_keys (
            request_hash bytea PRIMARY KEY,
            body_hash    bytea NOT NULL,
            answer       text,
            created_at   timestamptz NOT NULL
        );
        CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
    """)


def downgrade() -> None:
    """Remove the table; what was sent before acts again when it is sent again."""
    op.execute("DROP TABLE idempotency_keys")
