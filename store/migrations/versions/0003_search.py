"""Search: documents beside the tasks, the queue of those to be indexed, filter presets."""

from alembic import op

revision = "0003_search"
down_revision = "0002_idempotency_keys"

# The queue has no index: one reader takes whatever comes first. Vacuum must come by its count, not by its size.
SEARCH = """
CREATE TABLE task_search (
    task_id  text PRIMARY KEY,
    document tsvector NOT NULL
);
CREATE INDEX task_search_document ON task_search USING gin (document);
CREATE TABLE search_queue (
    task_id text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
INSERT INTO search_queue SELECT task_id FROM tasks;
CREATE TABLE search_presets (
    name        text PRIMARY KEY,
    description text NOT NULL,
    filters     json NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tasks_workflow ON tasks (workflow_id, created_at, task_id) WHERE workflow_id IS NOT NULL;
"""


def upgrade() -> None:
    """Make the tables, and queue every task that is there to be indexed."""
    op.execute(SEARCH)


def downgrade() -> None:
    """Remove the tables, with all documents and saved presets."""
    op.execute("DROP INDEX tasks_workflow; DROP TABLE task_search, search_queue, search_presets")
