"""The queues that nobody consumed and that a worker was told to consume, each with when that was."""

from alembic import op

revision = "0037_taken_on"
down_revision = "0036_earlier_tries"


def upgrade() -> None:
    """A column without a default, which rewrites nothing. What was taken on before is not known as such."""
    op.execute("ALTER TABLE workers ADD COLUMN taken_on jsonb")


def downgrade() -> None:
    """What was taken on is forgotten; the workers go on consuming it."""
    op.execute("ALTER TABLE workers DROP COLUMN taken_on")
