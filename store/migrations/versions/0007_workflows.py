"""Workflows: their steps, what the steps submit, and who has to be looked at."""

from alembic import op

revision = "0007_workflows"
down_revision = "0006_workers"

WORKFLOWS = """
CREATE TABLE workflows (
    workflow_id          uuid PRIMARY KEY,
    name                 text NOT NULL,
    on_failure           text NOT NULL,
    status               text NOT NULL,
    step_count           integer NOT NULL,
    unfinished           integer NOT NULL,
    created_at           timestamptz NOT NULL,
    started_at           timestamptz,
    completed_at         timestamptz,
    cancel_requested_at  timestamptz,
    stopped_at           timestamptz,
    original_workflow_id uuid
);
CREATE INDEX workflows_created ON workflows (created_at, workflow_id);
CREATE INDEX workflows_status ON workflows (status, created_at, workflow_id);
CREATE INDEX workflows_name ON workflows (name, created_at, workflow_id);
CREATE TABLE workflow_events (
    workflow_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    event_type  text NOT NULL,
    PRIMARY KEY (workflow_id, occurred_at, event_type)
);
CREATE TABLE workflow_wakes (
    workflow_id uuid NOT NULL,
    due_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX workflow_wakes_due ON workflow_wakes (due_at);
CREATE INDEX workflow_wakes_workflow ON workflow_wakes (workflow_id);
"""

STEPS = """
CREATE TABLE workflow_steps (
    workflow_id uuid NOT NULL,
    position    integer NOT NULL,
    step_id     text NOT NULL,
    task_id     text NOT NULL,
    status      text NOT NULL,
    waiting_for integer NOT NULL,
    settled     boolean NOT NULL DEFAULT false,
    children    integer[] NOT NULL,
    ended_at    timestamptz,
    error       text,
    PRIMARY KEY (workflow_id, position)
);
CREATE UNIQUE INDEX workflow_steps_id ON workflow_steps (workflow_id, step_id);
CREATE UNIQUE INDEX workflow_steps_task ON workflow_steps (workflow_id, task_id);
CREATE INDEX workflow_steps_unsettled ON workflow_steps (workflow_id, position)
    WHERE ended_at IS NOT NULL AND NOT settled;
CREATE INDEX workflow_steps_free ON workflow_steps (workflow_id, position)
    WHERE status = 'WAITING' AND waiting_for = 0;
CREATE TABLE workflow_submissions (
    workflow_id     uuid NOT NULL,
    position        integer NOT NULL,
    task_name       text NOT NULL,
    args            json NOT NULL,
    kwargs          json NOT NULL,
    has_references  boolean NOT NULL,
    queue_name      text NOT NULL,
    priority        smallint NOT NULL,
    max_retries     integer NOT NULL,
    timeout_seconds integer,
    scheduled_at    timestamptz,
    PRIMARY KEY (workflow_id, position)
);
"""

TREES = """
CREATE INDEX tasks_root ON tasks (root_id, created_at, task_id) WHERE parent_id IS NOT NULL;
"""


def upgrade() -> None:
    """Make the tables, and the index by which chains and chords of others are found."""
    op.execute(WORKFLOWS)
    op.execute(STEPS)
    op.execute(TREES)


def downgrade() -> None:
    """Remove them, with all workflows; the tasks of their steps stay."""
    op.execute("DROP INDEX tasks_root")
    op.execute("DROP TABLE workflow_submissions, workflow_steps, workflow_wakes, workflow_events, workflows")
