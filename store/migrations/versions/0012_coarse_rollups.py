"""Coarser roll-ups for long windows: by the hour of all tasks together, and by the day."""

from alembic import op

revision = "0012_coarse_rollups"
down_revision = "0011_history_indexes"

TABLES = """
CREATE TABLE rollup_days (LIKE rollup_hours INCLUDING INDEXES);
CREATE TABLE rollup_hour_totals (
    starts_at    timestamptz,
    measure      text,
    count        bigint NOT NULL,
    timed        bigint NOT NULL,
    microseconds bigint NOT NULL,
    PRIMARY KEY (starts_at, measure)
);
CREATE TABLE rollup_hour_histograms (
    starts_at timestamptz,
    bucket    smallint,
    count     bigint NOT NULL,
    PRIMARY KEY (starts_at, bucket)
);
CREATE TABLE rollup_day_histograms (
    starts_at  timestamptz,
    task_name  text,
    queue_name text,
    bucket     smallint,
    count      bigint NOT NULL,
    PRIMARY KEY (starts_at, task_name, queue_name, bucket)
);
"""
SUM_UP = """
INSERT INTO rollup_days
SELECT date_trunc('day', starts_at, 'UTC'), task_name, queue_name, measure, error, sum(count), sum(timed),
       sum(microseconds)
FROM rollup_hours GROUP BY 1, 2, 3, 4, 5;
INSERT INTO rollup_hour_totals
SELECT starts_at, measure, sum(count), sum(timed), sum(microseconds) FROM rollup_hours GROUP BY 1, 2;
INSERT INTO rollup_hour_histograms
SELECT starts_at, bucket, sum(count) FROM rollup_histograms WHERE measure <> 'started' GROUP BY 1, 2;
INSERT INTO rollup_day_histograms
SELECT date_trunc('day', starts_at, 'UTC'), task_name, queue_name, bucket, sum(count)
FROM rollup_histograms WHERE measure <> 'started' GROUP BY 1, 2, 3, 4;
"""


def upgrade() -> None:
    """Make the tables, summed up from what is there, while nothing is folded into it."""
    op.execute("LOCK TABLE rollup_hours, rollup_histograms IN SHARE MODE")
    op.execute(TABLES)
    op.execute(SUM_UP)


def downgrade() -> None:
    """Remove them; the finer ones hold all that they say."""
    op.execute("DROP TABLE rollup_days, rollup_hour_totals, rollup_hour_histograms, rollup_day_histograms")
