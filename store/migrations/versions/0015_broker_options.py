"""What nodes say of how they use the broker: where their messages lie, and in which keys kombu keeps its books."""

from alembic import op

revision = "0015_broker_options"
down_revision = "0014_filled_bytes"


def upgrade() -> None:
    """Add columns that are filled when the nodes are next asked, within a minute."""
    op.execute("ALTER TABLE workers ADD COLUMN broker_options jsonb")


def downgrade() -> None:
    """Remove the columns; nodes are asked for their contents again."""
    op.execute("ALTER TABLE workers DROP COLUMN broker_options")
