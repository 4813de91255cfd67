"""When the processes of a worker's name began and said goodbye: the lives before the latest one."""

from alembic import op

revision = "0040_lives_of_workers"
down_revision = "0039_true_times_of_alerts"


def upgrade() -> None:
    """Columns without a default, which rewrite nothing. Of earlier lives no more is known than before."""
    op.execute("ALTER TABLE workers ADD COLUMN starts timestamptz[], ADD COLUMN goodbyes timestamptz[]")


def downgrade() -> None:
    """Forget the earlier lives."""
    op.execute("ALTER TABLE workers DROP COLUMN starts, DROP COLUMN goodbyes")
