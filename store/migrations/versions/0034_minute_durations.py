"""Histograms of run times by the minute, so that the last hour can be told from the one before.

Of minutes that are folded already none is known: their durations stay 0 beside runs that are counted.
"""

from alembic import op

revision = "0034_minute_durations"
down_revision = "0033_packed_durations"


def upgrade() -> None:
    """Add the column, which rewrites nothing."""
    op.execute("ALTER TABLE rollup_minutes ADD durations numeric DEFAULT 0 NOT NULL")


def downgrade() -> None:
    """Take it away again, with what was counted."""
    op.execute("ALTER TABLE rollup_minutes DROP durations")
