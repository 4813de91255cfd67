"""Roll-ups: deltas, sums by minute and hour, histograms, ends by node, lifetime totals."""

from alembic import op

revision = "0004_rollups"
down_revision = "0003_search"

TABLES = """
CREATE TABLE rollup_deltas (
    delta_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    starts_at    timestamptz NOT NULL,
    task_name    text NOT NULL,
    queue_name   text NOT NULL,
    measure      text NOT NULL,
    error        text NOT NULL DEFAULT '',
    node         text NOT NULL DEFAULT '',
    bucket       smallint,
    count        bigint NOT NULL,
    microseconds bigint NOT NULL DEFAULT 0
);
CREATE TABLE rollup_minutes (
    starts_at    timestamptz,
    task_name    text,
    queue_name   text,
    measure      text,
    error        text,
    count        bigint NOT NULL,
    timed        bigint NOT NULL,
    microseconds bigint NOT NULL,
    PRIMARY KEY (starts_at, task_name, queue_name, measure, error)
);
CREATE TABLE rollup_hours (
    starts_at    timestamptz,
    task_name    text,
    queue_name   text,
    measure      text,
    error        text,
    count        bigint NOT NULL,
    timed        bigint NOT NULL,
    microseconds bigint NOT NULL,
    PRIMARY KEY (starts_at, task_name, queue_name, measure, error)
);
CREATE TABLE rollup_histograms (
    starts_at  timestamptz,
    task_name  text,
    queue_name text,
    measure    text,
    bucket     smallint,
    count      bigint NOT NULL,
    PRIMARY KEY (starts_at, task_name, queue_name, measure, bucket)
);
CREATE TABLE rollup_nodes (
    starts_at timestamptz,
    node      text,
    measure   text,
    count     bigint NOT NULL,
    PRIMARY KEY (starts_at, node, measure)
);
CREATE TABLE rollup_totals (
    measure text PRIMARY KEY,
    count   bigint NOT NULL
);
CREATE INDEX tasks_held ON tasks (queue_name) WHERE phase IN ('reserved', 'running');
"""

# Tasks that are there already are counted as `domain/rollups.py` counts them; the loop folds it all soon after.
COUNT_WHAT_IS_THERE = r"""
CREATE FUNCTION pg_temp.bucket_of(microseconds bigint) RETURNS smallint IMMUTABLE STRICT LANGUAGE sql AS
    'SELECT CASE WHEN microseconds > 0 THEN 1 + ceil(ln(microseconds::float8) / ln(1.1::float8)) ELSE 0 END::smallint';
CREATE FUNCTION pg_temp.slot_of(at timestamptz) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS
    $$SELECT date_bin('10 seconds', at, 'epoch')$$;
INSERT INTO rollup_deltas (starts_at, task_name, queue_name, measure, count)
SELECT pg_temp.slot_of(created_at), left(coalesce(task_name, ''), 255), left(coalesce(queue_name, ''), 255),
       'submitted', count(*)
FROM tasks GROUP BY 1, 2, 3;
INSERT INTO rollup_deltas (starts_at, task_name, queue_name, measure, bucket, count, microseconds)
SELECT starts_at, task_name, queue_name, 'started', pg_temp.bucket_of(wait), count(*), sum(wait)
FROM (
    SELECT pg_temp.slot_of(first_started_at) AS starts_at,
           left(coalesce(task_name, ''), 255) AS task_name,
           left(coalesce(queue_name, ''), 255) AS queue_name,
           greatest(0, extract(epoch FROM first_started_at - greatest(created_at, scheduled_at)) * 1000000)::bigint
               AS wait
    FROM tasks WHERE first_started_at IS NOT NULL
) AS started GROUP BY 1, 2, 3, 5;
INSERT INTO rollup_deltas (starts_at, task_name, queue_name, measure, error, node, bucket, count, microseconds)
SELECT starts_at, task_name, queue_name, measure, error, node, pg_temp.bucket_of(duration), count(*),
       coalesce(sum(duration), 0)
FROM (
    SELECT pg_temp.slot_of(completed_at) AS starts_at,
           left(coalesce(task_name, ''), 255) AS task_name,
           left(coalesce(queue_name, ''), 255) AS queue_name,
           lower(status) AS measure,
           CASE WHEN status = 'FAILED'
                THEN left(coalesce(substring(exception FROM '^(?:[[:alpha:]_]\w*\.)*([[:alpha:]_]\w*)(?:\(|:|$)'),
                                   'Unknown'), 100)
                ELSE '' END AS error,
           left(coalesce(node, ''), 255) AS node,
           round(duration_seconds * 1000000)::bigint AS duration
    FROM tasks WHERE status IN ('COMPLETED', 'FAILED', 'CANCELLED') AND completed_at IS NOT NULL
) AS ended GROUP BY 1, 2, 3, 4, 5, 6, 7;
"""


def upgrade() -> None:
    """Make the tables and count the tasks that are there."""
    op.execute(TABLES)
    op.get_bind().exec_driver_sql(COUNT_WHAT_IS_THERE)


def downgrade() -> None:
    """Remove the roll-ups."""
    op.execute("DROP INDEX tasks_held")
    op.execute("DROP TABLE rollup_deltas, rollup_minutes, rollup_hours, rollup_histograms, rollup_nodes, rollup_totals")
