"""What nodes say that they can do, what their tasks ask for, and how Celery's count of retries began."""

from alembic import op

revision = "0008_cancel"
down_revision = "0007_workflows"


def upgrade() -> None:
    """Add columns that are filled when the nodes are next asked, within a minute."""
    op.execute("ALTER TABLE workers ADD COLUMN priority_steps integer[]")
    op.execute("ALTER TABLE registered_tasks ADD COLUMN acks_late boolean, ADD COLUMN max_retries integer")
    op.execute("ALTER TABLE tasks ADD COLUMN retries_base integer NOT NULL DEFAULT 0")


def downgrade() -> None:
    """Remove the columns."""
    op.execute("ALTER TABLE tasks DROP COLUMN retries_base")
    op.execute("ALTER TABLE registered_tasks DROP COLUMN acks_late, DROP COLUMN max_retries")
    op.execute("ALTER TABLE workers DROP COLUMN priority_steps")
