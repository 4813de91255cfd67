"""Durable intake: whether a node's events wait for the mirror while that is away."""

from alembic import op

revision = "0009_intake"
down_revision = "0008_cancel"


def upgrade() -> None:
    """Add the column; nodes known so far count as those whose events do not wait, until they are heard again."""
    op.execute("ALTER TABLE workers ADD COLUMN kept boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    """Remove it; nothing is lost, the next heartbeat would tell it again."""
    op.execute("ALTER TABLE workers DROP COLUMN kept")
