"""Roll-ups for trends of a month: sums and histograms by the week, and a percentile of each hour and day."""

from alembic import op

revision = "0029_week_rollups"
down_revision = "0028_notifications"

# Nothing is folded meanwhile (`store/queries/leadership.py`); no table is locked that anybody reads or writes.
WHILE_NOTHING_IS_FOLDED = f"SELECT pg_advisory_xact_lock({0x726F6C6C})"
TABLES = """
CREATE TABLE rollup_weeks (LIKE rollup_days INCLUDING INDEXES);
CREATE TABLE rollup_week_histograms (LIKE rollup_day_histograms INCLUDING INDEXES);
CREATE TABLE rollup_p95s (
    period    text,
    starts_at timestamptz,
    bucket    smallint,
    PRIMARY KEY (period, starts_at)
)
"""
SUM_UP = """
INSERT INTO rollup_weeks
SELECT date_trunc('week', starts_at, 'UTC'), task_name, queue_name, measure, error, sum(count), sum(timed),
       sum(microseconds)
FROM rollup_days GROUP BY 1, 2, 3, 4, 5;
INSERT INTO rollup_week_histograms
SELECT date_trunc('week', starts_at, 'UTC'), task_name, queue_name, bucket, sum(count)
FROM rollup_day_histograms GROUP BY 1, 2, 3, 4;
WITH counted AS (
    SELECT 'hour' AS period, starts_at, bucket, count FROM rollup_hour_histograms
    UNION ALL
    SELECT 'day', date_trunc('day', starts_at, 'UTC'), bucket, sum(count) FROM rollup_hour_histograms GROUP BY 2, 3
), reached AS (
    SELECT *, sum(count) OVER (PARTITION BY period, starts_at ORDER BY bucket) AS so_far,
           sum(count) OVER (PARTITION BY period, starts_at) AS total
    FROM counted
)
INSERT INTO rollup_p95s
SELECT period, starts_at, min(bucket) FILTER (WHERE count > 0 AND so_far * 100 >= total * 95)
FROM reached GROUP BY 1, 2;
"""


def upgrade() -> None:
    """Make the tables and sum up what has been folded by the day and by the hour."""
    op.execute(WHILE_NOTHING_IS_FOLDED)
    op.execute(TABLES)
    op.execute(SUM_UP)


def downgrade() -> None:
    """Remove them; the finer ones hold all that they say."""
    op.execute("DROP TABLE rollup_weeks, rollup_week_histograms, rollup_p95s")
