"""The tasks that a step had before its workflow was retried: their events keep the name of the step."""

from alembic import op

revision = "0036_earlier_tries"
down_revision = "0035_replays"


def upgrade() -> None:
    """Add the column; a constant default rewrites no row."""
    op.execute("ALTER TABLE workflow_steps ADD COLUMN earlier_task_ids text[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    """Remove the column."""
    op.execute("ALTER TABLE workflow_steps DROP COLUMN earlier_task_ids")
