"""Workers: what operators want of them, and what they say of themselves beside it."""

from alembic import op

revision = "0006_workers"
down_revision = "0005_alerts"

DESIRED = """
ALTER TABLE workers
    ADD COLUMN want_paused       boolean,
    ADD COLUMN drain_started_at  timestamptz,
    ADD COLUMN drain_deadline_at timestamptz,
    ADD COLUMN drain_shutdown_at timestamptz,
    ADD COLUMN drain_finished_at timestamptz,
    ADD COLUMN drain_goodbye_at  timestamptz,
    ADD COLUMN drain_remaining   text[],
    ADD COLUMN resize_target     integer,
    ADD COLUMN resize_at         timestamptz,
    ADD COLUMN resize_pid        bigint
"""

OBSERVED = """
ALTER TABLE workers
    ADD COLUMN is_paused    boolean,
    ADD COLUMN consuming    text[],
    ADD COLUMN autoscales   boolean NOT NULL DEFAULT false,
    ADD COLUMN protocol     integer,
    ADD COLUMN capabilities text[]
"""

ADDED = (
    "want_paused",
    "drain_started_at",
    "drain_deadline_at",
    "drain_shutdown_at",
    "drain_finished_at",
    "drain_goodbye_at",
    "drain_remaining",
    "resize_target",
    "resize_at",
    "resize_pid",
    "is_paused",
    "consuming",
    "autoscales",
    "protocol",
    "capabilities",
)


def upgrade() -> None:
    """Make room for wishes and answers."""
    op.execute(DESIRED)
    op.execute(OBSERVED)


def downgrade() -> None:
    """Forget all wishes."""
    op.execute("ALTER TABLE workers " + ", ".join(f"DROP COLUMN {name}" for name in ADDED))
