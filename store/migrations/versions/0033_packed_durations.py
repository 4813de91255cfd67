"""Histograms by name stand in one number beside the sums that they belong to, and no longer in a row for each bucket.

`domain/histograms.py` tells how they are packed. Waits until the start, by name, were kept in buckets by the hour and
never read: of these the sums stay.
"""

from alembic import op

revision = "0033_packed_durations"
down_revision = "0029_week_rollups"

# Nothing is folded meanwhile (`store/queries/leadership.py`). Who reads waits for the last statements alone, which
# take no time.
WHILE_NOTHING_IS_FOLDED = f"SELECT pg_advisory_xact_lock({0x726F6C6C})"
ENDS = "('completed', 'failed', 'cancelled')"
# By the hour a bucket is told by the measure, but not by the error: that of several that comes first has them all.
HISTOGRAMS = {
    "hours": ("rollup_histograms", ", measure"),
    "days": ("rollup_day_histograms", ""),
    "weeks": ("rollup_week_histograms", ""),
}
PACK = """
CREATE TABLE rollup_{period}_packed (LIKE rollup_{period} INCLUDING INDEXES, durations numeric DEFAULT 0 NOT NULL);
INSERT INTO rollup_{period}_packed
SELECT each.starts_at, each.task_name, each.queue_name, each.measure, each.error, count, timed, microseconds,
       CASE WHEN nth = 1 THEN coalesce(packed.durations, 0) ELSE 0 END
FROM (
    SELECT *, measure IN {ends} AS is_end,
           row_number() OVER (PARTITION BY starts_at, task_name, queue_name{measure}, measure IN {ends}
                              ORDER BY measure, error) AS nth
    FROM rollup_{period}
) each LEFT JOIN (
    SELECT starts_at, task_name, queue_name{measure}, true AS is_end,
           sum(count * ('1e' || 12 * bucket)::numeric) AS durations
    FROM {histograms} {where} GROUP BY starts_at, task_name, queue_name{measure}
) packed USING (starts_at, task_name, queue_name{measure}, is_end);
"""
REPLACE = """
DROP TABLE rollup_{period}, {histograms};
ALTER TABLE rollup_{period}_packed RENAME TO rollup_{period};
ALTER INDEX rollup_{period}_packed_pkey RENAME TO rollup_{period}_pkey;
"""
UNPACKED = """
CREATE TABLE {histograms} (
    starts_at  timestamptz,
    task_name  text,
    queue_name text,
    {column}
    bucket     smallint,
    count      bigint NOT NULL,
    PRIMARY KEY (starts_at, task_name, queue_name{measure}, bucket)
);
INSERT INTO {histograms}
SELECT starts_at, task_name, queue_name{measure}, bucket,
       substr(lpad(durations, 12 * (buckets + 1), '0'), 12 * (buckets - bucket) + 1, 12)::bigint
FROM (
    SELECT starts_at, task_name, queue_name{measure}, sum(durations)::text AS durations,
           length(sum(durations)::text) / 12 AS buckets
    FROM rollup_{period} WHERE durations > 0 GROUP BY starts_at, task_name, queue_name{measure}
) packed, generate_series(0, buckets) bucket
WHERE substr(lpad(durations, 12 * (buckets + 1), '0'), 12 * (buckets - bucket) + 1, 12)::bigint > 0;
ALTER TABLE rollup_{period} DROP COLUMN durations;
"""


def packed() -> list[str]:
    """Return the statements that make and fill the tables that take the place of the others."""
    where = {"hours": "WHERE measure <> 'started'"}
    return [
        PACK.format(period=period, histograms=histograms, measure=measure, where=where.get(period, ""), ends=ENDS)
        for period, (histograms, measure) in HISTOGRAMS.items()
    ]


def replaced() -> list[str]:
    """Return the statements that put them there."""
    return [REPLACE.format(period=period, histograms=histograms) for period, (histograms, _) in HISTOGRAMS.items()]


def unpacked() -> list[str]:
    """Return the statements that make the tables of buckets again, without those of waits."""
    return [
        UNPACKED.format(
            period=period, histograms=histograms, measure=measure, column="measure text," if measure else ""
        )
        for period, (histograms, measure) in HISTOGRAMS.items()
    ]


def upgrade() -> None:
    """Pack what was counted, and take away where it stood."""
    op.execute(WHILE_NOTHING_IS_FOLDED)
    for statement in [*packed(), *replaced()]:
        op.execute(statement)


def downgrade() -> None:
    """Put the buckets back into rows."""
    op.execute(WHILE_NOTHING_IS_FOLDED)
    for statement in unpacked():
        op.execute(statement)
