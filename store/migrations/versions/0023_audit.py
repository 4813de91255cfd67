"""Who did what: rows that are written in the transaction of each change, and seals that make it visible if somebody
changes them.
"""

from alembic import op

revision = "0023_audit"
down_revision = "0022_sessions"


def upgrade() -> None:
    """Two new tables, which nobody waits for. What processes of older versions do leaves no row."""
    op.execute(
        """
        CREATE TABLE audit (
            audit_id uuid NOT NULL,
            xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
            at timestamptz NOT NULL DEFAULT now(),
            actor_kind text NOT NULL,
            actor_id text NOT NULL,
            actor_name text NOT NULL,
            action text NOT NULL,
            subject_kind text NOT NULL,
            subject_id text NOT NULL,
            outcome text NOT NULL,
            request_id text,
            address text,
            reason text,
            before jsonb NOT NULL,
            after jsonb NOT NULL,
            PRIMARY KEY (xact, audit_id)
        );
        CREATE INDEX audit_at ON audit (at, audit_id);
        CREATE INDEX audit_subject ON audit (subject_id, at);
        CREATE TABLE audit_seals (
            seal_no bigint PRIMARY KEY,
            kind text NOT NULL,
            begins_xact xid8 NOT NULL,
            begins_id uuid NOT NULL,
            ends_xact xid8 NOT NULL,
            ends_id uuid NOT NULL,
            row_ids uuid[] NOT NULL,
            digests bytea NOT NULL,
            previous_hash bytea NOT NULL UNIQUE,
            at timestamptz NOT NULL,
            seal_hash bytea NOT NULL,
            mac bytea,
            expired_seal_no bigint,
            expired_hash bytea,
            expired_rows bigint
        )
        """
    )


def downgrade() -> None:
    """Everything that was recorded is lost."""
    op.execute("DROP TABLE audit_seals; DROP TABLE audit")
