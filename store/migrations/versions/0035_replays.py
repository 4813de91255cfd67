"""An index of the tasks that are replays: they are rare, and lists of them would look through all others."""

from alembic import op

revision = "0035_replays"
down_revision = "0034_minute_durations"


def upgrade() -> None:
    """Build the index beside running work; one that was begun and not finished is made anew."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS tasks_replays")
        op.execute(
            "CREATE INDEX CONCURRENTLY tasks_replays ON tasks (created_at, task_id) WHERE original_task_id IS NOT NULL"
        )


def downgrade() -> None:
    """Remove the index."""
    op.execute("DROP INDEX tasks_replays")
