"""When what an alert tells began and ended, beside when it was raised and resolved."""

from alembic import op

revision = "0039_true_times_of_alerts"
down_revision = "0038_turned_away"


def upgrade() -> None:
    """Columns without a default, which rewrite nothing. Old alerts keep the times at which they were told."""
    op.execute("ALTER TABLE alerts ADD COLUMN began_at timestamptz, ADD COLUMN ended_at timestamptz")


def downgrade() -> None:
    """Forget the times."""
    op.execute("ALTER TABLE alerts DROP COLUMN began_at, DROP COLUMN ended_at")
