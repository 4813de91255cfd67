"""The signal that a cancel asks for, so that whoever repeats the cancel repeats it too."""

from alembic import op

revision = "0010_cancel_signal"
down_revision = "0009_intake"


def upgrade() -> None:
    """Add a column of NULLs, which rewrites nothing; cancels that are open now go on with SIGTERM, as before."""
    op.execute("ALTER TABLE tasks ADD COLUMN cancel_signal text")


def downgrade() -> None:
    """Remove it; the signal stays in the events."""
    op.execute("ALTER TABLE tasks DROP COLUMN cancel_signal")
