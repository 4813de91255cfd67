"""Requests that were refused for want of a valid key, counted by the minute: nothing else is left of them."""

from alembic import op

revision = "0038_turned_away"
down_revision = "0037_taken_on"


def upgrade() -> None:
    """A new table, which nobody waits for. Processes of older versions count nothing."""
    op.execute(
        """
        CREATE TABLE turned_away (
            minute timestamptz PRIMARY KEY,
            count bigint NOT NULL,
            latest_at timestamptz NOT NULL,
            latest_from text NOT NULL
        )
        """
    )


def downgrade() -> None:
    """Remove the table."""
    op.execute("DROP TABLE turned_away")
