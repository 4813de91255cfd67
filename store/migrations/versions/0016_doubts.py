"""Why a task of which nothing is heard is not sent again, and whether two processes share a worker's name."""

from alembic import op

revision = "0016_doubts"
down_revision = "0015_broker_options"


def upgrade() -> None:
    """Make the table; few tasks are ever in doubt."""
    op.execute(
        """
        CREATE TABLE doubts (
            task_id text PRIMARY KEY,
            since timestamptz NOT NULL DEFAULT now(),
            doubt text NOT NULL
        )
        """
    )
    op.execute("ALTER TABLE workers ADD COLUMN clock bigint, ADD COLUMN other_life_at timestamptz")


def downgrade() -> None:
    """Remove the table; nothing else knows of it."""
    op.execute("ALTER TABLE workers DROP COLUMN clock, DROP COLUMN other_life_at")
    op.execute("DROP TABLE doubts")
