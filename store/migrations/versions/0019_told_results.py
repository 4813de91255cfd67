"""What is known of results that cannot be read: why, and what the worker's event told of them."""

from alembic import op

revision = "0019_told_results"
down_revision = "0018_signs_of_life"


def upgrade() -> None:
    """Add columns without a default, which rewrites nothing, and an index that is empty: nothing waits."""
    op.execute("ALTER TABLE task_results ADD COLUMN unreadable text, ADD COLUMN result_repr text")
    op.execute("CREATE INDEX task_results_unreadable ON task_results (stored_at) WHERE unreadable IS NOT NULL")


def downgrade() -> None:
    """Remove the columns; what was told is lost."""
    op.execute("ALTER TABLE task_results DROP COLUMN unreadable, DROP COLUMN result_repr")
