"""Ends of which nobody told how they were, and how many facts were told of a task."""

from alembic import op

revision = "0017_outcomes"
down_revision = "0016_doubts"


def upgrade() -> None:
    """Add the columns; facts of tasks that are there already are counted when the next one comes."""
    op.execute("ALTER TABLE tasks ADD COLUMN outcome text, ADD COLUMN fact_count integer NOT NULL DEFAULT 0")


def downgrade() -> None:
    """Remove the columns; unknown ends stay CANCELLED."""
    op.execute("ALTER TABLE tasks DROP COLUMN outcome, DROP COLUMN fact_count")
