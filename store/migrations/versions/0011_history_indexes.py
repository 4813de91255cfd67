"""Indexes for searches of a long history: by start, by duration, and by a part of the error."""

from alembic import op

revision = "0011_history_indexes"
down_revision = "0010_cancel_signal"

INDEXES = {
    "tasks_started": "(started_at) WHERE started_at IS NOT NULL",
    "tasks_duration": "(duration_seconds) WHERE duration_seconds IS NOT NULL",
    "tasks_exception": "USING gin (exception gin_trgm_ops) WHERE exception IS NOT NULL",
}


def upgrade() -> None:
    """Build the indexes beside running work. One that was begun and not finished is made anew."""
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON tasks {columns}")


def downgrade() -> None:
    """Remove them; the extension may be somebody else's, too."""
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
