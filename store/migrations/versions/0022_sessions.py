"""Sessions as rows: which browsers somebody has signed in with, with a hash of each cookie and never its text."""

from alembic import op

revision = "0022_sessions"
down_revision = "0021_submitted_by"


def upgrade() -> None:
    """A new table, which nobody waits for. Processes of older versions know no sessions and let none of them in."""
    op.execute(
        """
        CREATE TABLE sessions (
            session_id text PRIMARY KEY,
            session_hash bytea NOT NULL,
            owner text NOT NULL,
            principal jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            seen_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            user_agent text,
            address text
        )
        """
    )


def downgrade() -> None:
    """Everybody is signed out."""
    op.execute("DROP TABLE sessions")
