"""What changes is counted: each change in the feed has the number that it is of its subject."""

from alembic import op

revision = "0027_sequence"
down_revision = "0026_webhooks"


def upgrade() -> None:
    """Columns with constant defaults, which rewrite nothing. What was told before has no number, and the first change
    after this is the first that is counted."""
    op.execute("ALTER TABLE tasks ADD COLUMN change_count integer NOT NULL DEFAULT 0")
    op.execute(
        "ALTER TABLE workers ADD COLUMN told_online boolean NOT NULL DEFAULT false,"
        " ADD COLUMN change_count integer NOT NULL DEFAULT 0"
    )
    op.execute("ALTER TABLE feed ADD COLUMN sequence integer")


def downgrade() -> None:
    """The numbers are lost; counted again, they begin at 1."""
    op.execute("ALTER TABLE feed DROP COLUMN sequence")
    op.execute("ALTER TABLE workers DROP COLUMN told_online, DROP COLUMN change_count")
    op.execute("ALTER TABLE tasks DROP COLUMN change_count")
