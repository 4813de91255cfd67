"""API keys as rows: who may do what, with a hash of each secret and never the secret itself."""

from alembic import op

revision = "0020_api_keys"
down_revision = "0019_told_results"


def upgrade() -> None:
    """A new table, which nobody waits for. Processes of older versions do not know its keys and let none of them in."""
    op.execute(
        """
        CREATE TABLE api_keys (
            key_id text PRIMARY KEY,
            name text NOT NULL,
            secret_hash bytea NOT NULL,
            previous_hash bytea,
            previous_expires_at timestamptz,
            scopes text[] NOT NULL,
            queues text[] NOT NULL,
            task_names text[] NOT NULL,
            networks text[] NOT NULL,
            rate_limit_per_minute integer,
            created_at timestamptz NOT NULL DEFAULT now(),
            created_by text NOT NULL,
            expires_at timestamptz,
            disabled_at timestamptz,
            revoked_at timestamptz,
            last_used_at timestamptz,
            last_used_from text
        )
        """
    )


def downgrade() -> None:
    """All keys are lost; those of CELERIAC_API_KEYS stay."""
    op.execute("DROP TABLE api_keys")
