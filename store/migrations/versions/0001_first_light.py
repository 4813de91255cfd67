"""First light: tasks with their arguments, results, attempts and events; outbox; workers; gaps."""

from alembic import op

revision = "0001_first_light"
down_revision = None

TASKS = """
CREATE TABLE tasks (
    task_id             text PRIMARY KEY,
    task_name           text,
    status              text NOT NULL,
    phase               text NOT NULL,
    priority            smallint,
    queue_name          text,
    max_retries         integer,
    timeout_seconds     integer,
    created_at          timestamptz NOT NULL,
    scheduled_at        timestamptz,
    dispatched_at       timestamptz,
    first_started_at    timestamptz,
    started_at          timestamptz,
    completed_at        timestamptz,
    duration_seconds    double precision,
    retry_count         integer NOT NULL DEFAULT 0,
    attempt_count       integer NOT NULL DEFAULT 0,
    node                text,
    exception           text,
    root_id             text,
    parent_id           text,
    original_task_id    text,
    workflow_id         uuid,
    cancel_requested_at timestamptz,
    result_pending      boolean NOT NULL DEFAULT false,
    reconstructed       boolean NOT NULL DEFAULT false,
    submitted_here      boolean NOT NULL DEFAULT false,
    events_from         timestamptz NOT NULL,
    checked_at            timestamptz NOT NULL
);
CREATE INDEX tasks_created ON tasks (created_at, task_id);
CREATE INDEX tasks_status ON tasks (status, created_at, task_id);
CREATE INDEX tasks_queue ON tasks (queue_name, created_at, task_id);
CREATE INDEX tasks_name ON tasks (task_name, created_at, task_id);
CREATE INDEX tasks_node_running ON tasks (node) WHERE status = 'RUNNING';
CREATE INDEX tasks_unfinished ON tasks (checked_at) WHERE status IN ('PENDING', 'RUNNING');
CREATE INDEX tasks_cancels ON tasks (task_id)
    WHERE cancel_requested_at IS NOT NULL AND status IN ('PENDING', 'RUNNING');
CREATE INDEX tasks_result_pending ON tasks (checked_at) WHERE result_pending;
"""

BESIDE_TASKS = """
CREATE TABLE task_arguments (
    task_id     text PRIMARY KEY,
    args        json,
    kwargs      json,
    args_repr   text,
    kwargs_repr text
);
CREATE TABLE task_results (
    task_id           text PRIMARY KEY,
    result            json,
    truncated         boolean NOT NULL DEFAULT false,
    exception_type    text,
    exception_message text,
    traceback         text,
    stored_at         timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE attempts (
    task_id         text,
    number          integer,
    retries         integer NOT NULL,
    delivery        integer NOT NULL,
    state           text NOT NULL,
    node            text,
    received_at     timestamptz,
    started_at      timestamptz,
    finished_at     timestamptz,
    runtime_seconds double precision,
    exception       text,
    traceback       text,
    PRIMARY KEY (task_id, number)
);
CREATE TABLE outbox (
    task_id     text PRIMARY KEY,
    due_at      timestamptz NOT NULL,
    dispatch_no integer NOT NULL DEFAULT 1
);
CREATE INDEX outbox_due ON outbox (due_at, task_id);
"""

# The default partition is a net for events whose clocks are far off; loops/partitions calls the function to
# keep days ahead ready. A day whose events already went into the net stays there.
EVENTS = """
CREATE TABLE events (
    task_id     text,
    occurred_at timestamptz,
    event_key   text,
    event_type  text NOT NULL,
    node        text,
    pid         bigint,
    clock       bigint,
    retries     integer,
    details     json,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (task_id, occurred_at, event_key)
) PARTITION BY RANGE (occurred_at);
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE FUNCTION make_event_partitions(first_day date, days integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    begins date;
BEGIN
    FOR nth IN 0..days - 1 LOOP
        begins := first_day + nth;
        IF to_regclass('events_' || to_char(begins, 'YYYYMMDD')) IS NULL THEN
            BEGIN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
                    'events_' || to_char(begins, 'YYYYMMDD'),
                    begins::timestamp AT TIME ZONE 'UTC',
                    (begins + 1)::timestamp AT TIME ZONE 'UTC'
                );
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'events of % are in the default partition already', begins;
            END;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT make_event_partitions((now() AT TIME ZONE 'UTC')::date - 1, 9);
"""

WORKERS = """
CREATE TABLE workers (
    worker_id         uuid PRIMARY KEY,
    node              text NOT NULL UNIQUE,
    capacity          integer,
    registered_at     timestamptz,
    first_seen_at     timestamptz,
    last_heartbeat_at timestamptz,
    last_event_at     timestamptz,
    online_at         timestamptz,
    goodbye_at        timestamptz,
    pid               bigint,
    active            integer,
    processed         bigint,
    load_average      double precision[],
    software          text,
    pool              text,
    concurrency       integer,
    prefetch_count    integer,
    queues            text[],
    plugin            text,
    described_at      timestamptz,
    described_pid     bigint
);
CREATE TABLE registered_tasks (
    node      text,
    task_name text,
    seen_at   timestamptz NOT NULL,
    PRIMARY KEY (node, task_name)
);
CREATE INDEX registered_tasks_name ON registered_tasks (task_name, seen_at);
CREATE TABLE gaps (
    gap_id     uuid PRIMARY KEY,
    source     text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL
);
CREATE INDEX gaps_ended ON gaps (ended_at);
"""


def upgrade() -> None:
    """Make every table."""
    for statements in (TASKS, BESIDE_TASKS, EVENTS, WORKERS):
        op.execute(statements)


def downgrade() -> None:
    """Remove every table, with all they hold."""
    op.execute("DROP FUNCTION make_event_partitions")
    op.execute(
        "DROP TABLE tasks, task_arguments, task_results, attempts, outbox, events, workers, registered_tasks, gaps"
    )
