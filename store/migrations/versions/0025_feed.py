"""The feed: what changed, in the order in which it was committed, by the day."""

from alembic import op

revision = "0025_feed"
down_revision = "0023_audit"

# The sequence is asked once for each statement, which numbers its rows from there: asked for each row it costs as much
# as the row.
# As with `events`, the default partition is a net, for days that nobody has made a partition for in time.
FEED = """
CREATE SEQUENCE feed_change_id INCREMENT 1000000;
CREATE TABLE feed (
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    change_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    type text NOT NULL,
    subject_id text NOT NULL,
    task_name text,
    queue_name text,
    status text,
    previous text,
    data json NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX feed_order ON feed (xact, change_id);
CREATE TABLE feed_default PARTITION OF feed DEFAULT;
CREATE FUNCTION make_feed_partitions(first_day date, days integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    begins date;
BEGIN
    FOR nth IN 0..days - 1 LOOP
        begins := first_day + nth;
        IF to_regclass('feed_' || to_char(begins, 'YYYYMMDD')) IS NULL THEN
            BEGIN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF feed FOR VALUES FROM (%L) TO (%L)',
                    'feed_' || to_char(begins, 'YYYYMMDD'),
                    begins::timestamp AT TIME ZONE 'UTC',
                    (begins + 1)::timestamp AT TIME ZONE 'UTC'
                );
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'changes of % are in the default partition already', begins;
            END;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT make_feed_partitions((now() AT TIME ZONE 'UTC')::date - 1, 9);
CREATE TABLE feed_state (
    state_no integer PRIMARY KEY,
    epoch text NOT NULL,
    complete_since timestamptz NOT NULL DEFAULT now(),
    dropped_xact xid8,
    dropped_change_id bigint
);
INSERT INTO feed_state (state_no, epoch) VALUES (1, left(replace(gen_random_uuid()::text, '-', ''), 12))
"""


def upgrade() -> None:
    """New tables, which nobody waits for. The feed begins empty; what processes of older versions do is not in it."""
    op.execute(FEED)


def downgrade() -> None:
    """Nobody can tell any more what changed; readers begin anew."""
    op.execute("DROP FUNCTION make_feed_partitions")
    op.execute("DROP TABLE feed, feed_state")
    op.execute("DROP SEQUENCE feed_change_id")
