"""What results have made of a workflow's arguments is counted, so that it can be bounded."""

from alembic import op

revision = "0014_filled_bytes"
down_revision = "0013_refusals"


def upgrade() -> None:
    """Add the count; workflows that are under way begin to count now."""
    op.execute("ALTER TABLE workflows ADD COLUMN filled_bytes bigint NOT NULL DEFAULT 0")


def downgrade() -> None:
    """Remove the count; nothing else knows of it."""
    op.execute("ALTER TABLE workflows DROP COLUMN filled_bytes")
