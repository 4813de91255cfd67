"""Who submitted a task or a workflow: a key that may submit and not read sees what it has submitted itself."""

from alembic import op

revision = "0021_submitted_by"
down_revision = "0020_api_keys"


def upgrade() -> None:
    """Two columns that may be null, which no row is rewritten for. Nobody waits longer than for a lock of a moment."""
    op.execute("ALTER TABLE tasks ADD COLUMN submitted_by text")
    op.execute("ALTER TABLE workflows ADD COLUMN submitted_by text")


def downgrade() -> None:
    """Nobody knows afterwards who submitted what."""
    op.execute("ALTER TABLE workflows DROP COLUMN submitted_by")
    op.execute("ALTER TABLE tasks DROP COLUMN submitted_by")
