"""Tasks that the broker refuses: how often, why, and since when they are parked; out of the way of the others."""

from alembic import op

revision = "0013_refusals"
down_revision = "0012_coarse_rollups"

REFUSALS = """
ALTER TABLE outbox ADD COLUMN refusals integer NOT NULL DEFAULT 0, ADD COLUMN refusal text,
                   ADD COLUMN parked_at timestamptz;
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (due_at, task_id) WHERE refusals <= 0;
CREATE INDEX outbox_refused ON outbox (due_at, task_id) WHERE refusals > 0;
"""


def upgrade() -> None:
    """Add the columns and indexes; nothing counts as refused yet."""
    op.execute(REFUSALS)


def downgrade() -> None:
    """Remove them; tasks that were refused are offered again as any others."""
    op.execute("DROP INDEX outbox_due, outbox_refused")
    op.execute("ALTER TABLE outbox DROP COLUMN refusals, DROP COLUMN refusal, DROP COLUMN parked_at")
    op.execute("CREATE INDEX outbox_due ON outbox (due_at, task_id)")
